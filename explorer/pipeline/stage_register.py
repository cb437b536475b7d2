"""Three named groups of tokens in three dimensions, which a speaker turns into register: all chosen on the source alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.pipeline.stage_motion import GroupedRows, spread
from explorer.study import Register, ThreeGroups

if TYPE_CHECKING:
    from explorer.alignment import SiteMaps

EACH = 24
"""Tokens of a group."""


def register(rows: GroupedRows, fitted: SiteMaps) -> tuple[ThreeGroups, Register]:
    """The three groups that lie best apart in the source, in three of its dimensions, and the target through R."""
    chosen = apart(rows)
    members = rows.members[:, chosen]
    tokens = spread(members, 3 * EACH)
    group = members[tokens].float().argmax(1)
    a = rows.source[tokens].double()
    b = fitted["rotated"](rows.target[tokens]).double()
    centre = torch.stack([a[group == g].mean(0) for g in range(3)]).mean(0)
    frame = three_directions(a - centre, group)
    shown = ((a - centre) @ frame, (b - centre) @ frame)
    kept = float(shown[0].var(0).sum() / (a - centre).var(0).sum())
    said = ThreeGroups([rows.names[g] for g in chosen], group.tolist(), round(kept, 4))
    return said, Register(*(x.half().numpy() for x in shown))


def apart(rows: GroupedRows) -> list[int]:
    """Of all threes of groups the one whose nearest two lie furthest apart, in units of their spreads."""
    count = rows.members.shape[1]
    own = [rows.source[rows.members[:, g]].double() for g in range(count)]
    middle = [x.mean(0) for x in own]
    wide = [float((x - m).norm(dim=1).mean()) for x, m in zip(own, middle, strict=True)]

    def distance(g: int, h: int) -> float:
        return float((middle[g] - middle[h]).norm()) / max(wide[g] + wide[h], 1e-9)

    return list(max(itertools.combinations(range(count), 3), key=lambda three: min(
        distance(g, h) for g, h in itertools.combinations(three, 2))))  # fmt: skip


def three_directions(rows: Float[Tensor, "n d"], group: Int[Tensor, " n"]) -> Float[Tensor, "d 3"]:
    """Orthonormal columns: the plane of the three centroids, and the direction in which groups vary most beside it."""
    middle = torch.stack([rows[group == g].mean(0) for g in range(3)])
    plane = torch.linalg.svd(middle - middle.mean(0), full_matrices=False).Vh[:2]
    within = rows - middle[group]
    within = within - within @ plane.T @ plane
    third = torch.linalg.svd(within, full_matrices=False).Vh[:1]
    return torch.cat([plane, third]).T
