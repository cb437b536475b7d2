"""A clock that a test moves, and waiting for what another thread does."""

import threading
import time
from collections.abc import Callable

LONG = 20.0
"""Seconds after which what was waited for will not come."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def until(holds: Callable[[], object], seconds: float = LONG, every: float = 0.002) -> None:
    """Wait until something holds; fail if it never does. What costs the awaited work time is asked less often."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end, "it never came"
        pause.wait(every)
