"""Background work: served in order, cancelled at once, paused while nobody looks, failed calmly."""

import threading
from typing import Any

import pytest
import torch
from background import LONG, Clock, Steps, until

from explorer.cores import EVERY_CORE
from explorer.errors import InputError
from explorer.jobs import FORGET, LATE, SLICE, Cancelled, Job, JobState, Queue


def ended(job: Job[Any]) -> Any:
    """Its progress after its thread has ended."""
    found = job.wait(LONG)
    assert not job.alive
    return found


def test_a_job_reports_and_ends_with_its_result() -> None:
    def work(job: Job[str]) -> str:
        job.report("looking", 0.5)
        job.report("still looking", 0.25)
        return "found"

    job = Job(work, Queue(1))
    now = ended(job)
    assert job.result == "found" and job.state == JobState.DONE
    assert (now.busy, now.share, now.ahead, now.step, now.message) == (False, 1.0, 0, "still looking", "")


def test_queues_serve_in_order() -> None:
    queue, works = Queue(2), [Steps() for _ in range(4)]
    first, second, third, fourth = jobs = [Job(work, queue) for work in works]
    assert [job.look().ahead for job in jobs] == [0, 0, 1, 2]
    assert [job.state for job in jobs] == [JobState.RUNNING] * 2 + [JobState.WAITING] * 2
    second.cancel()
    second.cancel()
    until(lambda: third.state == JobState.RUNNING)
    assert fourth.look().ahead == 1 and second.look().ahead == 0
    works[2].over.set()
    until(lambda: fourth.state == JobState.RUNNING)
    for job in jobs:
        job.cancel()
        ended(job)
    assert queue.empty and first.state == JobState.STOPPED and third.state == JobState.DONE


def test_work_that_yields_pauses_for_work_that_comes_later() -> None:
    queue, slow, works = Queue(1), Steps(), [Steps() for _ in range(2)]
    modest = Job(slow, queue, yields=True)
    until(lambda: modest.state == JobState.RUNNING)
    first, second = jobs = [Job(work, queue) for work in works]
    until(lambda: first.state == JobState.RUNNING)
    assert [job.look().ahead for job in (modest, *jobs)] == [2, 0, 1], "later in time, and yet before it"
    made = slow.made
    slow.step()
    works[0].over.set()
    until(lambda: second.state == JobState.RUNNING)
    assert (modest.state, slow.made) == (JobState.WAITING, made), "it goes on when nobody waits, not between two"
    works[1].over.set()
    until(lambda: modest.state == JobState.RUNNING)
    until(lambda: slow.made == made + 1)
    slow.over.set()
    ended(modest)
    assert modest.result == made + 1 and queue.empty


def test_a_cancelled_job_ends_at_its_next_report_and_frees_the_queue() -> None:
    queue, endless = Queue(1), Steps()
    job, second = Job(endless, queue), Job(lambda _job: "next", queue)
    assert second.look().ahead == 1 and second.result is None
    job.cancel()
    assert job.state == JobState.STOPPED and not job.look().busy
    assert not ended(job).busy and job.result is None
    ended(second)
    assert second.result == "next"


def test_a_job_cancelled_in_the_queue_never_begins() -> None:
    queue, first, second = Queue(1), Steps(), Steps()
    running, skipped, last = Job(first, queue), Job(second, queue), Job(Steps(), queue)
    assert last.look().ahead == 2
    skipped.cancel()
    assert last.look().ahead == 1
    ended(skipped)
    running.cancel(), last.cancel()
    assert second.made == 0 and not second.left.is_set()


def test_a_cancelled_job_keeps_its_place_until_its_thread_has_left() -> None:
    queue, inside, go_on = Queue(1), threading.Event(), threading.Event()

    def stubborn(_job: Job[None]) -> None:
        inside.set()
        assert go_on.wait(LONG)

    job, second = Job(stubborn, queue), Job(Steps(), queue)
    assert inside.wait(LONG)
    job.cancel()
    assert second.look().ahead == 0 and second.state == JobState.WAITING, "nothing more is before it"
    go_on.set()
    until(lambda: second.state == JobState.RUNNING)
    second.cancel()


def test_a_job_that_nobody_looks_at_pauses_and_goes_on() -> None:
    clock, steps = Clock(), Steps()
    queue = Queue(1, clock)
    job = Job(steps, queue, patience=1.5)
    steps.step(3)
    until(lambda: steps.made == 3)
    clock.now += 1.6
    until(lambda: job.state == JobState.WAITING)
    made = steps.made
    steps.step(5)
    other = Job(lambda _job: "other", queue)
    ended(other)
    assert other.result == "other", "a paused job keeps no place"
    assert steps.made == made, "it worked unseen"
    now = job.look()
    assert now.state == JobState.RUNNING and now.seconds == pytest.approx(1.6), "the pause is not counted"
    until(lambda: steps.made == made + 5)
    steps.over.set()
    assert ended(job).state == JobState.DONE


def test_a_look_that_comes_late_finds_the_truth_and_the_old_place() -> None:
    clock, steps, between, late = Clock(), Steps(), Steps(), Steps()
    queue = Queue(1, clock)
    job = Job(steps, queue, patience=1.5)
    clock.now += 2
    until(lambda: job.state == JobState.WAITING)
    other = Job(between, queue)
    assert other.state == JobState.RUNNING
    last = Job(late, queue)
    now = job.look()
    assert (now.state, now.ahead) == (JobState.WAITING, 1), "not called running while another has its place"
    assert last.look().ahead == 2, "it came first"
    between.over.set()
    until(lambda: job.state == JobState.RUNNING)
    assert last.state == JobState.WAITING
    job.cancel(), last.cancel()


def test_a_job_that_waits_unseen_lets_others_pass() -> None:
    clock, works = Clock(), [Steps(), Steps(), Steps()]
    queue = Queue(1, clock)
    first, unseen, last = (Job(w, queue, p) for w, p in zip(works, (None, 1.5, None), strict=True))
    clock.now += 2
    works[0].over.set()
    until(lambda: last.state == JobState.RUNNING)
    assert unseen.state == JobState.WAITING and first.state == JobState.DONE
    last.cancel(), unseen.cancel()


def test_a_job_that_is_never_looked_at_again_stops_for_good() -> None:
    clock, steps = Clock(), Steps()
    job = Job(steps, Queue(1, clock), patience=1.5)
    clock.now += FORGET + 1
    until(lambda: job.state == JobState.STOPPED)
    assert ended(job).state == JobState.STOPPED and steps.left.is_set()


@pytest.mark.parametrize(
    ("error", "message", "logged"),
    [
        (InputError("too short"), "too short", False),
        (RuntimeError("secret"), "the measurement failed (RuntimeError)", True),
        (MemoryError(), "too little memory", False),
    ],
)
def test_a_job_says_why_it_failed(
    error: Exception, message: str, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_job: Job[None]) -> None:
        raise error

    now = ended(Job(broken, Queue(1), failure="the measurement failed ({error}): try again"))
    assert now.state == JobState.FAILED and message in now.message and "secret" not in now.message
    assert ("secret" in caplog.text) == logged, "the details are in the server's log"


def test_no_work_swallows_a_cancellation() -> None:
    def stubborn(job: Job[None]) -> None:
        while True:
            try:
                job.report("step", 0.1)
            except Exception:
                continue

    job = Job(stubborn, Queue(1))
    job.cancel()
    assert ended(job).state == JobState.STOPPED


def test_what_is_committed_comes_wholly_before_a_cancel_or_not_at_all() -> None:
    inside, go_on, seen = threading.Event(), threading.Event(), list[str]()

    def act() -> str:
        inside.set()
        assert go_on.wait(LONG)
        seen.append("finished")
        return "result"

    def work(job: Job[str]) -> str:
        job.commit(lambda: seen.append("committed"))
        return job.finish(act)

    job = Job(work, Queue(1))
    assert inside.wait(LONG)
    cancelling = threading.Thread(target=job.cancel)
    cancelling.start()
    go_on.set()
    cancelling.join(LONG)
    assert ended(job).state == JobState.DONE and job.result == "result", "the cancel came too late"
    assert seen == ["committed", "finished"]
    late = list[str]()

    def cancelled(job: Job[str]) -> str:
        job.cancel()
        with pytest.raises(Cancelled):
            job.commit(lambda: late.append("never"))
        return job.finish(lambda: late.append("never") or "never")

    stopped = Job(cancelled, Queue(1))
    assert ended(stopped).state == JobState.STOPPED and stopped.result is None and late == []


def test_a_job_uses_its_own_number_of_cores() -> None:
    cores = torch.get_num_threads()
    one, all_of_them = (Job(lambda _job: torch.get_num_threads(), Queue(1), cores=n) for n in (1, EVERY_CORE))
    ended(one), ended(all_of_them)
    assert (one.result, all_of_them.result) == (1, cores)


def test_those_that_have_begun_share_the_places_in_turn() -> None:
    clock, works = Clock(), [Steps() for _ in range(4)]
    queue = Queue(1, clock, sharing=3)
    jobs = [Job(work, queue) for work in works]
    until(lambda: [job.state for job in jobs] == [JobState.RUNNING] * 3 + [JobState.WAITING])
    assert [job.look().ahead for job in jobs] == [0, 0, 0, 1], "one must end before the fourth begins"
    for work in works:
        work.step(100)
    until(lambda: works[0].made == 100)
    assert [work.made for work in works] == [100, 0, 0, 0], "within its slice one works alone"
    order = []
    for _ in range(6):
        before = [work.made for work in works]
        for work in works:
            work.step()
        clock.now += 2 * SLICE
        until(lambda before=before: sum(w.made for w in works[:3]) > sum(before[:3]))  # type: ignore[misc]
        until(lambda: sum(job._works for job in jobs) == 1)
        order.append(next(i for i, job in enumerate(jobs) if job._works))
    assert order == [1, 2, 0, 1, 2, 0], "each in its turn"
    works[1].over.set()
    clock.now += 2 * SLICE
    until(lambda: jobs[3].state == JobState.RUNNING)
    for job in jobs:
        job.cancel()
        ended(job)
    assert queue.empty


def test_looks_that_come_late_make_the_queue_patient() -> None:
    clock, steps = Clock(), Steps()
    queue = Queue(1, clock)
    job = Job(steps, queue, patience=1.5)
    clock.now += 1.4
    job.look()
    clock.now += 4
    steps.step()
    until(lambda: steps.made == 1)
    assert job.state == JobState.RUNNING, "three times as late as the looks before is not yet gone"
    clock.now += 1
    until(lambda: job.state == JobState.WAITING)
    job.look()
    clock.now += LATE + 1
    until(lambda: job.state == JobState.WAITING)
    job.cancel()
