"""Orthogonal matrices: Haar-random ones, and the orthogonal factor of a matrix."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

NULL_SEED = 1_000_000
"""First seed of the Haar matrices that serve as nulls: twins are made from small seeds, and no null may be their Q."""


def orthogonal_factor(m: Float[Tensor, "d d"], special: bool = False) -> Float[Tensor, "d d"]:
    """R = U Vᵀ, the orthogonal matrix that maximises tr(Rᵀ M); with `special`, the best of determinant +1."""
    u, _, vh = torch.linalg.svd(m.double())
    if special and torch.linalg.det(u @ vh) < 0:
        u = torch.cat([u[:, :-1], -u[:, -1:]], dim=1)
    return u @ vh


def haar(d: int, seed: int, special: bool = False) -> Float[Tensor, "d d"]:
    """A Haar-distributed orthogonal matrix, float64 (QR of a Gaussian, signs fixed; Mezzadri 2007)."""
    gaussian = np.random.default_rng([seed, d]).standard_normal((d, d))
    q, r = np.linalg.qr(gaussian)
    q = q * np.sign(np.diag(r))
    if special and np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return torch.from_numpy(q)
