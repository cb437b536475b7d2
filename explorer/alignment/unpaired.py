"""R without pairs: found from two clouds of rows whose tokens have nothing to do with each other.

Principal axes in order of variance lie on each other up to their signs, and third moments, which a turn only turns,
give the signs. From there mutual nearest neighbours of the rows, with hubs held back (CSLS; Conneau et al. 2018),
refine R. Of several starts the one that brings the clouds nearest wins.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.orthogonal import orthogonal_factor

AXES = (6, 12, 24, 48)
"""Principal axes of a start: few are in the same order in both clouds, many hold more of the rows."""
FAR = 4.0
"""Standard deviations at which a coordinate is cut before third moments are taken: a few rows would decide them."""
SCREENED = 1500
"""Rows on which the starts are refined a little and compared."""
SCREENING, REFINING = 10, 20
"""Rounds of nearest neighbours."""
HUBS = 10
"""Neighbours whose mean distance tells a hub."""
SETTLED = 1e-3
"""Change of R, as a share of √d, at which it has settled."""


class Unpaired(NamedTuple):
    """What was found without pairs."""

    rotation: Float[Tensor, "d d"]
    """R: the target's centred rows onto the source's."""
    mutual: float
    """Share of the target's rows that end as mutual nearest neighbours of a row of the source."""


def unpaired_rotation(source: Float[Tensor, "n d"], target: Float[Tensor, "m d"]) -> Unpaired:
    """R of two clouds of rows in random order. Which row is from which token is not asked."""
    a, b = (x.float() - x.float().mean(0) for x in (source, target))
    few = a[:SCREENED], b[:SCREENED]
    found = []
    for count in AXES:
        if count <= a.shape[1]:
            start, axes = _start(a, b, count)
            first, _ = _refined(few[0] @ axes @ axes.T, few[1], start, 1)
            found.append(_refined(*few, first, SCREENING)[0])
    best = min(found, key=lambda r: apart(*few, r))
    rotation, mutual = _refined(a, b, best, REFINING)
    return Unpaired(rotation.double(), mutual)


def _start(a: Tensor, b: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """B's first principal axes onto A's, signs by third moments E[z_i z_j²]; and A's axes."""
    axes, thirds = [], []
    for x in (a, b):
        vectors = torch.linalg.eigh((x.T @ x).double()).eigenvectors[:, -count:].flip(1).float()
        z = x @ vectors
        z = (z / z.std(0)).clamp(-FAR, FAR)
        axes.append(vectors)
        thirds.append(z.T @ (z * z) / len(z))
    signs = torch.where((thirds[0] * thirds[1]).sum(1) < 0, -1.0, 1.0)
    return axes[1] * signs @ axes[0].T, axes[0]


def _square_distances(x: Tensor, y: Tensor) -> Tensor:
    return ((x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T).clamp_min(0)


def apart(a: Tensor, b: Tensor, r: Tensor) -> float:
    """How far the clouds lie apart: mean squared distance to the nearest row of the other, both ways."""
    apart = _square_distances(b @ r, a)
    return float(apart.min(1).values.mean() + apart.min(0).values.mean())


def _refined(a: Tensor, b: Tensor, r: Tensor, rounds: int) -> tuple[Tensor, float]:
    """R after some rounds of mutual nearest neighbours, and the share of B's rows that have one."""
    own, share = torch.arange(len(b), device=b.device), 0.0
    for _ in range(rounds):
        near = -_square_distances(b @ r, a)
        k = min(HUBS, *near.shape)
        near = 2 * near - near.topk(k, 0).values.mean(0) - near.topk(k, 1).values.mean(1, keepdim=True)
        partner, back = near.argmax(1), near.argmax(0)
        mutual = back[partner] == own
        share = float(mutual.double().mean())
        before, r = r, orthogonal_factor(b[mutual].T @ a[partner[mutual]]).to(a)
        if float(torch.linalg.matrix_norm(r - before)) < SETTLED * len(r) ** 0.5:
            break
    return r, share
