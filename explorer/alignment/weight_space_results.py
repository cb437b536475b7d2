"""What lies half way between the weights of two models, before and after what their function does not notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

PathName = Literal["plain", "permuted", "rotated", "refined", "shuffled"]
PATHS: tuple[PathName, ...] = get_args(PathName)
"""How the target's weights are written before they are mixed with the source's; its function stays the same."""


@dataclass(frozen=True)
class WeightPath:
    """The straight line from the source's weights to the target's in one of its writings."""

    losses: tuple[float, ...]
    """Loss of the mixed models, nats per token, one for each share of the target."""
    apart: float
    """‖θ_A − θ_B‖ / √(‖θ_A‖² + ‖θ_B‖²): 0 for equal weights, about 1 for weights that have nothing in common."""

    @property
    def barrier(self) -> float:
        """Loss half way less the mean of both ends."""
        return self.losses[len(self.losses) // 2] - (self.losses[0] + self.losses[-1]) / 2


@dataclass(frozen=True)
class WeightSpace:
    """The loss on straight lines between the weights of a pair."""

    shares: tuple[float, ...]
    """Shares of the target's weights in the mixture, from 0 to 1; the middle one is a half."""
    paths: Mapping[PathName, WeightPath]
    """By how the target is written. `plain`: as it is. `permuted`: neurons and heads matched with the source's by
    weight. `rotated`: gains folded, the stream turned by R, then matched. `refined`: R and matches from the weights, in
    turn, beginning at those. `shuffled`: like `rotated` with an R of shuffled pairs."""
    uniform: float
    """log V: the loss of a model that knows nothing."""
    tokens: int
    """Test tokens predicted."""
    heads: bool
    """Whether attention heads were matched, too: not where several read with one key."""
    spread: float
    """R is the rotation nearest to those of all sites; this is how far these lie from it, ‖R_site − R‖_F / √(2d), on
    average: 0 where all are equal, about 1 where unrelated."""

    def check(self) -> None:
        """Raise ValueError where the parts, read from a file, do not fit together."""
        if missing := [name for name in PATHS if name not in self.paths]:
            raise ValueError(f"it lacks the path '{missing[0]}'")
        if len(self.shares) % 2 == 0 or any(len(path.losses) != len(self.shares) for path in self.paths.values()):
            raise ValueError(f"its paths have not its {len(self.shares)} shares, an odd number")
