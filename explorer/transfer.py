"""Which contrasts transfer: verdicts on stored effects, by the rule of the steering science at one dose."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from explorer.effect import ContrastEffect

WEAK_BELOW = 0.5
BAND = (5.0, 95.0)
"""Percentiles of the random directions between which an effect says nothing."""


class TransferVerdict(StrEnum):
    """What a vector of A does in B once it is carried there by R."""

    NOT_APPLICABLE = "n/a"
    INVERTED = "inverted"
    NO_BETTER = "no better than random"
    WEAK = "weak"
    TRANSFERS = "transfers"


def random_band(effect: ContrastEffect) -> tuple[float, float]:
    """5th and 95th percentile of the random directions' effects."""
    low, high = np.percentile(effect.random, BAND)
    return float(low), float(high)


def transfer_ratio(effect: ContrastEffect) -> float | None:
    """Rotated effect / native effect at the stored dose; None where native is not above the random band."""
    return effect.rotated / effect.native if effect.native > random_band(effect)[1] else None


def transfer_verdict(effect: ContrastEffect) -> TransferVerdict:
    """The first that holds: n/a, inverted, no better than random, weak, transfers.

    At one dose and without intervals; the full rule compares signed areas over all doses.
    """
    low, high = random_band(effect)
    ratio = transfer_ratio(effect)
    if ratio is None:
        return TransferVerdict.NOT_APPLICABLE
    if effect.rotated < low:
        return TransferVerdict.INVERTED
    if effect.rotated <= high:
        return TransferVerdict.NO_BETTER
    return TransferVerdict.WEAK if ratio < WEAK_BELOW else TransferVerdict.TRANSFERS


def moved_by_rotation(effects: Sequence[ContrastEffect]) -> int:
    """How many contrasts move the target through R more than raw, and more than the random band."""
    return sum(e.rotated > e.raw and e.rotated > random_band(e)[1] for e in effects)


def by_native_effect(effects: Sequence[ContrastEffect]) -> list[ContrastEffect]:
    """Strongest native effect first."""
    return sorted(effects, key=lambda e: e.native, reverse=True)
