"""Where a job in the background stands, and what it has to show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def busy(self) -> bool:
        """Whether more is to come by itself."""
        return self in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True)
class Progress:
    """What a job has to show at one moment."""

    state: JobState
    """Where it stands."""
    ahead: int = 0
    """How many jobs must end before this one works; 0 when it does."""
    step: str = ""
    """What it is doing."""
    share: float = 0.0
    """How much of the work is done, 0 to 1; it never falls."""
    seconds: float = 0.0
    """How long it has been working, without the time in which it waited."""
    moved: float = 0.0
    """After how many of these seconds the share last rose."""
    message: str = ""
    """Why it failed, for people."""

    @property
    def busy(self) -> bool:
        """Whether more is to come by itself."""
        return self.state.busy
