"""The table over training: does the rotation account improve or fade with training, weight decay and width?

Measured at the middle site on two seeds, with the study's own functions and a short TopK dictionary for each row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from explorer.alignment import ResidualMap, measure_pair, restored
from explorer.files import write_json
from explorer.models import LanguageModel, Site, find_blocks
from explorer.sae import SAE, SAERecipe, train_sae
from explorer.steering import Steered, own_contrasts
from explorer.study import FILE, TrainingRow
from explorer.text import HELD_OUT, Chunks, TextReading, read_windows
from explorer.text.tales import Tales
from explorer.training.pretraining import ModelRecipe, Schedule
from explorer.training.tales import (
    USES,
    Workshop,
    document_loss,
    make_corpus,
    pool_batches,
    train_phase,
    training_stream,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAIR = (0, 1)
"""Seeds of every row: the first is the source."""
DOCUMENTS, LOSS_DOCUMENTS = 400, 80
SAE_ROWS = 300_000
DOSE = 0.4
"""c at which the row's steering is read."""
TRIAL = Schedule(steps=2500, rows=4, learning_rate=3e-3, warmup=200)
"""Every trial: the same 2.6 M tokens, so that only what its name says differs."""
CLEAR = ("recipe", "letter", "log", "weather", "news")
"""Contrasts of genre, whose native effect is clear in every model that has learnt anything."""


@dataclass(frozen=True)
class Trial:
    """A short run that differs from the first one in one thing."""

    name: str
    """What differs."""
    model: ModelRecipe
    """Its shape."""
    schedule: Schedule
    """Its optimisation."""


def trials() -> list[Trial]:
    """The runs of the table: the recipe's shape, two other weight decays, two other widths."""
    shape = ModelRecipe()
    return [
        Trial("d = 128, weight decay 0.1", shape, TRIAL),
        Trial("no weight decay", shape, replace(TRIAL, weight_decay=0.0)),
        Trial("weight decay 0.5", shape, replace(TRIAL, weight_decay=0.5)),
        Trial("d = 64", replace(shape, d_model=64, d_mlp=192), TRIAL),
        Trial("d = 192", replace(shape, d_model=192, d_mlp=576), TRIAL),
    ]


def make_training_table(workshop: Workshop) -> None:
    """Train the trials, measure every checkpoint and trial, and write training.json into the study."""
    path = workshop.out / FILE
    if path.exists():
        workshop.log("table over training: already there")
        return
    make_trials(workshop, PAIR)
    measurer = _Measurer(workshop)
    rows = [measurer.row(*place) for place in (*_checkpoints(workshop), *_trials(workshop))]
    write_json(path, rows)


def make_trials(workshop: Workshop, seeds: tuple[int, ...]) -> None:
    """Train the trials of some seeds; finished ones are kept."""
    rows = make_corpus(workshop)
    vocabulary = max(workshop.recipe.vocabulary, int(rows.max()) + 1)
    for i, trial in enumerate(trials()):
        for seed in seeds:
            folder = _trial_folder(workshop, i, seed)
            if not folder.exists():
                model = trial.model.build(vocabulary, seed).to(workshop.device)
                train_phase(workshop, model, rows, trial.schedule, seed, f"trial{i}-seed{seed}", {}, folder)


def _trial_folder(workshop: Workshop, number: int, seed: int) -> Path:
    return workshop.out / "work" / "trials" / f"{number}-seed{seed}"


Place = tuple[str, str, int, tuple[Path, Path]]


def _checkpoints(workshop: Workshop) -> Iterator[Place]:
    recipe, tokens = workshop.recipe, 0
    names = [f"seed{seed}" for seed in PAIR]
    for phase in recipe.phases:
        per_step = phase.schedule.rows * recipe.model.context
        steps = [round(share * phase.schedule.steps) for share in recipe.checkpoints] if phase.name == "main" else []
        for step in steps:
            first, second = (workshop.checkpoint_folder(n, step) for n in names)
            yield _after(tokens + step * per_step), "training", tokens + step * per_step, (first, second)
        tokens += phase.schedule.steps * per_step
        last = phase == recipe.phases[-1]
        first, second = (workshop.model_folder(n) if last else workshop.phase_folder(n, phase) for n in names)
        yield _after(tokens) + (", as shipped" if last else ""), "training", tokens, (first, second)


def _after(tokens: int) -> str:
    return f"after {tokens / 1e6:.1f} M tokens"


def _trials(workshop: Workshop) -> Iterator[Place]:
    for i, trial in enumerate(trials()):
        tokens = trial.schedule.steps * trial.schedule.rows * trial.model.context
        first, second = (_trial_folder(workshop, i, seed) for seed in PAIR)
        yield trial.name, "trial", tokens, (first, second)


TEXT = Tales(HELD_OUT, DOCUMENTS, Path())


class _Measurer:
    """Holds what every row of the table shares."""

    def __init__(self, workshop: Workshop) -> None:
        from transformers import AutoTokenizer

        self.workshop = workshop
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(workshop.tokenizer_folder)
        texts = [d.text for d in TEXT.documents()]
        self.loss_texts = texts[:LOSS_DOCUMENTS]
        self.chunks: Chunks = read_windows(texts, self.tokenizer, TextReading(128))
        self.text = training_stream(workshop, workshop.recipe.sae_tokens)

    def load(self, name: str, folder: Path) -> LanguageModel:
        """A model without a tokenizer of its own, ready to be read."""
        network = ModelRecipe.load(folder)
        network.eval().requires_grad_(False)
        return LanguageModel(name, network, self.tokenizer, find_blocks(network))

    def loss(self, model: LanguageModel) -> float:
        """Nats per token of the held-out documents."""
        total, tokens = document_loss(model, self.loss_texts)
        return total / tokens

    def row(self, name: str, group: str, tokens: int, folders: tuple[Path, Path]) -> TrainingRow:
        """Measure one pair of models."""
        self.workshop.log(f"table over training: {name}")
        a, b = (self.load(n, folder) for n, folder in zip("AB", folders, strict=True))
        site = a.sites[a.n_layers // 2]
        recipe = replace(self.workshop.recipe.sae, width=8 * a.d_model)
        sae = self._dictionary(a, recipe)
        pair = measure_pair(a, b, self.chunks, [site], {site.name: sae})
        found, scores = pair.result.sites[0], pair.result.sites[0].dictionary
        assert scores is not None
        back = restored(scores, "rotated")
        native, rotated = self._steering(a, b, site, pair.maps[site.name]["rotated"])
        return TrainingRow(
            name=name,
            group=group,
            tokens=tokens,
            d_model=a.d_model,
            loss_source=self.loss(a),
            loss_target=self.loss(b),
            orthogonal=found.ladder["orthogonal"].value,
            affine=found.ladder["affine"].value,
            sae_ceiling=scores["ceiling"].paper.value,
            sae_raw=scores["raw"].paper.value,
            sae_rotated=scores["rotated"].paper.value,
            sae_shuffled=scores["shuffled"].paper.value,
            steering_native=native,
            steering_rotated=rotated,
            restored=None if back is None else back.value,
            dictionary=found.dictionary_name,
        )

    def _steering(self, a: LanguageModel, b: LanguageModel, site: Site, rotated: ResidualMap) -> tuple[float, float]:
        """m(c) − m(0) of b's own vectors and of a's through R, on average over the clear contrasts."""
        steered, changes = Steered(b, site, TEXT, self.chunks), []
        for theirs, own in zip(*(own_contrasts(model, site, TEXT) for model in (a, b)), strict=True):
            if own.plan.name in CLEAR:
                vectors = DOSE * steered.norm * torch.stack([own.vector, rotated.direction(theirs.vector)])
                found, base = steered.prompts.read(vectors, [own.typical]), steered.base([own.typical])
                changes.append((found.m - base.m).mean((1, 2)))
        native, carried = torch.stack(changes).mean(0).tolist()
        return native, carried

    def _dictionary(self, model: LanguageModel, recipe: SAERecipe) -> SAE:
        site = model.sites[model.n_layers // 2]
        context, rows = self.workshop.recipe.model.context, SAE_ROWS // USES
        count = rows // recipe.batch * USES
        batches = pool_batches(model, self.text, [site], recipe, context, rows, 0)
        return train_sae(recipe, (found[site] for found in batches), count, 0, site.name)
