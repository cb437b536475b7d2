"""How a dictionary that was rotated for another model trains on, beside one that begins from nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SiteWarmStart:
    """One dictionary of A at one site, trained on with B's rows; EV is that of B's test rows, rebuilt from themselves.

    Every entry of `warm` and `cold` is a training of its own, with the whole schedule: same settings, seed and rows.
    """

    site: str
    """Name of the site."""
    dictionary: str
    """Which dictionary of A: kind, size, and the first digits of a hash of its weights."""
    start: float
    """EV of it through R, before any training: paper-style, rotated."""
    ceiling: float | None
    """EV of B's own dictionary; None where it has none."""
    rows: tuple[int, ...]
    """How many rows each training saw."""
    warm: tuple[float, ...]
    """EV after training from the rotated dictionary."""
    cold: tuple[float, ...]
    """EV after training from nothing: directions drawn at random."""
    distinct: int
    """Different rows of the fit text that they were drawn from; a training of more rows sees them again."""
    batch: int
    """Rows of a step."""
    learning_rate: float
    """Peak learning rate of both."""

    def check(self) -> None:
        """Raise ValueError for curves of different lengths, or without a point."""
        if not len(self.rows) == len(self.warm) == len(self.cold) >= 1 or list(self.rows) != sorted(set(self.rows)):
            raise ValueError(f"curves of {len(self.rows)}, {len(self.warm)} and {len(self.cold)} rows at {self.site}")

    @property
    def worth(self) -> int | None:
        """The fewest rows with which training from nothing is as good as R alone; None where all are too few."""
        return next((n for n, ev in zip(self.rows, self.cold, strict=True) if ev >= self.start), None)

    @property
    def equal(self) -> int | None:
        """The fewest rows with which the warm start is as good as training from nothing with all of them; 0 where R
        alone is, None where it never is.
        """
        curve = zip((0, *self.rows), (self.start, *self.warm), strict=True)
        return next((n for n, ev in curve if ev >= self.cold[-1]), None)


@dataclass(frozen=True)
class PairWarmStart:
    """The warm starts of a pair's dictionaries."""

    sites: tuple[SiteWarmStart, ...]
    """Site by site, input first."""

    def check(self) -> None:
        """Raise ValueError for sites whose numbers do not fit together."""
        for site in self.sites:
            site.check()

    def at(self, site: str) -> SiteWarmStart | None:
        """That of a site."""
        return next((s for s in self.sites if s.site == site), None)
