"""The counting of one session: fresh texts of the lanes that are shown, in the background, more with each click."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import streamlit as st

from explorer.errors import InputError
from explorer.jobs import PATIENCE, WRITERS, Job, JobState, Progress
from explorer.progress import counted
from explorer.steering import (
    NEW_TOKENS,
    TEXTS,
    ClassCount,
    Positions,
    Request,
    Sampling,
    added,
    build_lanes,
    count_texts,
)
from explorer.study import contrast_of
from explorer.text import ClassReader, can_be_read, learn_classes
from explorer.ui import cache
from explorer.ui.steering.vector_cache import ingredients

FIRST_SEED = 2 * TEXTS
"""The first seed that is fresh: with those before it stored texts were written, and doses chosen."""


@dataclass(frozen=True)
class Tally:
    """What was counted live for one setting."""

    counts: dict[str, ClassCount] = field(default_factory=dict)
    """By lane."""
    next_seed: int = FIRST_SEED
    """The seed of the next text."""


@dataclass
class CountDesk:
    """What one session counts: one setting at a time; what was counted of the others is kept."""

    tallies: dict[Hashable, Tally] = field(default_factory=dict)
    """By setting."""
    job: Job[None] | None = None
    """The counting that runs, or ran last."""
    key: Hashable = None
    """Of which setting."""
    error: str = ""
    """Why it could not be started."""

    def start(self, request: Request) -> None:
        """Count as many more texts of a request; what was running stops."""
        self.cancel()
        self.job, self.key, self.error = None, setting(request), ""
        try:
            reader = reader_of(request)
            if reader is None:
                raise InputError("the classes of this vector cannot be read in a text: choose a ready contrast")
            self.job = self._begin(request, reader)
        except InputError as error:
            self.error = str(error)

    def _begin(self, request: Request, reader: ClassReader) -> Job[None]:
        """Prepare here, where caches are; what the thread does knows nothing of Streamlit."""
        key, parts = setting(request), ingredients(request)
        sites = [part.site for part in parts]
        first = self.tallies.get(key, Tally()).next_seed
        seeds = range(first, first + TEXTS)
        build_lanes(parts, request.arms, request.dose)  # A bad dose is said at once.

        def work(job: Job[None]) -> None:
            tick = counted(job.report, "counting", 2 * NEW_TOKENS * len(seeds) // 4)

            def keep(found: dict[str, ClassCount]) -> None:
                before = self.tallies.get(key, Tally())
                texts = max(c.texts for c in found.values())
                self.tallies[key] = Tally(added(before.counts, found), before.next_seed + texts)

            for found in count_texts(
                lambda seed: build_lanes(parts, request.arms, request.dose, seed),
                sites, request.prompt, reader, seeds, lambda: tick(1),
            ):  # fmt: skip
                job.commit(lambda found=found: keep(found))  # type: ignore[misc]

        failure = "the counting failed ({error}): try again, or choose another vector or prompt"
        return Job(work, WRITERS, PATIENCE, failure=failure)

    def look(self, request: Request) -> Progress | None:
        """Where the counting of a request stands; None where another, or none, was asked for since."""
        if setting(request) != self.key:
            return None
        return Progress(JobState.FAILED, message=self.error) if self.job is None else self.job.look()

    def tally(self, request: Request) -> Tally | None:
        """What was counted live of a request; None for nothing."""
        return self.tallies.get(setting(request))

    def cancel(self) -> None:
        """End what is running; what was counted by then stays."""
        if self.job is not None:
            self.job.cancel()


def setting(request: Request) -> Hashable:
    """What decides a count: the request without how its lanes are sampled. Counts add the vector at every position."""
    return replace(request, sampling=Sampling(), positions=Positions.ALL)


def reader_of(request: Request) -> ClassReader | None:
    """What reads the class of the contrast that steers alone; None where no text can be read as a class."""
    contrast = contrast_of(cache.study(request.study), request.vectors[0].name) if len(request.vectors) == 1 else None
    return learn_classes(contrast, request.prompt) if contrast is not None and can_be_read(contrast) else None


@st.cache_resource(scope="session", on_release=CountDesk.cancel, show_spinner=False)
def count_desk() -> CountDesk:
    """This session's counts."""
    return CountDesk()
