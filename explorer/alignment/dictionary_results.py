"""How the source's dictionary fares on the target's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Literal, NamedTuple, get_args

from explorer import estimates
from explorer.estimates import Estimate

Reading = Literal["faithful", "paper"]
"""What the dictionary's output is held against: what the source itself had there, or the row that it was given."""
READINGS: tuple[Reading, ...] = get_args(Reading)
Scale = Literal["restored", "EV"]
"""How a dictionary's score is told: between shuffled pairs (0) and home (1), or as explained variance."""


@dataclass(frozen=True)
class DictionaryScore:
    """How well the source's dictionary rebuilds rows under one map."""

    paper: Estimate
    """Paper-style: SAE_A(f(x_B)) against f(x_B) itself."""
    faithful: Estimate
    """Faithful: SAE_A(f(x_B)) against x_A, what the source itself had at that token."""
    l0: float
    """Mean number of active features."""
    restored_paper: Estimate | None = None
    """`estimates.restored` of `paper`, on the bootstrap's own draws; None where a draw has no room between shuffled
    pairs and the ceiling, and in results from before it was measured."""
    restored_faithful: Estimate | None = None
    """The same of `faithful`."""


Scores = Mapping[str, DictionaryScore]
"""A dictionary's scores by arm: `ceiling`, and every map of the switch."""


def restored(scores: Scores, arm: str, reading: Reading = "faithful") -> Estimate | None:
    """How much of the dictionary comes back under a map (`estimates.restored`); bounds are NaN where none are stored.

    None where the ceiling is not above shuffled pairs: then there is nothing to restore.
    """
    stored: Estimate | None = getattr(scores[arm], f"restored_{reading}")
    if stored is not None:
        return stored
    ev, shuffled, ceiling = (getattr(scores[a], reading).value for a in (arm, "shuffled", "ceiling"))
    value = float(estimates.restored(ev, shuffled, ceiling))
    return None if value != value else Estimate(value, nan, nan)


def told(scores: Scores, arm: str, reading: Reading, scale: Scale) -> Estimate | None:
    """A score in one reading and on one scale."""
    if scale == "restored":
        return restored(scores, arm, reading)
    e: Estimate = getattr(scores[arm], reading)
    return e


@dataclass(frozen=True)
class DialCurve:
    """EV along the geodesic from the identity (t = 0) to R of determinant +1 (t = 1), on all test rows at both ends.

    Between the ends on up to 4,096 test rows, moved by what those rows differ from all of them at the ends (in
    proportion to t).
    """

    t: tuple[float, ...]
    """Positions of the dial."""
    dictionary: tuple[float, ...]
    """Paper-style EV: SAE_A(f_t(x_B)) against f_t(x_B)."""
    direct: tuple[float, ...]
    """EV of f_t(x_B) against x_A."""
    shuffled: tuple[float, ...]
    """`dictionary` for the dial of an R fitted to shuffled pairs."""
    ceiling: float
    """EV of SAE_A(x_A) against x_A."""
    faithful: tuple[float, ...] | None = None
    """Faithful EV: SAE_A(f_t(x_B)) against x_A; None in results from before it was measured."""
    shuffled_faithful: tuple[float, ...] | None = None
    """`faithful` for the dial of an R fitted to shuffled pairs."""


class DialLines(NamedTuple):
    """What a figure of the dial draws of a dictionary, in one reading and on one scale."""

    true: tuple[float, ...]
    """Through the dial of R."""
    shuffled: tuple[float, ...]
    """Through that of shuffled pairs."""
    top: float
    """What the dictionary does at home."""
    reading: Reading
    """The reading that is shown: paper-style where no other is stored."""
    scale: Scale
    """The scale that is shown: EV where there is nothing to restore."""


def dial_lines(curve: DialCurve, scores: Scores, reading: Reading = "faithful", scale: Scale = "restored") -> DialLines:
    """The dictionary's lines along the dial; on the scale *restored* they end where `restored` of the arms is."""
    true, shuffled = curve.dictionary, curve.shuffled
    if reading == "faithful" and curve.faithful is not None and curve.shuffled_faithful is not None:
        true, shuffled = curve.faithful, curve.shuffled_faithful
    else:
        reading = "paper"
    zero = getattr(scores["shuffled"], reading).value
    if scale == "EV" or not curve.ceiling > zero:
        return DialLines(true, shuffled, curve.ceiling, reading, "EV")
    true, shuffled = (
        tuple(float(estimates.restored(v, zero, curve.ceiling)) for v in line) for line in (true, shuffled)
    )
    return DialLines(true, shuffled, 1.0, reading, "restored")
