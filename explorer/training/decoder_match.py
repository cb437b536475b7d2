"""The dictionaries behind the "98 %": ReLU with an L1 penalty, from equal and from independent initial weights.

Like the paper's replication code: ReLU, bias subtracted on input, unit decoder rows (the radial part of their gradient
removed), Adam, mean squared error plus 1e-3 times Σ|a|, batches drawn with replacement from rows collected once, and
for every model the same initial weights and the same batches. Unlike it: 4 features per dimension, not 8; rows of unit
mean square and errors divided by their variance; the encoder starts as the decoder's transpose, the bias as the
mean row; a warm-up and a decay; and 1,500 batches of 128 at a peak rate of 2e-3 in place of 6,000 of 4,096 at 5e-4.
Rate times batches, which bounds how far Adam can move a weight, is the same, and one core needs minutes.
TopK dictionaries of the study stand beside them; the source's have a second one from another start, their ceiling.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from explorer.alignment import Family
from explorer.files import encode
from explorer.models import LanguageModel, Site, first_middle_last
from explorer.sae import SAE, SAERecipe, SAETrainer, after_first, read_rows
from explorer.study import Study

RELU: dict[Family, str] = {"relu": "light", "relu_sparse": "strong"}
"""Families of ReLU dictionaries, and the penalty of the recipe that makes each."""
FOLDER, TOPK_AGAIN = "work/dictionaries_relu", "work/dictionaries_again"
"""Where these lie, and the source's second TopK ones: in `work`, which is not shipped; only one figure needs them."""


@dataclass(frozen=True)
class MatchRecipe:
    """Everything that decides the dictionaries of the comparison, apart from the models."""

    source: str = "seed0"
    """Model whose dictionaries are compared with the other's."""
    target: str = "seed1"
    """The other model."""
    width: int = 1024
    """Features of each dictionary."""
    light: float = 1e-3
    """The paper's weight of the penalty."""
    strong: float = 1e-2
    """A penalty under which few features fire."""
    learning_rate: float = 2e-3
    """Peak rate of Adam."""
    batch: int = 128
    """Rows in a batch."""
    batches: int = 1500
    """Batches for each dictionary."""
    windows: int = 400
    """Windows of training text whose activations are drawn from."""

    def sae_recipe(self, family: Family) -> SAERecipe:
        """How a family is trained."""
        return SAERecipe(self.width, None, getattr(self, RELU[family]), self.learning_rate, self.batch)


@dataclass(frozen=True)
class Plan:
    """One dictionary to make."""

    family: Family
    """relu or relu_sparse."""
    model: str
    """Name of the model whose rows it reads."""
    start: int
    """Seed of the initial weights and of the order of the batches: equal starts are equal in both."""


@dataclass(frozen=True)
class Bench:
    """Where the comparison of one study is made."""

    study: Study
    """A study whose pair is measured."""
    recipe: MatchRecipe
    """What to make."""
    note: Path
    """File that remembers what the dictionaries were made from."""

    @property
    def sites(self) -> list[Site]:
        """Where dictionaries are compared."""
        return first_middle_last(self.study.sites)

    @property
    def plans(self) -> list[Plan]:
        """Of each family: source and target from one start, the target from another, the source from a third."""
        a, b = self.recipe.source, self.recipe.target
        return [Plan(f, m, start) for f in RELU for m, start in ((a, 0), (b, 0), (b, 1), (a, 2))]

    def folder(self, plan: Plan, site: Site) -> Path:
        """Where a dictionary lies in the study."""
        return self.study.folder / FOLDER / plan.family / f"{plan.model}-{plan.start}" / site.name

    def fingerprint(self) -> bytes:
        """What the dictionaries are made from."""
        hashes = [self.study.model_entry(name).sha256 for name in (self.recipe.source, self.recipe.target)]
        return encode({"models": hashes, "recipe": asdict(self.recipe)})


def collect(
    model: LanguageModel, rows: Integer[np.ndarray, "n t"], sites: list[Site]
) -> dict[Site, Float[Tensor, "m d"]]:
    """The residual rows of some text at some sites, in the text's order, without position 0 of each row."""
    parts = (after_first(rows[i : i + 32]) for i in range(0, len(rows), 32))
    return {site: found.cpu() for site, found in read_rows(model, parts, sites).items()}


def train_relu(recipe: SAERecipe, rows: Float[Tensor, "n d"], batches: int, start: int, site: str = "") -> SAE:
    """A dictionary whose initial weights and order of batches `start` alone decides, whatever the rows are."""
    trainer = SAETrainer(recipe, rows, batches, start, site)
    order = torch.Generator().manual_seed(start)
    for _ in range(batches):
        trainer.step(rows[torch.randint(len(rows), (recipe.batch,), generator=order)])
    return trainer.finish()


def starting_rows(recipe: SAERecipe, d: int, start: int) -> Float[Tensor, "f d"]:
    """The decoder rows that `train_relu` starts from."""
    # Only the scale and the bias look at the sample; the directions do not.
    return SAETrainer(recipe, torch.eye(d), 1, start).W_dec.detach()
