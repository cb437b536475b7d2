"""Folders that are not finished are held by their process, and swept when it is gone; two folders change places."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from background import until

from explorer.files import PARTIAL, replacing
from explorer.unfinished import exchange, make_unfinished, sweep, sweep_files

ROOT = Path(__file__).resolve().parents[1]
CHILD = "import sys, time; from pathlib import Path; from explorer.unfinished import make_unfinished\n"
CHILD += "print(make_unfinished(Path(sys.argv[1]), '.unfinished-'), flush=True); time.sleep(600)"


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_makes_is_not(tmp_path: Path) -> None:
    mine = make_unfinished(tmp_path, ".unfinished-")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    theirs = Path(child.stdout.readline().strip())
    (theirs / "file").write_text("half")
    sweep(tmp_path, ".unfinished-")
    assert mine.is_dir() and theirs.is_dir()
    child.kill()
    child.wait()
    until(lambda: sweep(tmp_path, ".unfinished-") or not theirs.exists())
    assert mine.is_dir()


def test_partial_files_of_processes_that_are_gone_are_swept(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, mine = tmp_path / f"a.json.{gone.pid}.1{PARTIAL}", tmp_path / f"a.json.{os.getpid()}.1{PARTIAL}"
    other = tmp_path / f"a.json{PARTIAL}"
    for path in (left, mine, other):
        path.write_text("half")
    sweep_files(tmp_path, PARTIAL)
    assert not left.exists() and mine.exists() and other.exists()


@pytest.mark.parametrize("system", [True, False])
def test_two_folders_change_places(tmp_path: Path, system: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not system:
        monkeypatch.setattr(sys, "platform", "another")
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    exchange(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name / "file").read_text() for name in "ab"] == ["b", "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with replacing(tmp_path / "folder") as partial:
            partial.mkdir()
            (partial / text).write_text(text)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "new"]
