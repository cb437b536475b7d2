"""A number with its interval, and what is computed from such numbers. Without torch: pages show them as they open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Estimate:
    """A number with the 95 % interval of the document bootstrap (maps and dictionaries are not refitted)."""

    value: float
    """The number itself, on all test documents."""
    low: float
    """2.5 % quantile over bootstrap draws of documents; NaN where the sums of the documents were not kept."""
    high: float
    """97.5 % quantile, likewise."""


def interval(values: Float[np.ndarray, " n"]) -> Estimate:
    """The estimate whose first value is on all documents and whose others are bootstrap draws."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Estimate(float(values[0]), float(low), float(high))


def wilson(counted: int, total: int) -> tuple[float, float]:
    """Wilson’s 95 % interval of a share: every p with |counted/total − p| ≤ 1.96 √(p (1 − p)/total); 0 … 1 of none."""
    if total == 0:
        return 0.0, 1.0
    z2 = 1.959963984540054**2
    middle, spread = counted + z2 / 2, math.sqrt(z2 * (counted * (total - counted) / total + z2 / 4))
    return max(0.0, (middle - spread) / (total + z2)), min(1.0, (middle + spread) / (total + z2))


def restored(
    ev: float | Float[np.ndarray, "*n"],
    shuffled: float | Float[np.ndarray, "*n"],
    ceiling: float | Float[np.ndarray, "*n"],
) -> Float[np.ndarray, "*n"]:
    """How much of a dictionary came back: (EV − EV_shuffled) / (ceiling − EV_shuffled), all of one reading.

    0 is what an R of shuffled pairs gives, 1 what the dictionary does on its own model's rows; below 0 is worse than
    shuffled pairs. NaN where the ceiling is not above the shuffled pairs.
    """
    ev, shuffled, ceiling = (np.asarray(x, dtype=np.float64) for x in (ev, shuffled, ceiling))
    room = ceiling - shuffled
    return np.asarray((ev - shuffled) / np.where(room > 0, room, np.nan))
