"""Checks that were asked for: one at a time, in order; each is found again by its visitor, and cancelled.

Knows nothing of Streamlit and of what a check does: its work is a function of (folder, report) that fills the folder.
A check goes on when nobody looks: it is minutes of work that somebody will come back for.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InputError
from explorer.jobs import CORES, Job, Progress, Queue
from explorer.progress import Report
from explorer.study import adopt, unfinished_folder

Work = Callable[[Path, Report], None]
"""Fills a folder with `study/` and whatever else it makes, calling report often. Raises InputError."""

KEPT = 50
"""Ended checks that are remembered."""
TRUSTED = 0.15
"""Share of the work from which its pace says more than what was expected."""
FAILURE = (
    "the check failed ({error}), which is a fault of this program; the server's log says where. Try again, or check "
    "the pair on the command line"
)


@dataclass(frozen=True, eq=False)
class CheckJob:
    """One check that was asked for."""

    visitor: str
    """Who asked."""
    title: str
    """What is checked, for people."""
    job: Job[str]
    """The work; its result is the name of the study that it made."""
    expected: float | None
    """Seconds that it will probably take, told beforehand."""

    def left(self, now: Progress) -> float | None:
        """Seconds that are probably left; None while too little is known."""
        return time_left(now.seconds, now.share, now.moved, self.expected)


class CheckQueue:
    """The checks of one server process. One runs at a time: two would only slow each other down."""

    def __init__(self) -> None:
        self._queue, self._lock = Queue(1), threading.Lock()
        self._checks: list[CheckJob] = []

    def submit(self, visitor: str, title: str, work: Work, wish: str, expected: float | None = None) -> CheckJob:
        """Queue a check whose study should be called `wish`, and that will probably take `expected` seconds.

        Raises InputError if the visitor has one that has not ended.
        """
        with self._lock:
            if (mine := self._latest(visitor)) is not None and mine.job.busy:
                raise InputError(
                    f"your check of {mine.title} is not over: wait for it, or cancel it, then start this one"
                )
            job = Job(lambda job: _fill(job, work, wish), self._queue, cores=CORES, failure=FAILURE)
            check = CheckJob(visitor, title, job, expected)
            ended = [c for c in self._checks if not c.job.busy]
            forgotten = {id(c) for c in ended[: max(0, len(ended) - KEPT)]}
            self._checks = [c for c in self._checks if id(c) not in forgotten and c.visitor != visitor] + [check]
            return check

    def find(self, visitor: str) -> CheckJob | None:
        """The visitor's check: the one under way, or the last, until it is dismissed."""
        with self._lock:
            return self._latest(visitor)

    def _latest(self, visitor: str) -> CheckJob | None:
        return next((c for c in reversed(self._checks) if c.visitor == visitor), None)

    def dismiss(self, check: CheckJob) -> None:
        """Forget a check that has ended."""
        with self._lock:
            if not check.job.busy and check in self._checks:
                self._checks.remove(check)

    @property
    def empty(self) -> bool:
        """Whether no check is under way."""
        return self._queue.empty


def _fill(job: Job[str], work: Work, wish: str) -> str:
    """Let the work fill a folder and turn it into a study; a cancelled one never appears, and leaves nothing."""
    folder = unfinished_folder()
    try:
        work(folder, job.report)
        return job.finish(lambda: adopt(folder, wish).name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def time_left(seconds: float, share: float, moved: float, expected: float | None) -> float | None:
    """Seconds that are probably left: what was expected at first, later as if the rest went as fast as what is done.

    `moved` is when the share last rose. None where a guess has been overtaken by time: nobody believes a clock that
    stands at five seconds.
    """
    if share < TRUSTED:
        left = None if expected is None else expected - seconds
    else:
        left = moved * (1 - share) / share - (seconds - moved)
    return left if left is not None and left > 0 else None


CHECKS = CheckQueue()
"""The one queue of this process: a reload of a page or a cleared cache does not touch it."""
