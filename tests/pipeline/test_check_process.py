"""A check in a process of its own writes what it writes here, tells what it tells, and ends at its limits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny

from explorer.errors import InputError
from explorer.jobs import Cancelled
from explorer.pipeline.check_form import CheckRequest
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.check_process import check_in_process
from explorer.pipeline.progress import CheckProgress
from explorer.policy import GB, PUBLIC

pytestmark = pytest.mark.slow


@pytest.fixture
def request_(tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> CheckRequest:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    for name, seed in (("a", 0), ("b", 1)):
        tiny.save("llama", tokenizer, tmp_path / name, seed)
    lines = [json.dumps({"text": text}) for text in tiny.stories(9000)]
    (tmp_path / "text.jsonl").write_text("\n".join(lines))
    options = CheckOptions(text=str(tmp_path / "text.jsonl"), sites="1", sae="none", tokens=9000, context=32)
    return CheckRequest(Checkpoint(str(tmp_path / "a")), Checkpoint(str(tmp_path / "b")), options)


def test_it_writes_the_report_and_tells_steps_plan_and_sites(request_: CheckRequest, tmp_path: Path) -> None:
    steps: list[str] = []
    progress = CheckProgress(lambda step, share: steps.append(step))
    check_in_process(request_, tmp_path / "out", progress, PUBLIC)
    assert (tmp_path / "out" / "report.json").is_file() and (tmp_path / "out" / "study" / "study.json").is_file()
    assert "writing the report" in steps and [site.label for site in progress.sites] == ["after 1"]


def test_too_little_memory_is_one_sentence(request_: CheckRequest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="memory"):
        check_in_process(request_, tmp_path / "out", CheckProgress(), replace(PUBLIC, check_bytes=GB // 2))
    assert not (tmp_path / "out").exists()


def test_too_little_time_is_one_sentence(request_: CheckRequest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="minutes"):
        check_in_process(request_, tmp_path / "out", CheckProgress(), replace(PUBLIC, check_seconds=1.0))
    assert not (tmp_path / "out").exists()


def test_a_cancel_ends_it(request_: CheckRequest, tmp_path: Path) -> None:
    def hear(step: str, share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        check_in_process(request_, tmp_path / "out", CheckProgress(hear), PUBLIC)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_assessed_is_said_as_ever(request_: CheckRequest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not assessable"):
        few = replace(request_, options=replace(request_.options, tokens=600))
        check_in_process(few, tmp_path / "out", CheckProgress(), PUBLIC)
