"""Progress: what long work tells whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float], None]
"""Takes the name of a step and the share of the step or of the whole that is done, 0 to 1. It may raise, to cancel."""


def silent(_step: str, _share: float) -> None:
    """A report that nobody hears."""


def counted(report: Report, step: str, total: float) -> Callable[[float], None]:
    """Takes how much more of a step is done, and reports the share of its total."""
    done = 0.0

    def add(more: float) -> None:
        nonlocal done
        done += more
        report(step, min(1.0, done / total))

    return add


def part(report: Report, low: float, high: float) -> Report:
    """Reports what is done of a part of the work that leads from one share of the whole to another."""
    return lambda step, share: report(step, low + (high - low) * share)
