"""Named groups of tokens along the dial, as the stage shows them turn: one fixed plane, lengths in all dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explorer.alignment import ResidualMap, dial
from explorer.study import Motion, TurnedSite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from explorer.alignment import Dial, SiteMaps

FEWEST, MOST_GROUPS = 8, 12
"""Tokens that a group needs for a centroid, and groups that a room can follow."""
LINES = 36
"""Tokens whose points in both models are joined."""
STABLE = 0.15
"""Share of the largest spread of the centroids below which a direction has no say in the plane."""


@dataclass(frozen=True)
class GroupedRows:
    """The tokens of named groups at one site of both models."""

    names: list[str]
    """The groups."""
    members: Bool[Tensor, "n g"]
    """Which token is of which groups; a bracket is of its kind and of its depth."""
    source: Float[Tensor, "n d"]
    """x_A."""
    target: Float[Tensor, "n d"]
    """x_B of the same tokens."""


def follow(rows: GroupedRows, fitted: SiteMaps, ts: Sequence[float]) -> tuple[TurnedSite, Motion]:
    """Centroids and single tokens along the dial of R, and along that of the R of shuffled pairs."""
    rotation, wrong = (proper(fitted[name], rows.source) for name in ("rotated", "shuffled"))
    chosen = spread(rows.members, LINES)
    centroids = _centroids(rows.source, rows.members)
    frame, centre = plane(centroids, rotation.matrix), centroids.mean(0)

    def drawn(x: Tensor) -> tuple[Tensor, Tensor]:
        at = (x - centre) @ frame
        return _centroids(at, rows.members), at[chosen]

    turned = {name: _along(dial(m), rows.target, ts) for name, m in (("target", rotation), ("wrong", wrong))}
    points = {name: [torch.stack(x) for x in zip(*map(drawn, steps), strict=True)] for name, steps in turned.items()}
    lengths = {name: [float((x - rows.source).norm(dim=1).mean()) for x in steps] for name, steps in turned.items()}
    own, words = drawn(rows.source)
    arrays = (own, points["target"][0], points["wrong"][0], words, points["target"][1], points["wrong"][1])
    said = TurnedSite(
        groups=rows.names,
        rows=len(rows.source),
        distance=[round(x / lengths["target"][0], 4) for x in lengths["target"]],
        shuffled=[round(x / lengths["wrong"][0], 4) for x in lengths["wrong"]],
    )
    return said, Motion(*(x.half().numpy() for x in arrays))


def _along(turn: Dial, x: Float[Tensor, "n d"], ts: Sequence[float]) -> list[Float[Tensor, "n d"]]:
    return [turn(x, t) for t in ts]


def plane(centroids: Float[Tensor, "g d"], rotation: Float[Tensor, "d d"]) -> Float[Tensor, "d 2"]:
    """A plane in which the groups stand as round a clock and both models spread alike, as columns.

    It lies half way between a₁, a₂, the plane that comes nearest to showing the source's centroids at equal angles in their
    order, and R a₂, −R a₁, the directions that correspond to these in the target, a quarter turn on. Models that share
    a basis lie in it as they are; where R is far from the identity the target starts a quarter turn away, so that a
    room sees it turn.
    """
    angle = torch.arange(len(centroids)) * (2 * torch.pi / len(centroids))
    clock = torch.stack([angle.cos(), angle.sin()], 1)
    a = _orthonormal(torch.linalg.pinv(centroids - centroids.mean(0), rtol=STABLE) @ clock)
    carried = rotation @ a
    return _orthonormal(a + torch.stack([carried[:, 1], -carried[:, 0]], 1))


def _orthonormal(columns: Float[Tensor, "d 2"]) -> Float[Tensor, "d 2"]:
    u, _, vh = torch.linalg.svd(columns, full_matrices=False)
    return u @ vh


def proper(fitted: ResidualMap, source: Float[Tensor, "n d"]) -> ResidualMap:
    """The map if its determinant is +1; else with one reflection more, in the direction in which the source's rows vary
    least: a dial turns, and cannot reflect.
    """
    r = fitted.matrix.double()
    if torch.linalg.det(r) < 0:
        centred = (source - source.mean(0)).double()
        least = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, 0]
        r = r - 2 * torch.outer(r @ least, least)
    matrix = r.float()
    return ResidualMap(matrix, fitted.mean_source, fitted.mean_target, matrix.T.contiguous())


def _centroids(x: Float[Tensor, "n k"], members: Bool[Tensor, "n g"]) -> Float[Tensor, "g k"]:
    return members.T.to(x.dtype) @ x / members.sum(0)[:, None]


def spread(members: Bool[Tensor, "n g"], count: int) -> Int[Tensor, " m"]:
    """At most `count` tokens, as many of each group as of the others, evenly from all of its own."""
    groups = members.shape[1]
    found = []
    for g in range(groups):
        own = torch.nonzero(members[:, g]).squeeze(1)
        each = min(len(own), count // groups + (g < count % groups))
        found.append(own[torch.linspace(0, len(own) - 1, each).round().long()])
    return torch.cat(found)


def kept_groups(members: Bool[Tensor, "n t g"]) -> list[int]:
    """The first groups that have enough tokens for a centroid; none where these are fewer than three."""
    counts = members.sum((0, 1)).tolist()
    enough = [g for g, count in enumerate(counts) if count >= FEWEST][:MOST_GROUPS]
    return enough if len(enough) > 2 else []
