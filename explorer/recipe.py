"""The recipe of the Tales study: tokenizer, corpus, language models, dictionaries. Every step is resumable."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import tales
from explorer.activation_buffer import after_first, shuffled_batches
from explorer.files import replacing
from explorer.models import LanguageModel, load_model
from explorer.pretraining import ModelRecipe, Schedule, TrainingProgress, pack, save_half, train_language_model
from explorer.recall_objective import flagged, recall_objective, tokens_of
from explorer.sae_format_saelens import save_sae
from explorer.sae_training import SAERecipe, SAETrainer
from explorer.sites import Site
from explorer.tokenizer import train_tokenizer
from explorer.training_loss import best_loss, fast_loss

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

Log = Callable[[str], None]


@dataclass(frozen=True)
class Phase:
    """One stretch of a model's training: it starts from the weights that the one before has left."""

    name: str
    """recall, main or polish."""
    schedule: Schedule
    """Its optimisation."""
    order: int
    """Added to the model's seed for the order of the rows."""


@dataclass(frozen=True)
class TalesRecipe:
    """Everything that decides the shipped study, apart from the storybook itself."""

    seeds: tuple[int, ...] = (0, 1, 2, 3)
    """Independent initial weights and orders of the same training rows."""
    vocabulary: int = 2048
    """Tokens of the shared BPE tokenizer."""
    tokenizer_documents: int = 20_000
    """Documents that the tokenizer is trained on."""
    rows: int = 60_000
    """Training rows of `model.context` tokens."""
    polish_rows: int = 40_000
    """Training rows of the second phase: text that the first has not seen."""
    model: ModelRecipe = field(default_factory=ModelRecipe)
    """Shape of the language models."""
    recall: Schedule | None = field(
        default_factory=lambda: Schedule(
            steps=2200, rows=4, learning_rate=7e-4, warmup=100, last=1.0, beta2=0.99, emphasis=20.0
        )
    )
    """First phase, in which a model learns to look names up (`explorer.recall_objective`); faster rates prevent it."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            steps=14_000, rows=4, learning_rate=1.5e-3, warmup=100, last=0.5, beta2=0.99, emphasis=4.0
        )
    )
    """Main phase: small batches, which learn most from each token."""
    polish: Schedule | None = field(
        default_factory=lambda: Schedule(steps=2500, rows=16, learning_rate=1.5e-3, warmup=50, beta2=0.99)
    )
    """Last phase on new text: larger batches, which leave less noise in the weights."""
    early: float = 0.05
    """Share of seed 0's main phase after which the early checkpoint is kept."""
    checkpoints: tuple[float, ...] = (0.02, 0.05, 0.15, 0.4)
    """Shares of every seed's main phase after which a checkpoint is kept for the table over training (in `work`)."""
    sae: SAERecipe = field(default_factory=lambda: SAERecipe(k=32))
    """Dictionaries, one for each site of each seed."""
    sae_rows: int = 2_000_000
    """Rows that each dictionary is trained on."""
    held_out: int = 800
    """Held-out documents on which everything is measured."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of every model's training, in their order."""
        found = (("recall", self.recall, 200), ("main", self.schedule, 0), ("polish", self.polish, 100))
        return tuple(Phase(name, schedule, order) for name, schedule, order in found if schedule is not None)

    @property
    def early_of_all(self) -> float:
        """Share of all training rows that the early checkpoint has seen."""
        rows = {p.name: p.schedule.steps * p.schedule.rows for p in self.phases}
        return (rows.get("recall", 0) + self.early * rows["main"]) / sum(rows.values())


@dataclass(frozen=True)
class Workshop:
    """Where a recipe works: finished parts in `out`, what only training needs in `out/work`."""

    out: Path
    """The study's folder."""
    recipe: TalesRecipe
    """What to make."""
    log: Log
    """Receives one line at a time."""
    device: str = "cpu"
    """Where to train."""
    fast: bool = False
    """Use the fastest training loss of this machine (compiling it takes half a minute); else the models' own."""
    documents: tuple[str, ...] | None = None
    """Text of one's own to train on, read again and again; None for Tales, of which there is always more."""

    @property
    def tokenizer_folder(self) -> Path:
        """The shared tokenizer."""
        return self.out / "work" / "tokenizer"

    def model_folder(self, name: str) -> Path:
        """A model's folder."""
        return self.out / "models" / name

    def phase_folder(self, name: str, phase: Phase) -> Path:
        """A model after a phase of its training that is not the last."""
        return self.out / "work" / f"{name}-{phase.name}"

    def checkpoint_folder(self, name: str, step: int) -> Path:
        """A checkpoint on a model's way, which only the table over training needs."""
        return self.out / "work" / "checkpoints" / f"{name}-{step:06d}"

    def sae_folder(self, name: str, site: Site) -> Path:
        """A dictionary's folder."""
        return self.out / "dictionaries" / name / site.name


POLISH_DOCUMENT = 300_000
"""Number of the first training document of the second phase."""


def make_corpus(workshop: Workshop, polish: bool = False) -> Int[np.ndarray, "n t"]:
    """The training rows of a phase, from the cache in `work` or made anew (with the tokenizer)."""
    from transformers import AutoTokenizer

    recipe = workshop.recipe
    path = workshop.out / "work" / ("polish.npy" if polish else "rows.npy")
    count = recipe.polish_rows if polish else recipe.rows
    if not workshop.tokenizer_folder.exists():
        workshop.log(f"tokenizer: training on {recipe.tokenizer_documents} documents")
        texts = itertools.islice(_texts(workshop, 0), recipe.tokenizer_documents)
        with replacing(workshop.tokenizer_folder) as partial:
            train_tokenizer(texts, recipe.vocabulary, partial)
    if path.exists():
        return np.load(path, allow_pickle=False)
    workshop.log(f"corpus: packing {count} rows of {recipe.model.context} tokens")
    tokenizer = AutoTokenizer.from_pretrained(workshop.tokenizer_folder)

    def encoded() -> Iterator[list[int]]:
        texts = _texts(workshop, POLISH_DOCUMENT if polish else 0)
        while some := list(itertools.islice(texts, 500)):
            yield from tokenizer(some, add_special_tokens=False)["input_ids"]

    rows = pack(encoded(), count, recipe.model.context, tokenizer.eos_token_id)
    with replacing(path) as partial, partial.open("wb") as file:
        np.save(file, rows)
    return rows


def _texts(workshop: Workshop, start: int) -> Iterator[str]:
    """The training documents without an end: Tales from number `start` on, or one's own text over and over."""
    if workshop.documents is not None:
        yield from itertools.cycle(workshop.documents)
    for index in itertools.count(start):
        yield tales.document("train", index).text


def make_models(workshop: Workshop, seeds: tuple[int, ...], stop_after: int | None = None) -> None:
    """Train the language models of some seeds; seed 0 also leaves its early checkpoint and its untrained weights.

    A phase that is over leaves its weights, in half precision, from which the next one starts.
    """
    recipe = workshop.recipe
    vocabulary = max(recipe.vocabulary, int(make_corpus(workshop).max()) + 1)
    for seed in seeds:
        name = f"seed{seed}"
        if workshop.model_folder(name).exists():
            workshop.log(f"{name}: already trained")
            continue
        model = recipe.model.build(vocabulary, seed)
        for phase in recipe.phases:
            folder = workshop.model_folder(name) if phase == recipe.phases[-1] else workshop.phase_folder(name, phase)
            if not folder.exists():
                keep: dict[int, list[Path]] = {}
                if phase.name == "main":
                    steps = phase.schedule.steps
                    for share in recipe.checkpoints:
                        keep[round(share * steps)] = [workshop.checkpoint_folder(name, round(share * steps))]
                    if seed == 0:
                        keep.setdefault(round(recipe.early * steps), []).append(workshop.model_folder("early"))
                if seed == 0 and phase == recipe.phases[0]:
                    keep.setdefault(0, []).append(workshop.model_folder("step0"))
                model.to(workshop.device)
                rows = make_corpus(workshop, phase.name == "polish")
                label = f"{name}-{phase.name}"
                if not train_phase(
                    workshop, model, rows, phase.schedule, phase.order + seed, label, keep, folder, stop_after
                ):
                    return
            if phase != recipe.phases[-1]:
                model = recipe.model.load(folder)
    for folder in (workshop.out / "models").glob("*"):
        if folder.is_dir() and not folder.name.endswith(".partial"):
            for file in workshop.tokenizer_folder.iterdir():
                shutil.copy(file, folder / file.name)


def train_phase(
    workshop: Workshop,
    model: LlamaForCausalLM,
    rows: Int[np.ndarray, "n t"],
    schedule: Schedule,
    order: int,
    name: str,
    keep: dict[int, list[Path]],
    folder: Path,
    stop_after: int | None = None,
) -> bool:
    """Train one phase of one model, and save it into `folder`; False if it was stopped before its end."""

    def report(p: TrainingProgress) -> None:
        if p.step % 200 == 0 or p.step == p.steps:
            tokens = p.step * schedule.rows * workshop.recipe.model.context / 1e6
            left = f"{p.seconds_left / 60:.0f} min left"
            workshop.log(f"{name}: step {p.step}/{p.steps}, {tokens:.1f} M tokens, loss {p.loss:.4f}, {left}")

    state = workshop.out / "work" / f"{name}.safetensors"
    loss_of = None
    special = (recall_objective(schedule.emphasis), tokens_of) if schedule.emphasis != 1 else ()
    if special:
        rows = flagged(rows, model.config.eos_token_id)
    if workshop.fast and workshop.device == "cpu":
        loss_of, how = best_loss(model, *special)
        workshop.log(f"{name}: {how}")
    elif special:
        loss_of = fast_loss(model, torch.float32, False, *special)
    losses = train_language_model(model, rows, schedule, order, state, keep, report, stop_after, loss_of)
    if not losses or losses[-1][0] < schedule.steps:
        return False
    curve = workshop.out / "work" / f"{name}.losses.csv"
    curve.write_text("step,loss\n" + "".join(f"{s},{loss:.5f}\n" for s, loss in losses), encoding="utf-8")
    save_half(model, folder)
    return True


@torch.inference_mode()
def document_loss(model: LanguageModel, texts: list[str]) -> tuple[float, float]:
    """Mean loss in nats per document, and tokens per document with the end-of-text token that closes it.

    Comparable with `tales.entropy`: both are −log P of whole documents, and no model can be below it. Documents are
    read as in training, where a row starts with a document's first token: no model has met an end-of-text token there.
    So the first token is predicted after another document's end, and the rest from the document alone, which by the
    chain rule is a probability of documents, too.
    """
    end, tokenizer = model.tokenizer.eos_token_id, model.tokenizer
    before = [*tokenizer(tales.document("train", 0).text, add_special_tokens=False)["input_ids"], end]
    first = model.logits(torch.tensor([before]))[0, -1].log_softmax(-1)
    total, tokens = 0.0, 0
    for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        row = torch.tensor([*ids, end], device=model.device)
        loss = torch.nn.functional.cross_entropy(model.logits(row[None])[0, :-1], row[1:])
        total += float(loss) * len(ids) - float(first[ids[0]])
        tokens += len(ids) + 1
    return total / len(texts), tokens / len(texts)


def activation_batches(
    model: LanguageModel, rows: Int[np.ndarray, "n t"], sites: list[Site], batch: int, count: int, seed: int
) -> Iterator[dict[Site, Float[Tensor, "b d"]]]:
    """`count` batches of shuffled residual rows at every site: one forward pass of each text row serves all sites.

    Position 0 of each row is left out.
    """
    rng = np.random.default_rng([seed, 11])
    order = itertools.cycle(rng.permutation(len(rows)))
    text = (after_first(rows[list(itertools.islice(order, 32))]) for _ in itertools.count())
    return shuffled_batches(model, text, sites, batch, count, 64, rng)


def make_dictionaries(workshop: Workshop, name: str, seed: int) -> None:
    """Train one dictionary for every site of a model, side by side on the same text."""
    recipe = workshop.recipe
    model = load_model(workshop.model_folder(name), name=name, device=workshop.device)
    sites = [s for s in model.sites if not workshop.sae_folder(name, s).exists()]
    if not sites:
        workshop.log(f"{name}: dictionaries already trained")
        return
    rows = make_corpus(workshop)
    count = recipe.sae_rows // recipe.sae.batch
    trainers: dict[Site, SAETrainer] = {}
    unexplained = dict.fromkeys(sites, 0.0)
    began = time.monotonic()
    for i, batch in enumerate(activation_batches(model, rows, sites, recipe.sae.batch, count, seed), 1):
        for site in sites:
            if site not in trainers:
                trainers[site] = SAETrainer(recipe.sae, batch[site], count, 1000 * (seed + 1) + site.index, site.name)
            unexplained[site] += (trainers[site].step(batch[site]) - unexplained[site]) / 20
        if i % 200 == 0 or i == count:
            left = (time.monotonic() - began) / i * (count - i)
            ev = ", ".join(f"{1 - unexplained[s]:.3f}" for s in sites)
            workshop.log(f"{name}: dictionaries, batch {i}/{count}, EV {ev}, {left:.0f} s left")
    for site in sites:
        save_sae(trainers[site].finish(), workshop.sae_folder(name, site), name, recipe.model.context)
