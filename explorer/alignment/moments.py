"""Second moments of paired residual rows, accumulated batch by batch: memory O(d²) whatever the text's length."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass
class Moments:
    """Sums over paired rows of a source A and a target B, float64, on the rows' device. `a + b` merges two of them."""

    n: int
    """Rows."""
    sum_source: Float[Tensor, " d"]
    """Σ x_A."""
    sum_target: Float[Tensor, " d"]
    """Σ x_B."""
    source_source: Float[Tensor, "d d"]
    """Σ x_Aᵀ x_A (uncentred)."""
    target_target: Float[Tensor, "d d"]
    """Σ x_Bᵀ x_B."""
    target_source: Float[Tensor, "d d"]
    """Σ x_Bᵀ x_A."""

    @classmethod
    def zero(cls, d: int, device: torch.device | None = None) -> Moments:
        """No rows yet."""
        zero = torch.zeros(d, d, dtype=torch.float64, device=device)
        return cls(0, zero[0].clone(), zero[0].clone(), zero.clone(), zero.clone(), zero.clone())

    def add(self, source: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> None:
        """Add paired rows in place.

        Products run in the rows' own precision around the batch's means, so that a large mean costs no digits; the
        means come back in float64, where everything is summed.
        """
        n = len(source)
        if not n:
            return
        rows, sums, centres, spread = {}, {}, {}, {}
        for side, x in (("source", source), ("target", target)):
            centre = x.mean(0)
            rows[side], centres[side] = x - centre, centre.double()
            # What rounding of the mean left over, so that the sums have the digits of float64 at float32's speed.
            spread[side] = rows[side].sum(0).double()
            sums[side] = n * centres[side] + spread[side]
        self.n += n
        self.sum_source += sums["source"]
        self.sum_target += sums["target"]
        for name in ("source_source", "target_target", "target_source"):
            left, right = name.split("_")
            total: Tensor = getattr(self, name)
            total += rows[left].T @ rows[right]
            total += torch.outer(spread[left], centres[right]) + torch.outer(centres[left], sums[right])

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n,
            self.sum_source + other.sum_source,
            self.sum_target + other.sum_target,
            self.source_source + other.source_source,
            self.target_target + other.target_target,
            self.target_source + other.target_source,
        )

    @property
    def mean_source(self) -> Float[Tensor, " d"]:
        """μ_A."""
        return self.sum_source / self.n

    @property
    def mean_target(self) -> Float[Tensor, " d"]:
        """μ_B."""
        return self.sum_target / self.n

    @property
    def covariance_source(self) -> Float[Tensor, "d d"]:
        """X̃_Aᵀ X̃_A."""
        return self.source_source - torch.outer(self.sum_source, self.sum_source) / self.n

    @property
    def covariance_target(self) -> Float[Tensor, "d d"]:
        """X̃_Bᵀ X̃_B."""
        return self.target_target - torch.outer(self.sum_target, self.sum_target) / self.n

    @property
    def cross(self) -> Float[Tensor, "d d"]:
        """M = X̃_Bᵀ X̃_A."""
        return self.target_source - torch.outer(self.sum_target, self.sum_source) / self.n

    def reverse(self) -> Moments:
        """The same rows with source and target exchanged."""
        return Moments(
            self.n, self.sum_target, self.sum_source, self.target_target, self.source_source, self.target_source.T
        )

    def copy(self) -> Moments:
        """The same sums, apart from these."""
        return self + Moments.zero(len(self.sum_source), self.sum_source.device)


@dataclass
class CrossMoments:
    """Sums of a wrong pairing, float32 around fixed centres: all that its maps need, at a third of the memory."""

    n: int
    """Rows."""
    sum_source: Float[Tensor, " d"]
    """Σ (x_A − c_A)."""
    sum_target: Float[Tensor, " d"]
    """Σ (x_B − c_B)."""
    target_source: Float[Tensor, "d d"]
    """Σ (x_B − c_B)ᵀ (x_A − c_A)."""

    @classmethod
    def zero(cls, d: int, device: torch.device | None = None) -> CrossMoments:
        """No rows yet."""
        zero = torch.zeros(d, d, device=device)
        return cls(0, zero[0].clone(), zero[0].clone(), zero)

    def add(self, source: Float[Tensor, "n d"], target: Float[Tensor, "n d"], n: int) -> None:
        """Add centred rows, `n` of them; rows that are no pair are zero in one of the two."""
        self.n += n
        self.sum_source += source.sum(0)
        self.sum_target += target.sum(0)
        self.target_source += target.T @ source

    @property
    def cross(self) -> Float[Tensor, "d d"]:
        """M of the wrong pairing, float64."""
        outer = torch.outer(self.sum_target.double(), self.sum_source.double())
        return self.target_source.double() - outer / self.n


SUMS, CROSS_SUMS = (tuple(f.name for f in fields(kind)) for kind in (Moments, CrossMoments))
"""Names of what is summed."""
