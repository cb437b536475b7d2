"""The recipe of the Dyck-3 study: two cohorts of models and their dictionaries. Every step is resumable.

Cohort A shares its boundary: A0 is trained, and the others learn with A0's trained embedding and unembedding (the label
heads included) loaded and frozen. Cohort B is independent throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models import LanguageModel, Site, load_model
from explorer.sae import Architecture, Part, SAERecipe, SAETrainer, shuffled_batches
from explorer.sae.formats import save_sae
from explorer.text.dyck import language as dyck
from explorer.training.llamas import ModelRecipe
from explorer.training.schedule import Schedule

INDEPENDENT = 100
"""Added to the seeds of cohort B, so that no initial weights are those of cohort A."""
ENDINGS: dict[Architecture, str] = {"topk": "", "standard": ".relu"}
"""What the name of a dictionary's folder ends with, after its site."""


@dataclass(frozen=True)
class DyckRecipe:
    """Everything that decides the Dyck-3 study."""

    seeds: tuple[int, ...] = (0, 1, 2, 3)
    """Cohort A has all of them, cohort B all but the last."""
    model: ModelRecipe = field(default_factory=lambda: ModelRecipe(64, 2, 4, 256, dyck.CONTEXT))
    """Shape of the models: the paper's, as a Llama."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(4000, learning_rate=4e-3, flat=0.0, weight_decay=0.01, beta2=0.95)
    )
    """Optimisation of a first phase; no document is seen twice."""
    again: Schedule = field(default_factory=lambda: Schedule(2000, warmup=50, flat=0.0, weight_decay=0.01, beta2=0.95))
    """A further phase on new documents, for a model that is not accurate enough after those before."""
    phases: int = 4
    """Phases at most."""
    accurate: float = 0.999
    """Held-out accuracy of the depth and validity heads at which a model is finished."""
    early: float = 0.1
    """Share of A0's steps after which the early checkpoint is kept."""
    topk: SAERecipe = field(default_factory=lambda: SAERecipe(width=256, k=8))
    """TopK dictionaries, each from initial weights of its own."""
    relu: SAERecipe = field(default_factory=lambda: SAERecipe(width=512, k=None, l1=3e-3, learning_rate=1e-3))
    """ReLU dictionaries as the paper's: at one site every model's start from the same weights and see the same text."""
    sae_batches: int = 600
    """Batches that each dictionary is trained on."""
    held_out: int = 2000
    """Held-out documents on which everything is measured."""

    @property
    def cohorts(self) -> dict[str, tuple[int, ...]]:
        """Seeds of each cohort."""
        return {"A": self.seeds, "B": self.seeds[:-1]}

    @property
    def names(self) -> list[str]:
        """Every trained model: A0, A1, …, B0, …"""
        return [f"{cohort}{seed}" for cohort, seeds in self.cohorts.items() for seed in seeds]


@dataclass(frozen=True)
class DyckWorkshop:
    """Where the recipe works: finished parts in `out`, what only training needs in `out/work`."""

    out: Path
    """The study's folder."""
    recipe: DyckRecipe
    """What to make."""
    log: Callable[[str], None]
    """Receives one line at a time."""
    fast: bool = True
    """Whether to train in the fastest way of this machine; small tests do not wait for a compiler."""

    def model_folder(self, name: str) -> Path:
        """A model's folder."""
        return self.out / "models" / name

    def sae_folder(self, name: str, site: Site, architecture: Architecture) -> Path:
        """A dictionary's folder."""
        return self.out / "dictionaries" / name / f"{site.name}{ENDINGS[architecture]}"


def initial_seed(name: str) -> int:
    """The seed of a model's initial weights, of the order of its text and of its TopK dictionaries."""
    return int(name[1:]) + (INDEPENDENT if name[0] == "B" else 0)


def make_dictionaries(workshop: DyckWorkshop, name: str) -> None:
    """Train a TopK and a ReLU dictionary for every site of a model, side by side on the same text."""
    recipe, seed = workshop.recipe, initial_seed(name)
    model = load_model(workshop.model_folder(name), name=name)
    wanted = [
        (site, recipe_of)
        for site in model.sites
        for recipe_of in (recipe.topk, recipe.relu)
        if not workshop.sae_folder(name, site, _architecture(recipe_of)).exists()
    ]
    if not wanted:
        workshop.log(f"{name}: dictionaries already trained")
        return
    trainers: dict[tuple[Site, SAERecipe], SAETrainer] = {}
    for batch in activation_batches(model, recipe.topk.batch, recipe.sae_batches):
        for site, one in wanted:
            if (site, one) not in trainers:
                init = 1000 * (seed + 1) + site.index if one.k is not None else site.index
                trainers[site, one] = SAETrainer(one, batch[site], recipe.sae_batches, init, site.name)
            trainers[site, one].step(batch[site])
    for site, one in wanted:
        folder = workshop.sae_folder(name, site, _architecture(one))
        save_sae(trainers[site, one].finish(), folder, name, dyck.CONTEXT, torch.float8_e4m3fn)
    workshop.log(f"{name}: {len(wanted)} dictionaries trained")


def _architecture(recipe: SAERecipe) -> Architecture:
    return "standard" if recipe.k is None else "topk"


def activation_batches(model: LanguageModel, batch: int, count: int) -> Iterator[dict[Site, Float[Tensor, "b d"]]]:
    """`count` batches of shuffled residual rows at every site, one for each bracket of training documents."""
    ids = (torch.from_numpy(dyck.rows("train", 128, start)) for start in itertools.count(0, 128))
    text = (Part(some, some > 0) for some in ids)
    return shuffled_batches(model, text, model.sites, batch, count, 100, np.random.default_rng(11))
