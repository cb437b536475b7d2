"""Orthogonal matrices: Haar-random ones, and the orthogonal factor of a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.polar import polar_factors

NULL_SEED = 1_000_000
"""First seed of the Haar matrices that serve as nulls: twins are made from small seeds, and no null may be their Q."""


STACK = 2**27
"""Entries of float64 matrices (1 GiB) whose factors are found together."""


def orthogonal_factor(m: Float[Tensor, "d d"], special: bool = False) -> Float[Tensor, "d d"]:
    """R = U Vᵀ, the orthogonal matrix that maximises tr(Rᵀ M); with `special`, the best of determinant +1. Float64, on
    the device of M.
    """
    m = m.double()
    if m.device.type == "cpu":
        u, _, vh = torch.linalg.svd(m)
        if special and torch.linalg.det(u @ vh) < 0:
            u = torch.cat([u[:, :-1], -u[:, -1:]], dim=1)
        return u @ vh
    r = polar_factors(m[None])[0]
    if special and torch.linalg.det(r) < 0:
        # RᵀM = V S Vᵀ: the direction of the smallest singular value is turned round.
        last = torch.linalg.eigh(r.T @ m).eigenvectors[:, 0]
        r = r - 2 * torch.outer(r @ last, last)
    return r


def orthogonal_factors(matrices: Sequence[Float[Tensor, "d d"]]) -> Iterator[Float[Tensor, "d d"]]:
    """The same for many matrices of one size, in order: on a GPU as many at once as fit into `STACK`."""
    if not matrices or matrices[0].device.type == "cpu":
        yield from map(orthogonal_factor, matrices)
        return
    size = max(1, STACK // matrices[0].numel())
    for i in range(0, len(matrices), size):
        yield from polar_factors(torch.stack(list(matrices[i : i + size])).double())


def left_directions(m: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """U of M = U S Vᵀ, float64, its columns in some order and of some sign: on a GPU from M Rᵀ = U S Uᵀ."""
    m = m.double()
    if m.device.type == "cpu":
        return torch.linalg.svd(m).U
    return torch.linalg.eigh(m @ orthogonal_factor(m).T).eigenvectors


def haar(d: int, seed: int, special: bool = False) -> Float[Tensor, "d d"]:
    """A Haar-distributed orthogonal matrix, float64 (QR of a Gaussian, signs fixed; Mezzadri 2007)."""
    gaussian = np.random.default_rng([seed, d]).standard_normal((d, d))
    q, r = np.linalg.qr(gaussian)
    q = q * np.sign(np.diag(r))
    if special and np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return torch.from_numpy(q)
