"""A report takes the place of the old one whole, beside what else lies there; what fails leaves the old one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.cli import command_line as cli
from explorer.pipeline.check_outputs import OUTPUTS, _beside, sweep_outputs

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, text: str) -> None:
    with _beside(folder) as new:
        for name in OUTPUTS:
            (new / name).write_text(text)


def told(folder: Path) -> set[str]:
    return {(folder / name).read_text() for name in OUTPUTS}


def test_a_new_report_replaces_the_old_and_keeps_what_else_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "old")
    (out / "notes").mkdir()
    (out / "notes" / "log.txt").write_text("mine")
    (out / "link").symlink_to("nowhere")
    before = (out / "notes" / "log.txt").stat().st_ino
    write(out, "new")
    assert told(out) == {"new"} and (out / "notes" / "log.txt").stat().st_ino == before
    assert os.readlink(out / "link") == "nowhere" and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_fails_leaves_the_old_report_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(OSError, match="full"), _beside(out) as new:
        (new / OUTPUTS[0]).write_text("new")
        raise OSError("full")
    assert told(out) == {"old"} and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_where_somebody_stands_the_folder_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "out", "old")
    monkeypatch.chdir(tmp_path / "out")
    before = Path.cwd().stat().st_ino
    write(Path.cwd(), "new")
    assert told(tmp_path / "out") == {"new"} and Path.cwd().stat().st_ino == before
    assert sorted(p.name for p in Path.cwd().iterdir()) == sorted(OUTPUTS)


def test_what_a_killed_check_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    left, other = tmp_path / ".unfinished-out-0123", tmp_path / ".unfinished-other-0123"
    left.mkdir(), other.mkdir()
    sweep_outputs(tmp_path / "out")
    assert not left.exists() and other.exists()


@pytest.mark.parametrize("file", ["config.json", "study.json", "cfg.json"])
def test_a_folder_that_is_something_else_is_refused(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / file).write_text("{}")
    assert cli.main(["check", "a", "b", "--out", str(tmp_path)]) == 2
    assert f"it holds {file}" in capsys.readouterr().err and [p.name for p in tmp_path.iterdir()] == [file]


@pytest.mark.slow
def test_killed_checks_are_run_again_to_the_same_bytes() -> None:
    ran = subprocess.run([sys.executable, "-m", "tests.faults.kills", "3"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
