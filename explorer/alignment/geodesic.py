"""The dial: the geodesic from the identity to R."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.maps import ResidualMap
from explorer.errors import InputError


@dataclass(frozen=True)
class Dial:
    """The geodesic from the identity to a rotation: f_t(x) = (x − μ_B) exp(t log R) + (1−t) μ_B + t μ_A."""

    basis: Float[Tensor, "d d"]
    """Columns: an orthonormal basis of planes in which R turns."""
    angles: Float[Tensor, " p"]
    """Angle of each plane, radians in [0, π]; a direction left over in odd d stays where it is."""
    mean_source: Float[Tensor, " d"]
    """μ_A."""
    mean_target: Float[Tensor, " d"]
    """μ_B."""

    def rotation(self, t: float) -> Float[Tensor, "d d"]:
        """exp(t log R)."""
        d = len(self.basis)
        turn = torch.eye(d, dtype=torch.float64, device=self.basis.device)
        i = torch.arange(len(self.angles), device=turn.device) * 2
        cos, sin = torch.cos(t * self.angles), torch.sin(t * self.angles)
        turn[i, i], turn[i + 1, i + 1], turn[i, i + 1], turn[i + 1, i] = cos, cos, sin, -sin
        return self.basis @ turn @ self.basis.T

    def __call__(self, x: Float[Tensor, "n d"], t: float) -> Float[Tensor, "n d"]:
        """The target's rows at dial position t in [0, 1]."""
        shift = (1 - t) * self.mean_target + t * self.mean_source
        return (x - self.mean_target) @ self.rotation(t).float() + shift


def dial(rotation: ResidualMap) -> Dial:
    """The dial of a map whose matrix is a rotation. Raises InputError unless it is orthogonal with determinant +1.

    From the real Schur form: an orthogonal matrix is block-diagonal in plane rotations and ±1; the −1 are an even
    number and turn in pairs by π.
    """
    from scipy.linalg import schur

    r, device = rotation.matrix.double().cpu(), rotation.matrix.device
    d = len(r)
    if float((r @ r.T - torch.eye(d, dtype=torch.float64)).abs().max()) > 1e-4 or torch.linalg.det(r) < 0:
        raise InputError("the dial needs an orthogonal map of determinant +1: fit it with special=True")
    form, basis = schur(r.numpy(), output="real")
    planes: list[tuple[np.ndarray, np.ndarray, float]] = []
    flipped: list[np.ndarray] = []
    fixed: list[np.ndarray] = []
    i = 0
    while i < d:
        if i + 1 < d and abs(form[i + 1, i]) > 1e-7:
            planes.append((basis[:, i], basis[:, i + 1], float(np.arctan2(form[i, i + 1], form[i, i]))))
            i += 2
        else:
            (flipped if form[i, i] < 0 else fixed).append(basis[:, i])
            i += 1
    planes += [(flipped[j], flipped[j + 1], float(np.pi)) for j in range(0, len(flipped) - 1, 2)]
    columns = [column for plane in planes for column in plane[:2]] + fixed
    return Dial(
        torch.from_numpy(np.stack(columns, axis=1)).to(device),
        torch.tensor([p[2] for p in planes], dtype=torch.float64, device=device),
        rotation.mean_source,
        rotation.mean_target,
    )
