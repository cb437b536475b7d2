"""What a person asks of the Steering page."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.steering.arms import Arm
from explorer.steering.decoding import Positions, Sampling
from explorer.steering.vector_spec import Weighted


@dataclass(frozen=True)
class Request:
    """Everything that a person chose: two equal requests write the same text."""

    study: str
    """Name or folder of the study."""
    source: str
    """Name of A."""
    target: str
    """Name of B."""
    sites: tuple[int, ...]
    """Indices of the sites, lowest first."""
    vectors: tuple[Weighted, ...]
    """The vectors of A."""
    dose: float
    """c, in median norms of the steered model."""
    prompt: str
    """What every lane continues."""
    arms: tuple[Arm, ...]
    """Lanes of B."""
    sampling: Sampling
    """How tokens are chosen."""
    positions: Positions = Positions.ALL
    """Where in the text the vector is added."""
