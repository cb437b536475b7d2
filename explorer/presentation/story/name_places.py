"""How large a picture of named points is, and on which side of its point each name stands so that little is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.presentation.story.stage import SMALLEST

PLACES = ("middle right", "middle left", "top center", "bottom center", "top right", "top left", "bottom right",
          "bottom left")  # fmt: skip
INWARD = 400
"""How many square pixels of overlap a name into the crowd is as bad as."""


class Look(NamedTuple):
    """How large everything is, and whether pictures stand beside or below each other."""

    tall: bool
    """Whether they stand below each other."""
    pixels: tuple[int, int]
    """Size of the first picture, for which its names are placed."""
    text: int
    """Pixels of the text."""
    letter: float
    """Of a letter of a name."""
    line: int
    """Of a line of a name."""
    ring: int
    """Of the mark of a group of the source."""
    diamond: int
    """Of that of the target."""


STAGE = Look(False, (580, 430), SMALLEST, 11.5, 26, 17, 14)
"""On a projector of 1280 × 720 pixels."""
PHONE = Look(True, (340, 300), 13, 7.2, 17, 12, 10)
"""On a phone of 390 pixels."""


def placed(at: NDArray[np.float64], names: list[str], look: Look = STAGE) -> list[str]:
    """Where each name stands beside its point, given in pixels: overlaps with names before it, points and edges are few."""
    taken = [(x - 10, y - 10, x + 10, y + 10) for x, y in at]
    found = [""] * len(names)
    away = at - at.mean(0)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    for i in np.argsort([-len(n) for n in names], kind="stable"):
        others = [box for j, box in enumerate(taken) if j != i]
        boxes = {place: _box(at[i], names[i], place, look) for place in PLACES}
        hidden = {place: _hidden(box, others, look) + INWARD * _inward(place, away[i]) for place, box in boxes.items()}
        found[i] = min(hidden, key=hidden.__getitem__)
        taken.append(boxes[found[i]])
    return found


_Box = tuple[float, float, float, float]


def _box(at: NDArray[np.float64], name: str, place: str, look: Look) -> _Box:
    """The pixels of a name at a point; up is more."""
    x, y = at.tolist()
    wide, line, (up, side) = look.letter * len(name), look.line, place.split()
    left = {"right": x + 12, "left": x - 12 - wide, "center": x - wide / 2}[side]
    low = {"top": y + 10, "bottom": y - 10 - line, "middle": y - line / 2}[up]
    return left, low, left + wide, low + line


def _hidden(box: _Box, others: Sequence[_Box], look: Look) -> float:
    """Square pixels of a name that lie on others, and much more for what lies outside the picture."""
    outside = (
        max(0.0, -box[0]) + max(0.0, box[2] - look.pixels[0]) + max(0.0, -box[1]) + max(0.0, box[3] - look.pixels[1])
    )
    return sum(_overlap(box, other) for other in others) + 50 * outside


def _inward(place: str, away: NDArray[np.float64]) -> float:
    """How far a name stands on the side of its point where the others are."""
    up, side = place.split()
    to = {"right": 1, "left": -1, "center": 0}[side], {"top": 1, "bottom": -1, "middle": 0}[up]
    return max(0.0, -float(away @ to))


def _overlap(a: _Box, b: _Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
