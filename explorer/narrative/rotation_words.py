"""Sentences about R that the pages and the claims share."""

from __future__ import annotations

import math

from explorer.alignment import HAAR_LEVEL, RotationFacts

NEAR_ROOT = 0.05
"""Share of √(2d) within which ‖R − I‖ says that the trace of R is near 0."""


def paper_test(r: RotationFacts) -> str:
    """What the paper's test of eigen-angles says, and why that is little."""
    p = r.haar.ks_p_paper
    if p < HAAR_LEVEL:
        shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        return f"The paper's test of eigen-angles gives {shown}: so far from random that even this weak test sees it."
    return (
        f"The paper's test of eigen-angles gives p = {p:.3f}. Eigenvalues repel each other, so it finds no deviation in "
        "nearly every orthogonal matrix, a fixed one included."
    )


def from_identity(r: RotationFacts, d: int) -> str:
    """What ‖R − I‖ can say: it is another way to write the trace of R."""
    distance, root = r.frobenius_from_identity, math.sqrt(2 * d)
    text = f"‖R − I‖ = {distance:.2f}, where √(2d) = {root:.2f}: "
    if abs(distance / root - 1) <= NEAR_ROOT:
        return text + "that says only that the trace of R is near 0, as for nearly every orthogonal matrix."
    return text + f"the trace of R is {d - distance**2 / 2:.0f} of at most {d}, so R leans towards the identity."
