"""The recipe of the Tales study: what decides its models and dictionaries, and where each of them lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from explorer.models import Site
from explorer.sae import SAE, SAERecipe
from explorer.sae.formats import save_sae
from explorer.training.llamas import ModelRecipe
from explorer.training.optimisers import OptimiserKind
from explorer.training.schedule import Schedule

Log = Callable[[str], None]
EMPHASIS = ((0.1, 8.0), (0.5, 3.0))
"""How often a repeated rare token counts, and up to which share of the steps."""


@dataclass(frozen=True)
class Cohort:
    """Seeds that are trained in one way, as one batch of weights, on rows of their own."""

    kind: OptimiserKind
    """Its optimiser."""
    prefix: str
    """What its models' names begin with."""
    schedule: Schedule
    """Its optimisation."""
    numbers: tuple[int, ...]
    """Its models: their names end with these."""
    first_seed: int = 0
    """Seed of the initial weights of number 0, so that no two cohorts begin alike."""
    checkpoints: tuple[int, ...] = ()
    """Steps after which its first two models are kept for the table over training (in `work`)."""

    @property
    def names(self) -> list[str]:
        """The names of its models."""
        return [f"{self.prefix}{number}" for number in self.numbers]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of their initial weights."""
        return tuple(self.first_seed + number for number in self.numbers)


def _equivariant() -> Cohort:
    schedule = Schedule(steps=18_729, emphasis=EMPHASIS)
    return Cohort("equivariant", "seed", schedule, (0, 1, 2), checkpoints=(563, 1509, 4676, 11_238))


def _adamw() -> Cohort:
    return Cohort("adamw", "adam", Schedule(steps=24_434, emphasis=EMPHASIS), (0, 1), 10)


@dataclass(frozen=True)
class TalesRecipe:
    """Everything that decides the shipped study, apart from the storybook itself."""

    cohorts: tuple[Cohort, ...] = field(default_factory=lambda: (_equivariant(), _adamw()))
    """The models; the first one of the first cohort is the source of most pairs, and has controls."""
    vocabulary: int = 2048
    """Tokens of the shared BPE tokenizer."""
    tokenizer_documents: int = 20_000
    """Documents that the tokenizer is trained on."""
    tokens: int = 214_036_263
    """Tokens of training text, from which rows are drawn: half of them begin with end-of-text, half anywhere."""
    model: ModelRecipe = field(default_factory=ModelRecipe)
    """Shape of the language models."""
    early: int = 1509
    """Step of the first model after which the early checkpoint is kept."""
    sae: SAERecipe = field(default_factory=lambda: SAERecipe(width=2048, k=32))
    """Dictionaries, one for each site of each model."""
    sae_rows: int = 3_000_000
    """Rows that each dictionary is trained on."""
    sae_tokens: int = 4_000_000
    """Tokens of training text that the dictionaries' windows are drawn from."""
    held_out: int = 800
    """Held-out documents on which everything is measured."""

    @property
    def names(self) -> list[str]:
        """Every trained model."""
        return [name for cohort in self.cohorts for name in cohort.names]

    def of(self, numbers: tuple[int, ...], kind: OptimiserKind | None = None) -> TalesRecipe:
        """The same with other seeds: the first cohort has all of them, a second one two; or one kind of cohort only."""
        chosen = [cohort for cohort in self.cohorts if kind in (None, cohort.kind)]
        if not chosen and kind is not None:
            chosen = [replace(self.cohorts[0], kind=kind)]
        sizes = (len(numbers), *[2] * (len(chosen) - 1))
        cohorts = (replace(cohort, numbers=numbers[:size]) for cohort, size in zip(chosen, sizes, strict=True))
        return replace(self, cohorts=tuple(cohorts))

    def cohort_of(self, name: str) -> Cohort:
        """The cohort of a trained model."""
        return next(cohort for cohort in self.cohorts if name in cohort.names)

    def seed_of(self, name: str) -> int:
        """The seed of a trained model's initial weights."""
        cohort = self.cohort_of(name)
        return cohort.seeds[cohort.names.index(name)]


def own_text_recipe() -> TalesRecipe:
    """The recipe for a text of one's own: small models of one cohort, trained as long as a CPU can."""
    small = replace(_equivariant(), schedule=Schedule(steps=1640, emphasis=EMPHASIS), checkpoints=())
    return TalesRecipe(cohorts=(small,), model=ModelRecipe(128, 4, 4, 384, 256), sae=SAERecipe(width=1024, k=32))


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
    """Train in the fastest way of this machine (compiling takes half a minute); else in plain float32."""
    processes: int = 0
    """Processes that write text beside the training; 0 writes it in this one, before it is needed."""
    documents: tuple[str, ...] | None = None
    """Text of one's own to train on, read again and again; None for Tales, of which there is always more."""

    @property
    def tokenizer_folder(self) -> Path:
        """The shared tokenizer."""
        return self.out / "work" / "tokenizer"

    def model_folder(self, name: str) -> Path:
        """A model's folder."""
        return self.out / "models" / name

    def checkpoint_folder(self, name: str, step: int) -> Path:
        """A checkpoint on a model's way, which only the table over training needs."""
        return self.out / "work" / "checkpoints" / f"{name}-{step:06d}"

    def sae_folder(self, name: str, site: Site, start: int = 0) -> Path:
        """A dictionary's folder; a model's second dictionaries (`start` 1) lie apart."""
        return self.out / ("work/dictionaries_again" if start else "dictionaries") / name / site.name

    def save_dictionary(self, sae: SAE, name: str, site: Site, start: int = 0) -> None:
        """Write a model's dictionary, its matrices in eight bits: half the space, and an EV that is .001 lower."""
        folder = self.sae_folder(name, site, start)
        save_sae(sae, folder, name, self.recipe.model.context, torch.float8_e4m3fn, bos=True)
