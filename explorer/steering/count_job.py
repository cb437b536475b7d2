"""Count what a steered model writes: fresh continuations of one prompt under each arm, read as they come.

Knows nothing of Streamlit: a page polls `CountJob.snapshot()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.jobs import PATIENCE, WRITERS, Job, JobState, Queue
from explorer.steering.arms import Arm
from explorer.steering.continuations import continuations
from explorer.steering.lanes import Steering
from explorer.steering.vectors import carry
from explorer.text import ClassReader

COUNTED: tuple[Arm, ...] = ("none", "rotated", "raw", "random")
"""Arms whose texts are counted."""
FRESH_TEXTS = 20
"""Texts of each arm."""
AT_ONCE = 2
"""Texts of each arm that are written together; the count moves after each group of them."""
DIRECTIONS = 4
"""Random directions that the texts of the random arm have in turn."""


@dataclass(frozen=True)
class TextCount:
    """How many fresh texts count as the class, so far."""

    state: JobState
    """Where the counting stands."""
    read: int
    """Texts of each arm that have been read."""
    counted: Mapping[Arm, int]
    """By arm: those that count as the class."""
    first: int
    """Seed of the first text; each text has the next."""
    message: str = ""
    """Why it failed, for people."""

    @property
    def busy(self) -> bool:
        """Whether more is to come by itself."""
        return self.state.busy


def count_texts(
    steering: Steering, dose: float, prompt: str, reader: ClassReader, first: int, job: Job[None] | None = None
) -> Iterator[dict[Arm, int]]:
    """After every `AT_ONCE` texts of each arm: how many of them count as the class. Text i has the seed `first` + i.

    Every arm adds `dose` median norms of the target's rows, at every position. Raises InputError for a bad prompt.
    """
    vectors = {arm: _directions(steering, arm) * dose * steering.norms[1] for arm in COUNTED}
    for begin in range(0, FRESH_TEXTS, AT_ONCE):
        turns = torch.arange(begin, begin + AT_ONCE)
        rows = torch.stack([v[turns % len(v)] for v in vectors.values()])[None]
        tick = (lambda: None) if job is None else job.report
        texts = continuations(steering.target, [steering.site], prompt, rows, first + begin, tick)
        yield {arm: sum(reader.read(some)) for arm, some in zip(COUNTED, texts, strict=True)}


def _directions(steering: Steering, arm: Arm) -> Float[Tensor, "n d"]:
    """The unit vectors of an arm, of which its texts have one after another; zero for the untouched target."""
    if arm == "none":
        return torch.zeros(1, steering.target.d_model)
    seeds: Sequence[int] = range(DIRECTIONS) if arm == "random" else (0,)
    return torch.stack([carry(steering.vector, arm, steering.fitted, seed=seed) for seed in seeds])


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
        self._now = TextCount(JobState.WAITING, 0, dict.fromkeys(COUNTED, 0), first)

        def work(job: Job[None]) -> None:
            for found in count_texts(steering, dose, prompt, reader, first, job):
                job.commit(lambda found=found: self._add(found))  # type: ignore[misc]

        self._job = Job(work, queue, patience, failure="the counting failed ({error}): try again")

    def _add(self, found: Mapping[Arm, int]) -> None:
        counted = {arm: n + found[arm] for arm, n in self._now.counted.items()}
        self._now = replace(self._now, read=self._now.read + AT_ONCE, counted=counted)

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
