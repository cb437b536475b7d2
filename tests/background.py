"""A clock that a test moves, work that it lets go on step by step, and waiting for what another thread does."""

import threading
import time
from collections.abc import Callable

from explorer.jobs import Job

LONG = 20.0
"""Seconds after which what was waited for will not come."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Steps:
    """Work that reports after every step that the test lets it make, until it is told to end."""

    def __init__(self) -> None:
        self.made, self.over, self.left = 0, threading.Event(), threading.Event()
        self._more = threading.Semaphore(0)

    def step(self, count: int = 1) -> None:
        self._more.release(count)

    def __call__(self, job: Job[int]) -> int:
        try:
            while not self.over.is_set():
                if self._more.acquire(timeout=0.002):
                    self.made += 1
                job.report(f"step {self.made}", self.made / 100)
            return self.made
        finally:
            self.left.set()


def until(holds: Callable[[], object], seconds: float = LONG, every: float = 0.002) -> None:
    """Wait until something holds; fail if it never does. What costs the awaited work time is asked less often."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end, "it never came"
        pause.wait(every)
