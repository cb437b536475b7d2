"""The queue of checks: one at a time, one for each visitor, found again, cancelled without a trace, failed calmly."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from background import LONG, until as wait_until

from explorer import PROJECT
from explorer.errors import InputError
from explorer.files import write_json
from explorer.jobs import JobState, Progress
from explorer.pipeline import check_queue
from explorer.pipeline.asked_checks import AskedCheck, forget, lost
from explorer.pipeline.check_form import Fields
from explorer.pipeline.check_queue import CheckJob, CheckQueue
from explorer.pipeline.progress import CheckProgress, PlannedPart
from explorer.progress import Report
from explorer.study.library import own_names, studies_folder
from explorer.study.schema import SCHEMA, ModelEntry, StudyFile
from explorer.study.study import Study
from explorer.text.documents import TextEntry


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))


MODEL = ModelEntry("A", "seed", "A", "models/A", "0" * 64, 0, 1.0)


def write_study(folder: Path) -> None:
    file = StudyFile(SCHEMA, "?", "title", 8, 1, (MODEL,), (), TextEntry("file", "text.jsonl", 1, 8), (), {}, {})
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


def until(check: CheckJob, state: JobState) -> Progress:
    wait_until(lambda: check.job.state == state)
    return check.job.look()


def study_of(check: CheckJob) -> str | None:
    until(check, JobState.DONE)
    return check.job.result


def folders() -> list[str]:
    return sorted(p.name for p in studies_folder().iterdir()) if studies_folder().is_dir() else []


def gone(count: int) -> None:
    """Wait until the worker has swept up."""
    wait_until(lambda: len(folders()) <= count)


def test_two_visitors_take_turns_and_each_finds_their_own() -> None:
    queue, one, two = CheckQueue(), Gate(), Gate()
    first = queue.submit("ann", "A → B", one, "ab")
    second = queue.submit("ben", "C → D", two, "cd")
    assert one.entered.wait(LONG)
    waiting = second.job.look()
    assert waiting.state == JobState.WAITING and waiting.ahead == 1 and not two.entered.is_set()
    assert queue.find("ann") is first and queue.find("ben") is second and queue.find("cleo") is None
    with pytest.raises(InputError, match="your check of A → B is not over"):
        queue.submit("ann", "E → F", Gate(), "ef")
    one.open.set()
    done = until(first, JobState.DONE)
    assert first.job.result == "ab" and done.share == 1.0 and not done.busy
    assert two.entered.wait(LONG) and second.job.look().ahead == 0
    two.open.set()
    assert study_of(second) == "cd"
    assert folders() == own_names() == ["ab", "cd"]
    assert queue.find("ann") is first, "it is found again after it ended"
    queue.dismiss(first)
    assert queue.find("ann") is None
    again = Gate()
    again.open.set()
    assert study_of(queue.submit("ann", "A → B", again, "ab")) == "ab-2"


def test_progress_has_a_step_and_never_falls() -> None:
    queue, gate = CheckQueue(), Gate()
    job = queue.submit("ann", "A → B", gate, "ab", [PlannedPart("halfway", 10.0)])
    assert job.progress.left is not None and job.progress.left > 1
    wait_until(lambda: job.job.look().share >= 0.5)
    now = job.job.look()
    assert (now.state, now.step, now.share) == (JobState.RUNNING, "halfway", 0.5) and now.seconds > 0
    gate.open.set()
    assert until(job, JobState.DONE).step == "nearly there"


def test_checks_of_others_are_known_to_those_behind_them() -> None:
    queue, gates = CheckQueue(), [Gate(), Gate()]
    assert queue.ahead() == []
    plans = [[PlannedPart("halfway", seconds)] for seconds in (100.0, 60.0)]
    first = queue.submit("ann", "A → B", gates[0], "ab", plans[0])
    second = queue.submit("ben", "C → D", gates[1], "cd", plans[1])
    assert queue.ahead(first) == [] and queue.ahead(second) == [first] and queue.ahead() == [first, second]
    wait_until(lambda: first.progress.share == 0.5)
    told = first.progress.left
    assert told is not None and told < 60 and second.progress.left == 60
    gates[0].open.set()
    until(first, JobState.DONE)
    assert queue.ahead(second) == [] and queue.ahead() == [second]
    gates[1].open.set()
    study_of(second)
    assert queue.ahead() == []


class Recorder:
    """Stands in for the recording of example texts: it reports until the test lets it write one."""

    def __init__(self) -> None:
        self.open, self.made = threading.Event(), 0

    def __call__(self, study: Study, report: Report) -> list[str]:
        while not self.open.wait(0.005):
            self.made += 1
            report("example text", 0.5)
        (study.folder / "story.json").write_text("{}")
        return ["A → B"]


def test_example_texts_follow_the_result_and_wait_for_other_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, queue, gate, late = Recorder(), CheckQueue(), Gate(), Gate()
    monkeypatch.setattr(check_queue, "record_study", recorder)
    gate.open.set()
    assert study_of(queue.submit("ann", "A → B", gate, "ab", recorded=True)) == "ab"
    wait_until(lambda: recorder.made > 3)
    (job,) = filter(None, [queue.recording("ab")])
    second = queue.submit("ann", "C → D", late, "cd")
    assert late.entered.wait(LONG) and job.state == JobState.WAITING and second.job.look().ahead == 0
    late.open.set()
    study_of(second)
    file = studies_folder() / "ab" / "study" / "study.json"
    before = file.stat().st_mtime_ns
    recorder.open.set()
    wait_until(lambda: job.state == JobState.DONE)
    assert (file.parent / "story.json").is_file()
    assert file.stat().st_mtime_ns > before, "pages that hold the study read it again"
    assert queue.recording("cd") is None, "it was not asked for"


def test_leaving_the_example_texts_out_leaves_the_result_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, queue, gate = Recorder(), CheckQueue(), Gate()
    monkeypatch.setattr(check_queue, "record_study", recorder)
    gate.open.set()
    assert study_of(queue.submit("ann", "A → B", gate, "ab", recorded=True)) == "ab"
    wait_until(lambda: recorder.made > 3)
    before = {path: path.read_bytes() for path in studies_folder().rglob("*") if path.is_file()}
    (job,) = filter(None, [queue.recording("ab")])
    job.cancel()
    wait_until(lambda: queue.empty)
    assert {path: path.read_bytes() for path in studies_folder().rglob("*") if path.is_file()} == before
    recorder.open.set()
    queue.record("ab")
    wait_until(lambda: queue.empty)
    assert (studies_folder() / "ab" / "study" / "story.json").is_file(), "it may be asked for later"


def test_cancelling_ends_the_work_and_leaves_nothing() -> None:
    queue, gate, next_one = CheckQueue(), Gate(), Gate()
    job = queue.submit("ann", "A → B", gate, "ab")
    waiting = queue.submit("ben", "C → D", next_one, "cd")
    assert gate.entered.wait(LONG)
    job.job.cancel()
    assert job.job.state == JobState.STOPPED, "at once, for the visitor"
    assert gate.left.wait(2), "and soon in the thread"
    assert next_one.entered.wait(LONG)
    waiting.job.cancel()
    assert next_one.left.wait(LONG)
    gone(0)
    assert own_names() == []
    fresh = Gate()
    fresh.open.set()
    assert study_of(queue.submit("ann", "A → B", fresh, "ab")) == "ab"
    job.job.cancel()
    assert own_names() == ["ab"], "cancelling what is over changes nothing"


def test_a_job_cancelled_in_the_queue_never_begins() -> None:
    queue, first, second, third = CheckQueue(), Gate(), Gate(), Gate()
    queue.submit("ann", "1", first, "one")
    skipped = queue.submit("ben", "2", second, "two")
    last = queue.submit("cleo", "3", third, "three")
    assert first.entered.wait(LONG) and last.job.look().ahead == 2
    skipped.job.cancel()
    assert last.job.look().ahead == 1
    third.open.set(), first.open.set()
    assert study_of(last) == "three"
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
    failed = until(job, JobState.FAILED)
    assert message in failed.message and "\n" not in failed.message and "secret" not in failed.message
    assert ("secret detail" in caplog.text) == logged, "the details are in the server's log"
    gone(0)
    after = Gate()
    after.open.set()
    assert study_of(queue.submit("ann", "A → B", after, "ab")) == "ab", "the queue lives on"


def test_a_full_queue_refuses_in_a_sentence_and_takes_the_next_when_one_has_ended() -> None:
    queue, gates = CheckQueue(most=2), [Gate() for _ in range(3)]
    first = queue.submit("ann", "A → B", gates[0], "ab")
    queue.submit("ben", "C → D", gates[1], "cd")
    with pytest.raises(InputError, match=r"^2 checks are under way or wait, as many as this app takes"):
        queue.submit("cleo", "E → F", gates[2], "ef")
    assert queue.find("cleo") is None
    first.job.cancel()
    last = queue.submit("cleo", "E → F", gates[2], "ef")
    gates[1].open.set(), gates[2].open.set()
    assert study_of(last) == "ef"


def test_a_check_that_waits_for_another_process_lets_others_pass_and_can_be_cancelled() -> None:
    queue, there, other = CheckQueue(), threading.Event(), Gate()

    def blocked(folder: Path, progress: CheckProgress) -> None:
        while not there.wait(0.005):
            progress.wait("waiting for the same check, which runs elsewhere")
        write_study(folder)

    first = queue.submit("ann", "A → B", blocked, "ab")
    wait_until(lambda: first.job.look().step.startswith("waiting"))
    assert first.job.state == JobState.RUNNING, "nobody else waits"
    second = queue.submit("ben", "C → D", other, "cd")
    assert other.entered.wait(LONG), "it is not held up"
    waiting = first.job.look()
    assert (waiting.state, waiting.ahead) == (JobState.WAITING, 1) and queue.ahead(first) == [second]
    assert queue.ahead(second) == []
    other.open.set()
    assert study_of(second) == "cd"
    wait_until(lambda: first.job.state == JobState.RUNNING)
    third = queue.submit("cleo", "E → F", Gate(), "ef")
    wait_until(lambda: first.job.state == JobState.WAITING)
    first.job.cancel()
    assert first.job.state == JobState.STOPPED and queue.ahead(third) == []
    third.job.cancel()
    wait_until(lambda: queue.empty)


FIELDS = Fields("a", "b", "", tokens=4096, sites="1")


def test_what_is_under_way_is_on_disk_until_it_ends() -> None:
    queue, gates = CheckQueue(), [Gate(), Gate(_refuse), Gate()]
    checks = [queue.submit(who, who, gate, who, fields=FIELDS) for who, gate in zip("abc", gates, strict=True)]
    records = studies_folder().parent / "asked"
    assert len(list(records.glob("*.json"))) == 3
    assert [lost(who) for who in "abc"] == [[], [], []], "their process is alive"
    checks[2].job.cancel()
    gates[0].open.set(), gates[1].open.set()
    wait_until(lambda: queue.empty)
    assert [c.job.state for c in checks] == [JobState.DONE, JobState.FAILED, JobState.STOPPED]
    assert list(records.iterdir()) == [], "however it ended"


KILLED = """
import sys, threading
from explorer.pipeline.check_form import Fields
from explorer.pipeline.check_queue import CheckQueue
queue, never, fields = CheckQueue(), threading.Event(), Fields("a", "b", "", tokens=4096, sites="1")
for who in ("ann", "ben"):
    queue.submit(who, "A → B", lambda folder, report: never.wait(), "ab", fields=fields)
print("asked", flush=True)
never.wait()
"""


def test_a_check_whose_app_was_killed_is_offered_to_its_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout is not None and process.stdout.readline() == "asked\n"
        assert lost("ann") == [], "it is under way there"
        process.kill()
    assert [each.visitor for each in lost("cleo")] == ["ann", "ben"], "on a laptop it is everybody's"
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    (found,) = lost("ann")
    assert found == AskedCheck("ann", "A → B", "ab", FIELDS) and lost("cleo") == []
    forget(found)
    assert lost("ann") == [] and [each.visitor for each in lost("ben")] == ["ben"]
    (studies_folder().parent / "asked" / "damaged.json").write_bytes(b"\xff{")
    assert len(lost("ben")) == 1
