"""When R deviates from a Haar-random matrix."""

from __future__ import annotations

from explorer.alignment.rotation_results import RotationFacts

HAAR_LEVEL = 0.05
"""Below it a test has found that R deviates from a random rotation."""


def deviates(r: RotationFacts) -> bool:
    """Whether the test with power finds that R is no random rotation."""
    return r.haar.p < HAAR_LEVEL
