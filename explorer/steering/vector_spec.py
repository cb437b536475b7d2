"""Names of steering vectors, as links and commands write them: contrast:sea, feature:417, lists, file, with weights."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import InputError
from explorer.text import Contrast

MAX_WEIGHT = 2.0
MAX_VECTORS = 5


@dataclass(frozen=True)
class VectorSpec:
    """Which vector of the source is meant: exactly one of the fields is set."""

    contrast: str | None = None
    """Name of a ready contrast, or None."""
    feature: int | None = None
    """Number of a feature, or None."""
    lists: Contrast | None = None
    """Two lists of prompts of the user's own, or None."""
    file: str | None = None
    """Digest of a loaded vector, or None."""

    def __str__(self) -> str:
        if self.contrast is not None:
            return f"contrast:{self.contrast}"
        if self.feature is not None:
            return f"feature:{self.feature}"
        return "lists" if self.lists is not None else "file"


@dataclass(frozen=True)
class Weighted:
    """A vector with its weight among several."""

    name: VectorSpec
    """The vector."""
    weight: float = 1.0
    """What its unit vector is multiplied by."""

    def __str__(self) -> str:
        return str(self.name) if self.weight == 1 else f"{self.weight:g}*{self.name}"


def parse_vector(text: str) -> VectorSpec:
    """The vector that `contrast:sea`, `feature:417` or a bare number names. Raises InputError."""
    kind, _, rest = text.strip().rpartition(":")
    if kind in ("", "feature") and rest.strip().isdecimal():
        return VectorSpec(None, int(rest))
    if kind == "contrast" and rest:
        return VectorSpec(rest, None)
    raise InputError(f"'{text[:40]}' names no vector: choose a contrast, or type the number of a feature, e.g. 417")


def parse_weighted(text: str) -> tuple[float, str]:
    """Weight and name of one part of a link, e.g. 0.5*feature:417. Raises InputError."""
    weight, star, name = text.strip().rpartition("*")
    try:
        number = float(weight) if star else 1.0
    except ValueError:
        number = float("nan")
    if not -MAX_WEIGHT <= number <= MAX_WEIGHT:
        raise InputError(f"the weight '{weight[:20]}' is not a number in −{MAX_WEIGHT:g} … {MAX_WEIGHT:g}")
    return number, name
