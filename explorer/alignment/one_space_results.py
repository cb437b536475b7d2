"""Whether many models are turned copies in one space: one rotation for each, or one for every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CycleErrors:
    """‖R_AB R_BC R_CA − I‖_F / √(2d) over circles of three models: 0 where rotations agree, 1 for unrelated ones."""

    mean: float
    """Mean over all circles."""
    largest: float
    """The worst of them."""
    returned: float
    """Mean EV of a model's own rows after they went round: 1 where all come back."""


@dataclass(frozen=True)
class SpaceSite:
    """One site of all models."""

    site: str
    """Name of the site."""
    label: str
    """Short label."""
    rows: int
    """Fit rows of the rotations."""
    pairwise: tuple[tuple[float, ...], ...]
    """EV on test rows of the row's model by the R of the pair with one scale from the column's; 1 on the diagonal."""
    through_space: tuple[tuple[float, ...], ...]
    """The same by Q_B Q_Aᵀ: through the common space, with one rotation for each model."""
    shuffled: float
    """Largest EV of an R of shuffled pairs, with its own scale, over all pairs of models."""
    cycles: CycleErrors
    """Of the pairs' own R."""
    shuffled_cycles: CycleErrors
    """Of the R of shuffled pairs."""
    twin_cycles: CycleErrors
    """Of the first model and two copies of it turned by known rotations: 0 but for rounding."""

    @property
    def means(self) -> tuple[float, float]:
        """Mean EV over ordered pairs of different models: by the pair's own R, and through the common space."""
        n = len(self.pairwise)
        off = [(i, j) for i in range(n) for j in range(n) if i != j]
        direct, space = (sum(t[i][j] for i, j in off) / len(off) for t in (self.pairwise, self.through_space))
        return direct, space


@dataclass(frozen=True)
class OneSpace:
    """Many models in one space, site by site."""

    models: tuple[str, ...]
    """Their names, in the order of the matrices."""
    sites: tuple[SpaceSite, ...]
    """Input first."""
    folders: Mapping[str, str] | None = None
    """By name where each model came from; None within a study."""
