"""The table over training: do two seeds become one function, and does the rotation account improve or fade with it?

Measured at the middle site of two seeds of the first cohort, from their checkpoints, with the study's own functions and
a short TopK dictionary for each row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from explorer.alignment import ResidualMap, measure_pair, restored
from explorer.files import write_json
from explorer.models import LanguageModel, Site, load_model
from explorer.sae import SAE, train_sae
from explorer.steering import Steered, own_contrasts
from explorer.study import FILE, Study, TrainingRow
from explorer.training.tales import USES, Workshop, document_loss, pool_batches, tales_file, training_stream

DOCUMENTS, LOSS_DOCUMENTS = 400, 80
SAE_ROWS = 300_000
DOSE = 0.4
"""c at which the row's steering is read."""
CLEAR = ("recipe", "letter", "log", "weather", "news")
"""Contrasts of genre, whose native effect is clear in every model that has learnt anything."""


def make_training_table(workshop: Workshop) -> None:
    """Measure every checkpoint, and write training.json into the study."""
    path = workshop.out / FILE
    if path.exists():
        workshop.log("table over training: already there")
        return
    measurer = _Measurer(workshop)
    write_json(path, [measurer.row(*place) for place in _checkpoints(workshop)])


def _checkpoints(workshop: Workshop) -> Iterator[tuple[int, tuple[Path, Path]]]:
    """(training tokens of each seed, folders of both) of every checkpoint, the shipped models last."""
    recipe = workshop.recipe
    cohort = recipe.cohorts[0]
    one, other = cohort.names[:2]
    per_step = cohort.schedule.rows * recipe.model.context
    for step in cohort.checkpoints:
        yield step * per_step, (workshop.checkpoint_folder(one, step), workshop.checkpoint_folder(other, step))
    yield cohort.schedule.steps * per_step, (workshop.model_folder(one), workshop.model_folder(other))


class _Measurer:
    """Holds what every row of the table shares."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        study = Study(workshop.out, tales_file(workshop))
        self.corpus, self.begin = study.corpus, study.file.text.begin
        self.chunks = study.chunks(DOCUMENTS)
        self.loss_texts = [d.text for d in self.corpus.documents(LOSS_DOCUMENTS)]
        self.text = training_stream(workshop, workshop.recipe.sae_tokens)

    def loss(self, model: LanguageModel) -> float:
        """Nats per token of the held-out documents."""
        total, tokens = document_loss(model, self.loss_texts)
        return total / tokens

    def row(self, tokens: int, folders: tuple[Path, Path]) -> TrainingRow:
        """Measure one pair of models."""
        name = f"after {tokens / 1e6:.0f} M tokens"
        self.workshop.log(f"table over training: {name}")
        a, b = (load_model(folder, name, begin=self.begin) for name, folder in zip("AB", folders, strict=True))
        site = a.sites[a.n_layers // 2]
        pair = measure_pair(a, b, self.chunks, [site], {site.name: self._dictionary(a, site)})
        found, scores = pair.result.sites[0], pair.result.sites[0].dictionary
        assert scores is not None
        back = restored(scores, "rotated")
        native, rotated = self._steering(a, b, site, pair.maps[site.name]["rotated"])
        return TrainingRow(
            name=name,
            tokens=tokens,
            d_model=a.d_model,
            loss_source=self.loss(a),
            loss_target=self.loss(b),
            kl=pair.result.function.kl,
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
        steered, changes = Steered(b, site, self.corpus, self.chunks), []
        for theirs, own in zip(*(own_contrasts(model, site, self.corpus) for model in (a, b)), strict=True):
            if own.plan.name in CLEAR:
                vectors = DOSE * steered.norm * torch.stack([own.vector, rotated.direction(theirs.vector)])
                found, base = steered.prompts.read(vectors, [own.typical]), steered.base([own.typical])
                changes.append((found.m - base.m).mean((1, 2)))
        native, carried = torch.stack(changes).mean(0).tolist()
        return native, carried

    def _dictionary(self, model: LanguageModel, site: Site) -> SAE:
        recipe = self.workshop.recipe
        rows = SAE_ROWS // USES
        count = rows // recipe.sae.batch * USES
        batches = pool_batches(model, self.text, [site], recipe.sae, recipe.model.context, rows, 0)
        return train_sae(recipe.sae, (found[site] for found in batches), count, 0, site.name)
