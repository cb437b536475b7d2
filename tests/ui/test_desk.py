"""A session's desk: it keeps what was found, has one job at a time, and tells what was refused."""

from background import LONG, Steps, until

from explorer.errors import InputError
from explorer.jobs import Job, JobState, Queue
from explorer.ui.desk import Desk


def test_a_desk_keeps_what_was_found_and_has_one_job() -> None:
    desk, queue, steps = Desk[int](), Queue(2), Steps()
    assert desk.look("a") is None and desk.found("a") is None
    desk.start("a", lambda: Job(steps, queue))
    steps.step(2)
    until(lambda: steps.made == 2)
    assert (now := desk.look("a")) is not None and now.busy and desk.look("b") is None
    steps.over.set()
    until(lambda: desk.found("a") == 2)
    endless = Steps()
    desk.start("b", lambda: Job(endless, queue))
    assert desk.found("a") == 2 and desk.found("b") is None and desk.look("a") is None

    def refused() -> Job[int]:
        raise InputError("no classes of this vector")

    desk.start("c", refused)
    assert endless.left.wait(LONG), "starting another ends the one before"
    told = desk.look("c")
    assert told is not None and (told.state, told.message) == (JobState.FAILED, "no classes of this vector")
    assert desk.look("b") is None
