"""The queue of checks: one at a time, one for each visitor, found again, cancelled without a trace, failed calmly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.check_queue import CheckQueue, Job, Progress, Report, Stage, Work, time_left
from explorer.errors import InputError
from explorer.files import write_json
from explorer.studies import own_names
from explorer.study import SCHEMA, StudyFile, studies_folder
from explorer.study_text import TextEntry

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))


def write_study(folder: Path) -> None:
    file = StudyFile(SCHEMA, "?", "title", 8, 1, (), (), TextEntry("file", "text.jsonl", 0, 8), (), {}, {})
    write_json(folder / "study" / "study.json", file)


class Gate:
    """Work that reports in small steps and waits for the test to let it end."""

    def __init__(self, then: Callable[[Path], None] = write_study) -> None:
        self.open, self.entered, self.left, self.then = threading.Event(), threading.Event(), threading.Event(), then

    def __call__(self, folder: Path, report: Report) -> None:
        try:
            self.entered.set()
            (folder / "half").write_text("written")
            while not self.open.wait(0.005):
                report("halfway", 0.5)
            report("nearly there", 0.25)
            self.then(folder)
        finally:
            self.left.set()


def until(queue: CheckQueue, job: Job, *stages: Stage) -> Progress:
    end = time.monotonic() + PATIENCE
    while (now := queue.progress(job)).stage not in stages:
        assert time.monotonic() < end, now
        time.sleep(0.005)
    return now


def folders() -> list[str]:
    return sorted(p.name for p in studies_folder().iterdir()) if studies_folder().is_dir() else []


def gone(count: int) -> None:
    """Wait until the worker has swept up."""
    end = time.monotonic() + PATIENCE
    while len(folders()) > count:
        assert time.monotonic() < end, folders()
        time.sleep(0.005)


def test_two_visitors_take_turns_and_each_finds_their_own() -> None:
    queue, one, two = CheckQueue(), Gate(), Gate()
    first = queue.submit("ann", "A → B", one, "ab")
    second = queue.submit("ben", "C → D", two, "cd")
    assert one.entered.wait(PATIENCE)
    waiting = queue.progress(second)
    assert waiting.stage == Stage.QUEUED and waiting.ahead == 1 and not two.entered.is_set()
    assert queue.find("ann") is first and queue.find("ben") is second and queue.find("cleo") is None
    with pytest.raises(InputError, match="your check of A → B is not over"):
        queue.submit("ann", "E → F", Gate(), "ef")
    one.open.set()
    done = until(queue, first, Stage.DONE)
    assert done.study == "ab" and done.share == 1.0 and not done.busy
    assert two.entered.wait(PATIENCE) and queue.progress(second).ahead == 0
    two.open.set()
    assert until(queue, second, Stage.DONE).study == "cd"
    assert folders() == own_names() == ["ab", "cd"]
    assert queue.find("ann") is first, "it is found again after it ended"
    queue.dismiss(first)
    assert queue.find("ann") is None
    again = Gate()
    again.open.set()
    assert until(queue, queue.submit("ann", "A → B", again, "ab"), Stage.DONE).study == "ab-2"


def test_progress_has_a_step_and_never_falls() -> None:
    queue, gate = CheckQueue(), Gate()
    job = queue.submit("ann", "A → B", gate, "ab")
    end = time.monotonic() + PATIENCE
    while queue.progress(job).share < 0.5 and time.monotonic() < end:
        time.sleep(0.005)
    now = queue.progress(job)
    assert (now.stage, now.step, now.share) == (Stage.RUNNING, "halfway", 0.5) and now.seconds > 0
    gate.open.set()
    assert until(queue, job, Stage.DONE).step == "nearly there"


def test_the_time_left_follows_the_pace_and_is_not_told_when_overtaken() -> None:
    assert time_left(60, 0.25, 60, None) == 180, "as fast as so far"
    assert time_left(70, 0.25, 60, 1000) == 170, "time passes while the share stands"
    assert time_left(240, 0.25, 60, None) is None, "overtaken"
    assert time_left(10, 0.01, 9, 100) == 90, "at first what was expected"
    assert time_left(10, 0.01, 9, None) is None and time_left(200, 0.01, 9, 100) is None


def test_cancelling_ends_the_work_and_leaves_nothing() -> None:
    queue, gate, next_one = CheckQueue(), Gate(), Gate()
    job = queue.submit("ann", "A → B", gate, "ab")
    waiting = queue.submit("ben", "C → D", next_one, "cd")
    assert gate.entered.wait(PATIENCE)
    began = time.monotonic()
    queue.cancel(job)
    assert queue.progress(job).stage == Stage.CANCELLED, "at once, for the visitor"
    assert gate.left.wait(PATIENCE) and time.monotonic() - began < 2, "and soon in the thread"
    assert next_one.entered.wait(PATIENCE)
    queue.cancel(waiting)
    assert next_one.left.wait(PATIENCE)
    gone(0)
    assert own_names() == []
    fresh = Gate()
    fresh.open.set()
    assert until(queue, queue.submit("ann", "A → B", fresh, "ab"), Stage.DONE).study == "ab"
    queue.cancel(job)
    assert own_names() == ["ab"], "cancelling what is over changes nothing"


def test_a_job_cancelled_in_the_queue_never_begins() -> None:
    queue, first, second, third = CheckQueue(), Gate(), Gate(), Gate()
    queue.submit("ann", "1", first, "one")
    skipped = queue.submit("ben", "2", second, "two")
    last = queue.submit("cleo", "3", third, "three")
    assert first.entered.wait(PATIENCE) and queue.progress(last).ahead == 2
    queue.cancel(skipped)
    assert queue.progress(last).ahead == 1
    third.open.set(), first.open.set()
    assert until(queue, last, Stage.DONE).study == "three"
    assert not second.entered.is_set()


def _refuse(_folder: Path) -> None:
    raise InputError("widths differ: 8 and 16")


def _crash(_folder: Path) -> None:
    raise KeyError("secret detail")


def _exhaust(_folder: Path) -> None:
    raise MemoryError


def _write_nothing(_folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("then", "message", "logged"),
    [
        (_refuse, "widths differ: 8 and 16", False),
        (_crash, "the check failed (KeyError)", True),
        (_exhaust, "too little memory", False),
        (_write_nothing, "there is no study", False),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(
    then: Callable[[Path], None], message: str, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    queue, gate = CheckQueue(), Gate(then)
    gate.open.set()
    job = queue.submit("ann", "A → B", gate, "ab")
    failed = until(queue, job, Stage.FAILED)
    assert message in failed.message and "\n" not in failed.message and "secret" not in failed.message
    assert ("secret detail" in caplog.text) == logged, "the details are in the server's log"
    gone(0)
    after = Gate()
    after.open.set()
    assert until(queue, queue.submit("ann", "A → B", after, "ab"), Stage.DONE).study == "ab", "the worker lives on"


def test_no_work_swallows_a_cancellation() -> None:
    def stubborn(folder: Path, report: Report) -> None:
        while True:
            try:
                report("step", 0.1)
            except Exception:
                continue
            time.sleep(0.002)

    queue = CheckQueue()
    work: Work = stubborn
    job = queue.submit("ann", "A → B", work, "ab")
    until(queue, job, Stage.RUNNING)
    queue.cancel(job)
    gate = Gate()
    gate.open.set()
    assert until(queue, queue.submit("ben", "C → D", gate, "cd"), Stage.DONE).study == "cd"
