"""What R's numbers mean: whether it deviates from a Haar-random matrix, and how much longer the target's rows are."""

from __future__ import annotations

from explorer.alignment.results import SiteResult
from explorer.alignment.rotation_results import RotationFacts

HAAR_LEVEL = 0.05
"""Below it a test has found that R deviates from a random rotation."""
SAME_LENGTH = 1.5
"""Rows of one model that are so many times as long as the other's are told: R alone keeps their length."""


def deviates(r: RotationFacts) -> bool:
    """Whether the test with power finds that R is no random rotation."""
    return r.haar.p < HAAR_LEVEL


def other_length(site: SiteResult) -> float | None:
    """‖X̃_B‖ / ‖X̃_A‖ of the centred rows where it is so far from 1 that R without a scale predicts worse than the mean;
    else None. From R with one scale, whose EV is (s ‖X̃_B‖ / ‖X̃_A‖)².
    """
    explained, scale = site.ladder["orthogonal_scale"].value, site.rotation.scale
    if scale is None or scale <= 0 or explained <= 0 or site.ladder["orthogonal"].value >= 0:
        return None
    ratio = float(explained**0.5 / scale)
    return None if 1 / SAME_LENGTH < ratio < SAME_LENGTH else ratio
