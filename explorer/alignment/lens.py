"""Lenses: an affine map from rows at a site to rows at the end, which the model's own norm and unembedding then read.

Row vectors: x J + b. A logit lens has J = 1, a tuned lens a J that was fitted, a Jacobian lens the mean derivative of
the end by the row. To carry one, the maps of both ends are needed: the target's row goes to the source's coordinates by
f(y) = (y − μ_B) R + μ_A, and what comes out goes back by those of the end, z ↦ (z − ν_A) Sᵀ + ν_B. Together
y J' + b' with J' = R J Sᵀ and b' = (μ_A J + b − ν_A) Sᵀ + ν_B − μ_B J'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.maps import ResidualMap
from explorer.alignment.moments import Moments
from explorer.alignment.ridge import Ridge


@dataclass(frozen=True)
class Lens:
    """x J + b."""

    matrix: Float[Tensor, "d d"]
    """J: rows at the site to rows at the end."""
    bias: Float[Tensor, " d"]
    """b."""

    def __call__(self, rows: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Rows as they might be at the end."""
        return rows @ self.matrix + self.bias

    def carried(self, here: ResidualMap, end: ResidualMap) -> Lens:
        """The target's lens that does with its rows what this one does with their images, and brings it back."""
        matrix = here.matrix @ self.matrix @ end.forward
        out = (here.mean_source @ self.matrix + self.bias - end.mean_source) @ end.forward + end.mean_target
        return Lens(matrix, out - here.mean_target @ matrix)

    def to(self, device: torch.device | str) -> Lens:
        """The same on a device."""
        return Lens(self.matrix.to(device), self.bias.to(device))


def logit_lens(d: int, device: torch.device | None = None) -> Lens:
    """Reads every row as if it were at the end."""
    return Lens(torch.eye(d, device=device), torch.zeros(d, device=device))


class LensMoments(NamedTuple):
    """Moments of the rows at the end (as the source) and at a site (as the target), of one model."""

    fit: Moments
    """Of the fit split."""
    validation: Moments
    """Of the validation split."""


def fit_lens(moments: LensMoments) -> Lens:
    """The affine lens of least squares, its ridge chosen on the validation rows."""
    fit, matrix = moments.fit, Ridge(*moments).best()
    return Lens(matrix.float(), (fit.mean_source - fit.mean_target @ matrix).float())
