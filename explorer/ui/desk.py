"""What one session measures in the background: one job at a time, and what the earlier ones found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from explorer.errors import InputError
from explorer.jobs import Job, JobState, Progress

T = TypeVar("T")


class Desk(Generic[T]):
    """What one session asks for: one job at a time, and what the earlier ones found. Keys say what a job is about."""

    def __init__(self) -> None:
        self._job: Job[T] | None = None
        self._key: object = None
        self._refused = ""
        self._kept: dict[object, T] = {}

    def start(self, key: object, begin: Callable[[], Job[T]]) -> None:
        """End what is running and begin another job; an InputError while it is begun is told as its failure."""
        self.cancel()
        job, refused = None, ""
        try:
            job = begin()
        except InputError as error:
            refused = str(error)
        self._job, self._key, self._refused = job, key, refused

    def look(self, key: object) -> Progress | None:
        """Where the job about something stands; None where another, or none, was asked for since."""
        if key != self._key:
            return None
        return Progress(JobState.FAILED, message=self._refused) if self._job is None else self._job.look()

    def found(self, key: object) -> T | None:
        """What was found about something."""
        if self._job is not None and self._job.result is not None:
            self._kept[self._key] = self._job.result
        return self._kept.get(key)

    def cancel(self) -> None:
        """End what is running."""
        if self._job is not None:
            self._job.cancel()
        self.found(self._key)
