"""Second moments of paired residual rows, accumulated batch by batch: memory O(d²) whatever the text's length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass
class Moments:
    """Sums over paired rows of a source A and a target B, float64. `a + b` merges two of them."""

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
    def zero(cls, d: int) -> Moments:
        """No rows yet."""
        zero = torch.zeros(d, d, dtype=torch.float64)
        return cls(0, zero[0].clone(), zero[0].clone(), zero.clone(), zero.clone(), zero.clone())

    def add(self, source: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> None:
        """Add paired rows in place."""
        a, b = source.double(), target.double()
        self.n += len(a)
        self.sum_source += a.sum(0)
        self.sum_target += b.sum(0)
        self.source_source += a.T @ a
        self.target_target += b.T @ b
        self.target_source += b.T @ a

    def add_cross(self, source: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> None:
        """Add rows to n, the sums and Σ x_Bᵀ x_A only: all that the orthogonal map of a shuffled pairing needs."""
        self.n += len(source)
        self.sum_source += source.sum(0).double()
        self.sum_target += target.sum(0).double()
        self.target_source += (target.T @ source).double()

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
