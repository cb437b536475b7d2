"""How far a check is, how long the rest will take, and what it has found so far.

The plan says what each part will cost on this machine; how long the parts that are done took, against their plan, says how long the rest will.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.progress import Report, silent

if TYPE_CHECKING:
    from explorer.alignment import SiteResult

PRIOR = 0.05
"""The plan itself counts as so large a share of the whole, done at the planned pace: the first second proves nothing."""

NEARLY = 0.8
"""Up to this share a step that says nothing is taken to go on as planned."""


@dataclass(frozen=True)
class PlannedPart:
    """A step of a check, with its share of the work."""

    step: str
    """Its name, as it is reported."""
    seconds: float
    """How long it will probably take on this machine."""
    site: str = ""
    """Label of the site whose result is there when it is done; empty for none."""


class CheckProgress:
    """Hears the steps of a check and passes on (step, share of the whole), which never falls.

    A part that the check skips, because it is in the cache or not wanted, leaves the plan when a later one begins. The
    time of steps that are not in the plan (waiting for another process, a download) says nothing of the pace. One
    thread reports, any may read.
    """

    def __init__(
        self,
        hear: Report = silent,
        tell: Callable[[SiteResult], None] = lambda _site: None,
        plan: Iterable[PlannedPart] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hear` may raise, to cancel. `tell` hears each site's result when it is known."""
        self.stand_aside: Callable[[str], None] = lambda step: self(step, 0.0)
        self.hear, self._tell, self._clock, self._lock = hear, tell, clock, threading.Lock()
        self.sites: tuple[SiteResult, ...] = ()
        self._share = 0.0
        self.plan(plan)

    def plan(self, parts: Iterable[PlannedPart]) -> None:
        """Begin with these parts, in order; what was planned before is forgotten."""
        with self._lock:
            self._parts = tuple(parts)
            self._order = {part.step: i for i, part in enumerate(self._parts)}
            self._total = sum(part.seconds for part in self._parts)
            self._at, self._inside, self._before = -1, 0.0, 0.0
            self._working, self._spent, self._since = False, 0.0, self._clock()

    def __call__(self, step: str, share: float) -> None:
        """A step and how much of it is done, from the work."""
        with self._lock:
            self._move(step, share)
            whole = self._done / self._total if self._total > 0 else 0.0
            self._share = max(self._share, min(0.999, whole))
        self.hear(step, self._share)

    def wait(self, step: str) -> None:
        """What the work cannot go on without; whoever hears may let other work pass."""
        self.stand_aside(step)

    def tell(self, site: SiteResult) -> None:
        """A site's result, from the work."""
        self.sites += (site,)
        self._tell(site)

    def end(self) -> None:
        """The work is over."""
        self._share = 1.0
        self.hear("done", 1.0)

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1."""
        return self._share

    @property
    def awaited(self) -> tuple[str, ...]:
        """Labels of the sites that are planned and not measured yet, in order."""
        known = {site.label for site in self.sites}
        return tuple(part.site for part in self._parts if part.site and part.site not in known)

    @property
    def left(self) -> float | None:
        """Seconds that the rest will probably take; None where nothing was planned.

        While a step says nothing it is assumed to go on at the pace of what is done, ever slower towards its end; time
        that passes nevertheless slows the pace.
        """
        with self._lock:
            if self._total <= 0:
                return None
            since = self._clock() - self._since if self._working else 0.0
            rest = self._before + self._cost - self._done
            passed = since / self._pace(self._spent, self._done)
            done = self._done + (rest * _approach(passed / rest) if rest > 0 else 0.0)
            return (self._total - done) * self._pace(self._spent + since, done)

    def _pace(self, spent: float, done: float) -> float:
        """Seconds that a planned second takes."""
        prior = PRIOR * self._total
        return (spent + prior) / (done + prior)

    @property
    def _cost(self) -> float:
        return self._parts[self._at].seconds if self._at >= 0 else 0.0

    @property
    def _done(self) -> float:
        return self._before + self._inside * self._cost

    def _move(self, step: str, share: float) -> None:
        now = self._clock()
        if self._working:
            self._spent += now - self._since
        self._since, place = now, self._order.get(step)
        self._working = place is not None
        if place is None or place < self._at:
            return
        if place > self._at:
            self._before += self._cost
            self._total -= sum(part.seconds for part in self._parts[self._at + 1 : place])
            self._at, self._inside = place, 0.0
        self._inside = max(self._inside, min(1.0, share))


def _approach(share: float) -> float:
    """The share of a step that is taken for done when it should be `share`: the same at first, and never all of it."""
    return share if share < NEARLY else 1 - (1 - NEARLY) * math.exp((NEARLY - share) / (1 - NEARLY))
