"""Whether many models are turned copies in one space, in words."""

from __future__ import annotations

from explorer.alignment import SpaceSite
from explorer.number_text import number

ENOUGH = 0.95
"""Share of what the pairs' own R explain that one rotation for each model must reach to be called enough."""


def one_space_told(site: SpaceSite) -> str:
    """What one rotation for each model explains beside one for every pair, and how far circles of three close."""
    direct, space = site.means
    enough = "that is enough" if space >= ENOUGH * direct else "every pair gains by an R of its own"
    return (
        f"at {site.label} the R of each pair, with one scale, explains {number(direct)} on average, one rotation for each model "
        f"{number(space)} (R of shuffled pairs at most {number(site.shuffled)}): {enough}; a circle of three models "
        f"misses the identity by {number(site.cycles.mean)} (shuffled pairs {number(site.shuffled_cycles.mean)}, turned "
        f"copies {number(site.twin_cycles.mean)}) and brings back {number(site.cycles.returned)} of the rows "
        f"(shuffled pairs {number(site.shuffled_cycles.returned)})"
    )
