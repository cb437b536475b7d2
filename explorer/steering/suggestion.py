"""Where and how strongly to steer: what is suggested for every vector, and why."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from explorer.steering.dose_response import DoseResponse
from explorer.steering.reading_shares import ReadingShares

Ground = Literal["read", "response", "others", "unmeasured"]
"""read: fresh texts were read. response: the vector's own dose–response. others: those of other vectors at the site.
unmeasured: nothing is known of this pair."""
UNMEASURED = 0.2
"""c where nothing was measured: the dose at which a dictionary's strong features are chosen."""


@dataclass(frozen=True)
class Suggestion:
    """A site and a dose to begin with."""

    site: str
    """Name of the site."""
    dose: float
    """c, in median norms of the steered model."""
    ground: Ground
    """What it rests on."""


def suggest(
    vectors: Sequence[str], site: str, shares: Sequence[ReadingShares], responses: Sequence[DoseResponse]
) -> Suggestion:
    """The suggested setting of some vectors (as links write them, without weights) that are shown at a site.

    A contrast of which fresh texts were read: where and how strongly these turn. Else the largest measured dose at
    which no arm raises the loss by more than 10 %: of a contrast at the site where it moves B most through R, of a
    feature at its own site. Of a vector that was not measured, or of several: that dose's median over those measured
    at the site.
    """
    name = vectors[0] if len(vectors) == 1 else ""
    read = next((r for r in shares if r.vector == name and r.suggested is not None), None)
    if read is not None and read.suggested is not None:
        return Suggestion(read.site, read.suggested, "read")
    own = [r for r in responses if r.vector == name and (r.is_contrast or r.site == site) and largest_usable(r)]
    if own:
        best = max(own, key=_moved)
        return Suggestion(best.site, largest_usable(best), "response")
    here = [dose for r in responses if r.site == site and (dose := largest_usable(r))]
    if here:
        return Suggestion(site, statistics.median_low(here), "others")
    return Suggestion(site, UNMEASURED, "unmeasured")


def largest_usable(response: DoseResponse) -> float:
    """The largest positive dose measured at which no arm raises the loss by more than 10 %; 0 where there is none."""
    return max((c for c, u in zip(response.doses, response.usable, strict=True) if u and c > 0), default=0.0)


def _moved(response: DoseResponse) -> float:
    """The effect of the rotated arm at that dose."""
    rotated = response.arm("rotated")
    return 0.0 if rotated is None else rotated.effect[response.doses.index(largest_usable(response))]
