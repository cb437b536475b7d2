"""Checks that were asked for: one at a time, in order; each is found again by its visitor, and cancelled.

Knows nothing of Streamlit and of what a check does: its work is a function of (folder, progress) that fills the folder.
A check goes on when nobody looks: it is minutes of work that somebody will come back for. Example texts for the talk
are recorded when no check waits.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.cores import EVERY_CORE
from explorer.errors import InputError
from explorer.jobs import Job, Queue
from explorer.pipeline.asked_checks import AskedCheck, keep
from explorer.pipeline.check_form import Fields
from explorer.pipeline.progress import CheckProgress, PlannedPart
from explorer.pipeline.recording import record_study
from explorer.policy import policy
from explorer.study import acting_for, adopt, check_room, free_name, open_study, owner, unfinished_folder

Work = Callable[[Path, CheckProgress], None]
"""Fills a folder with `study/` and whatever else it makes, and tells its steps often. Raises InputError."""

KEPT = 50
"""Ended checks that are remembered."""
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
    name: str
    """What its study will be called, and by which a link finds the check until it is there."""
    job: Job[str]
    """The work; its result is the name of the study that it made."""
    progress: CheckProgress
    """How far it is, how long the rest will take, and the sites that are measured."""


class CheckQueue:
    """The checks of one server process. One runs at a time: two would only slow each other down."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: checks that may be under way or wait; as the policy says unless given."""
        self._queue, self._lock, self._most = Queue(1), threading.Lock(), most or policy().waiting_checks
        self._checks: list[CheckJob] = []
        self._recordings: dict[tuple[str, str], Job[None]] = {}

    def submit(
        self,
        visitor: str,
        title: str,
        work: Work,
        wish: str,
        plan: Sequence[PlannedPart] = (),
        recorded: bool = False,
        fields: Fields | None = None,
    ) -> CheckJob:
        """Queue a check whose study should be called `wish`; `plan` is what is known beforehand of what it will take.

        `recorded`: example texts follow when the study is there. `fields`: the form, by which a check is offered again if
        this process is killed. Raises InputError if the visitor has a check that has not ended, and for a full queue.
        """
        check_room(sum(c.visitor == visitor and c.job.busy for c in self._checks))
        whose = owner()
        with self._lock:
            if (mine := self._latest(visitor)) is not None and mine.job.busy:
                raise InputError(
                    f"your check of {mine.title} is not over: wait for it, or cancel it, then start this one"
                )
            if (busy := sum(c.job.busy for c in self._checks)) >= self._most:
                raise InputError(
                    f"{busy} checks are under way or wait, as many as this app takes: try again when one has ended, or run "
                    "the check on the command line"
                )
            name = free_name(wish, [c.name for c in self._checks if c.job.busy])
            progress = CheckProgress(plan=plan)

            def fill(job: Job[str]) -> str:
                progress.hear, progress.stand_aside = job.report, job.give_way
                with acting_for(whose):
                    made = _fill(job, lambda folder: work(folder, progress), name)
                    if recorded:
                        self.record(made)
                return made

            over = keep(AskedCheck(visitor, title, name, fields)) if fields is not None else lambda: None
            job = Job(fill, self._queue, cores=EVERY_CORE, failure=FAILURE, after=over)
            check = CheckJob(visitor, title, name, job, progress)
            ended = [c for c in self._checks if not c.job.busy]
            forgotten = {id(c) for c in ended[: max(0, len(ended) - KEPT)]}
            self._checks = [c for c in self._checks if id(c) not in forgotten and c.visitor != visitor] + [check]
            return check

    def find(self, visitor: str) -> CheckJob | None:
        """The visitor's check: the one under way, or the last, until it is dismissed."""
        with self._lock:
            return self._latest(visitor)

    def named(self, name: str) -> CheckJob | None:
        """The check whose study is, or will be, called so: the last of that name, until it is dismissed."""
        with self._lock:
            return next((c for c in reversed(self._checks) if c.name == name), None)

    def _latest(self, visitor: str) -> CheckJob | None:
        return next((c for c in reversed(self._checks) if c.visitor == visitor), None)

    def ahead(self, check: CheckJob | None = None) -> list[CheckJob]:
        """The checks that must end before one begins; without one, before the next that is asked for."""
        with self._lock:
            if check is None:
                return [c for c in self._checks if c.job.busy]
            before = self._queue.before(check.job)
            return [c for c in self._checks if c.job in before]

    def record(self, name: str) -> None:
        """Record the example texts of one's own study in the background, unless that is under way."""
        whose = owner()

        def work(job: Job[None]) -> None:
            with acting_for(whose):
                _record(job, name)

        with self._lock:
            if (job := self._recordings.get((whose, name))) is None or not job.busy:
                failure = "recording failed ({error}), which is a fault of this program; the server's log says where"
                self._recordings[whose, name] = Job(work, self._queue, failure=failure, yields=True)

    def recording(self, name: str) -> Job[None] | None:
        """The last recording of a study that was asked for."""
        return self._recordings.get((owner(), name))

    def dismiss(self, check: CheckJob) -> None:
        """Forget a check that has ended."""
        with self._lock:
            if not check.job.busy and check in self._checks:
                self._checks.remove(check)

    @property
    def empty(self) -> bool:
        """Whether no check is under way."""
        return self._queue.empty


def _fill(job: Job[str], work: Callable[[Path], None], wish: str) -> str:
    """Let the work fill a folder and turn it into a study; a cancelled one never appears, and leaves nothing."""
    folder = unfinished_folder()
    try:
        work(folder)
        return job.finish(lambda: adopt(folder, wish).name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _record(job: Job[None], name: str) -> None:
    study = open_study(name)
    if record_study(study, report=job.report):
        # Pages that hold the study read it again.
        (study.folder / "study.json").touch()


CHECKS = CheckQueue()
"""The one queue of this process: a reload of a page or a cleared cache does not touch it."""
