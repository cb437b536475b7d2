"""The recipe of the Tales study: what decides its models and dictionaries, and where each of them lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from explorer.models import Site
from explorer.sae import SAERecipe
from explorer.training.pretraining import ModelRecipe, Schedule

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
    model: ModelRecipe = field(default_factory=lambda: ModelRecipe(256, 4, 8, 768, 256))
    """Shape of the language models."""
    recall: Schedule | None = field(
        default_factory=lambda: Schedule(
            steps=2200, rows=4, learning_rate=7e-4, warmup=100, last=1.0, beta2=0.99, emphasis=20.0
        )
    )
    """First phase, in which a model learns to look names up (`recall_objective`); faster rates prevent it."""
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
    sae: SAERecipe = field(default_factory=lambda: SAERecipe(width=2048, k=32, batch=2048))
    """Dictionaries, one for each site of each seed."""
    sae_rows: int = 6_000_000
    """Rows that each dictionary is trained on."""
    sae_tokens: int = 4_000_000
    """Tokens of training text that the dictionaries' windows are drawn from."""
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
    processes: int = 1
    """How many processes write text."""
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

    def sae_folder(self, name: str, site: Site, start: int = 0) -> Path:
        """A dictionary's folder; a model's second dictionaries (`start` 1) lie apart."""
        return self.out / ("dictionaries_again" if start else "dictionaries") / name / site.name
