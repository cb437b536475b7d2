"""One line of the table of benchmarks: a ratio within one run, measured several times, and what it should be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """What was measured, and whether that is enough."""

    what: str
    """What is compared with what."""
    limit: float
    """The aim."""
    ratios: tuple[float, ...]
    """One value for each repeat within the run."""
    at_least: bool = False
    """Whether the aim is a lower bound."""
    unit: str = ""
    """Unit of the values; ratios have none."""
    note: str = ""
    """Where the time goes, or under which conditions it was measured; empty for nothing to say."""
    value: float = field(init=False)
    """Median of the repeats."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", statistics.median(self.ratios))

    @property
    def met(self) -> bool:
        """Whether the median keeps to the aim."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def verdict(self) -> str:
        """Met, or by how much it is missed."""
        if self.met:
            return "met"
        over = self.value / self.limit if self.limit else float("inf")
        return f"missed by {abs(over - 1):.0%}"

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """What it is, aim, measured, spread, verdict."""
        unit = f" {self.unit}" if self.unit else ""
        aim = f"{'≥' if self.at_least else '≤'} {shown(self.limit)}{unit}"
        low, high = min(self.ratios), max(self.ratios)
        spread = f"{shown(low)} … {shown(high)}" if len(self.ratios) > 1 else "–"
        what = f"{self.what} ({self.note})" if self.note else self.what
        return what, aim, f"{shown(self.value)}{unit}", spread, self.verdict


def shown(value: float) -> str:
    """Three digits; small numbers in powers of ten."""
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}"
