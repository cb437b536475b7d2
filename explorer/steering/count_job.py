"""Count what a steered model writes: fresh continuations of one prompt under each arm, read as they come.

Knows nothing of Streamlit: a page polls `CountJob.snapshot()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from explorer.jobs import PATIENCE, WRITERS, Job, JobState, Queue
from explorer.steering.arms import Arm
from explorer.steering.class_counts import added, count_texts
from explorer.steering.generation import Lane
from explorer.steering.lanes import Steering, build_lanes
from explorer.steering.reading_shares import ClassCount
from explorer.text import ClassReader

COUNTED: tuple[Arm, ...] = ("none", "rotated", "raw", "random")
"""Arms whose texts are counted."""
FRESH_TEXTS = 20
"""Texts of each arm."""


@dataclass(frozen=True)
class TextCount:
    """How many fresh texts count as the class, so far."""

    state: JobState
    """Where the counting stands."""
    counts: Mapping[str, ClassCount]
    """By arm: texts that were read, and those of them that count as the class; empty before the first."""
    first: int
    """Seed of the first text; each text has the next."""
    message: str = ""
    """Why it failed, for people."""

    @property
    def busy(self) -> bool:
        """Whether more is to come by itself."""
        return self.state.busy


def fresh_counts(
    steering: Steering,
    dose: float,
    prompt: str,
    reader: ClassReader,
    first: int,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, ClassCount]]:
    """The counts of every batch of `FRESH_TEXTS` texts of each arm, all at `dose`. Text i has the seed `first` + i.

    The random arm's direction is drawn from its text's seed. Raises InputError for a bad prompt or dose.
    """

    def lanes(seed: int) -> list[Lane]:
        return [lane for lane in build_lanes(steering, COUNTED, dose, seed) if lane.key in COUNTED]

    return count_texts(lanes, [steering.site], prompt, reader, range(first, first + FRESH_TEXTS), tick)


class CountJob:
    """Counts in the background. Starts at once."""

    def __init__(
        self,
        steering: Steering,
        dose: float,
        prompt: str,
        reader: ClassReader,
        first: int,
        patience: float | None = PATIENCE,
        queue: Queue = WRITERS,
    ) -> None:
        self._now = TextCount(JobState.WAITING, {}, first)

        def work(job: Job[None]) -> None:
            for found in fresh_counts(steering, dose, prompt, reader, first, job.report):
                job.commit(lambda found=found: self._add(found))  # type: ignore[misc]

        self._job = Job(work, queue, patience, failure="the counting failed ({error}): try again")

    def _add(self, found: Mapping[str, ClassCount]) -> None:
        self._now = replace(self._now, counts=added(self._now.counts, found))

    def snapshot(self) -> TextCount:
        """What there is to show now. Never waits for the models."""
        at = self._job.look()  # first: a job that is over counts nothing more
        return replace(self._now, state=at.state, message=at.message)

    def stop(self) -> None:
        """Count nothing more."""
        self._job.cancel()

    def wait(self, timeout: float | None = None) -> TextCount:
        """Wait for the thread to end, then what there is to show."""
        self._job.wait(timeout)
        return self.snapshot()
