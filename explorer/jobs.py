"""Background work: one class for all of it, and queues in which a few jobs work at a time, in order of arrival.

Knows nothing of Streamlit and of models. A job is a plain thread, not a future of a pool: it leaves its place to others
while nobody looks at it, and takes one again later, which no pool can do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from explorer.cores import PAGE_CORES, use_cores
from explorer.errors import InputError, in_words, is_foreseen
from explorer.job_progress import JobState, Progress
from explorer.policy import policy

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 1.5
"""Seconds after which work that nobody looks at pauses: a closed tab costs others nothing."""
FORGET = 120.0
"""Seconds after which it stops for good."""
LATE = 20.0
"""Seconds to which patience grows at most where looks come late: pages of many visitors look seldom."""
SLICE = 0.1
"""Seconds of work after which a job lets the next of those that have begun go on."""
SHARING = 12
"""Streamed texts that grow at the same time: more wait until one has ended."""


class Cancelled(BaseException):
    """Raised inside the work at its next report. Not an Exception, so that no handler of the work swallows it."""


class Queue:
    """Jobs that share `places`: so many work at a time. Up to `sharing` have begun, and take turns of a `SLICE`; the
    others wait in the order in which they came.
    """

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic, sharing: int | None = None) -> None:
        """`sharing`: as many as there are places unless given; then each works to its end."""
        self.clock = clock
        self._places, self._sharing = places, max(places, sharing or places)
        self._jobs, self._line = list[Job[Any]](), list[Job[Any]]()
        # Guards every job of the queue; whoever changes one calls `_serve`, which wakes those that wait.
        self._changed = threading.Condition()

    @property
    def empty(self) -> bool:
        """Whether nothing works or waits here."""
        with self._changed:
            return not self._jobs

    def _serve(self) -> None:
        """Let those begin that wait and are looked at, and give free places to those that have waited for a turn."""
        for job in self._in_order:
            if sum(j._holds for j in self._jobs) >= self._sharing:
                break
            if job._wants:
                job._holds = True
                self._line.append(job)
                job._turn(JobState.RUNNING)
        while self._line and sum(j._works for j in self._jobs) < self._places:
            self._line.pop(0)._take_place()
        self._changed.notify_all()

    def _ahead(self, job: Job[Any]) -> int:
        """How many must end before a job that waits. Those that were cancelled end by themselves."""
        if job._state != JobState.WAITING:
            return 0
        earlier = sum(j._wants for j in self._in_order[: self._in_order.index(job)])
        holding = sum(j._holds and j.busy and j._yields <= job._yields for j in self._jobs)
        return max(0, holding + earlier + 1 - self._sharing)

    def before(self, job: Job[Any]) -> list[Job[Any]]:
        """The jobs that are under way or wait before one that waits; before the next that comes, for one of another."""
        with self._changed:
            if job._state != JobState.WAITING and job in self._jobs:
                return []
            found = [j for j in self._in_order if j.busy and j is not job]
            at = self._in_order.index(job) if job in self._jobs else len(self._jobs)
            return [j for j in found if j._holds or j in self._in_order[:at]]

    @property
    def _in_order(self) -> list[Job[Any]]:
        return sorted(self._jobs, key=lambda job: job._yields)


class Job(Generic[T]):
    """Runs `work(job)` in a thread of its own as soon as it is its turn. Starts at once.

    The work calls `job.report` often: there it waits while nobody looks, and ends when it was cancelled.
    """

    def __init__(
        self,
        work: Callable[[Job[T]], T],
        queue: Queue,
        patience: float | None = None,
        cores: int = 1,
        failure: str = "the work failed ({error}): try again",
        yields: bool = False,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """`patience`: seconds without a look after which it pauses; None works unseen.

        `yields`: it works when no other job waits, and pauses for one that comes later.
        `failure`: what people are told of an error that nobody foresaw; {error} is its kind.
        `after`: called once its thread has nothing more to do, however it ended.
        """
        self.result: T | None = None
        self._work, self._queue, self._patience, self._cores, self._failure = work, queue, patience, cores, failure
        self._yields, self._after = yields, after
        self._state, self._seen, self._late = JobState.WAITING, queue.clock(), 0.0
        # It has begun; it works at this moment, since when.
        self._holds, self._works, self._placed = False, False, 0.0
        self._step, self._share, self._moved, self._message = "", 0.0, 0.0, ""
        self._worked, self._since = 0.0, 0.0
        # In the context of whoever asks: for whom it works.
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="job", daemon=True)
        with queue._changed:
            queue._jobs.append(self)
            queue._serve()
        self._thread.start()

    def look(self) -> Progress:
        """What there is to show now. Looking keeps it going; it never waits for the work."""
        with self._queue._changed:
            now = self._queue.clock()
            self._late, self._seen = max(now - self._seen, self._late / 2), now
            self._queue._serve()
            ahead, seconds = self._queue._ahead(self), self.seconds
            return Progress(self._state, ahead, self._step, self._share, seconds, self._moved, self._message)

    @property
    def state(self) -> JobState:
        """Where it stands, without looking."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether more is to come by itself, without looking."""
        return self._state.busy

    @property
    def alive(self) -> bool:
        """Whether its thread still works."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Stop it, from this moment on for whoever looks; its thread ends at the next report. Nothing if it is over."""
        self._end(JobState.STOPPED)

    def wait(self, timeout: float | None = None) -> Progress:
        """Wait for its thread to end, then what there is to show."""
        self._thread.join(timeout)
        return self.look()

    def report(self, step: str = "", share: float = 0.0) -> None:
        """Called by the work: what it does, and how much of the whole is done. Raises Cancelled to end it."""
        with self._queue._changed:
            if share > self._share:
                self._share, self._moved = min(1.0, share), self.seconds
            self._step = step
            self._await_turn()

    def give_way(self, step: str) -> None:
        """Called by work that cannot go on for now: its place goes to those that wait, until it is its turn again."""
        with self._queue._changed:
            self._step = step
            if any(j._wants for j in self._queue._jobs):
                self._queue._jobs.sort(key=lambda job: job is self)
                self._leave_place(begun=False)
                self._turn(JobState.WAITING)
                self._queue._serve()
            self._await_turn()

    def commit(self, act: Callable[[], R]) -> R:
        """Called by the work: do what others see. A cancel comes before it, which raises Cancelled, or after it."""
        with self._queue._changed:
            if self._state == JobState.STOPPED:
                raise Cancelled
            return act()

    def finish(self, act: Callable[[], T]) -> T:
        """Commit what makes the result; with it the job is done, and a cancel comes too late."""

        def last() -> T:
            self.result = found = act()
            self._share = 1.0
            self._end(JobState.DONE)
            return found

        return self.commit(last)

    @property
    def _wants(self) -> bool:
        return self._state == JobState.WAITING and not self._unseen(self._patience)

    @property
    def _gives_way(self) -> bool:
        return self._yields and any(j._wants and not j._yields for j in self._queue._jobs)

    def _unseen(self, patience: float | None) -> bool:
        """Whether nobody has looked for so long, or for three times as long as looks were late before."""
        late = min(LATE, 3 * self._late)
        return patience is not None and self._queue.clock() - self._seen > max(patience, late)

    @property
    def seconds(self) -> float:
        """How long it has been working, without the time in which it waited."""
        return self._worked + (self._queue.clock() - self._since if self._state == JobState.RUNNING else 0.0)

    def _turn(self, state: JobState) -> None:
        """Change the state, and keep count of the time in which it worked."""
        self._worked, self._since = self.seconds, self._queue.clock()
        self._state = state

    def _end(self, state: JobState, message: str = "") -> None:
        with self._queue._changed:
            if self.busy:
                self._message = message
                self._turn(state)
                self._queue._serve()

    def _take_place(self) -> None:
        self._works, self._placed = True, self._queue.clock()

    def _leave_place(self, begun: bool) -> None:
        """Leave the place to others: until its next turn where it has `begun`, else until it may begin."""
        self._works, self._holds = False, begun
        self._queue._line = [j for j in self._queue._line if j is not self] + [self] * begun

    def _await_turn(self) -> None:
        """Wait for a place, which is left to others after a while, and wholly while nobody looks."""
        queue = self._queue
        while self._state != JobState.STOPPED:
            if self._patience is not None and self._unseen(FORGET):
                self.cancel()
            elif not self._holds or self._unseen(self._patience) or self._gives_way:
                if self._holds:
                    self._leave_place(begun=False)
                    self._turn(JobState.WAITING)
                    queue._serve()
                queue._changed.wait(0.1)
            elif self._works and not (queue._line and queue.clock() - self._placed > SLICE):
                return
            else:
                if self._works:
                    self._leave_place(begun=True)
                    queue._serve()
                queue._changed.wait(0.0 if self._works else 0.1)
        raise Cancelled

    def _run(self) -> None:
        try:
            use_cores(self._cores)
            with self._queue._changed:
                self._await_turn()
            result = self._work(self)
            if self.busy:
                self.finish(lambda: result)
        except Cancelled:
            pass
        except InputError as error:
            self._end(JobState.FAILED, str(error))
        except Exception as error:  # a person must see that it failed, whatever it was
            logging.getLogger(__name__).exception("a job failed")
            told = self._failure.format(error=type(error).__name__)
            self._end(JobState.FAILED, in_words(error) if is_foreseen(error) else told)
        finally:
            use_cores(PAGE_CORES)
            self._after()
            with self._queue._changed:
                self._leave_place(begun=False)
                self._queue._jobs.remove(self)
                self._queue._serve()


WRITERS = Queue(policy().writers, sharing=SHARING)
"""Jobs that stream text: all that have begun grow at the same pace."""
MEASURERS = Queue(1)
"""Jobs that measure something for a page."""
LAYOUTS = Queue(1)
"""Jobs that lay out the twin maps: numba, under UMAP, dies of two at once."""
