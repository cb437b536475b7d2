"""The command line: bad input is one line on stderr and exit 2, and writes nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import __version__
from explorer.cli import command_line as cli
from explorer.errors import InputError
from explorer.study import library


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "one"], "--seeds 'one': give whole numbers separated by commas, e.g. 0,1"),
        (["--seeds", "-1,0"], "seeds are 0 or more"),
        (["--seeds", ""], "give whole numbers"),
        (["--seeds", f"0,{2**31}"], "seeds are 0 or more, at most 2147483647"),
        (["--device", "tpu"], "--device 'tpu': auto, cpu, cuda or mps"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    separated = [f"{arguments[0]}={arguments[1]}"]
    assert cli.main(["train", "tales", "--out", str(tmp_path / "out"), *separated]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert message in told.err
    assert not (tmp_path / "out").exists(), "exit 2 writes nothing"


@pytest.mark.parametrize("arguments", [["chekc"], ["train", "novels"], ["train"], ["studies", "--all"]])
def test_a_wrong_call_is_one_line_too(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert "--help)" in told.err


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            cli.main([name, "--help"])
        assert f"python -m explorer {name}" in capsys.readouterr().out


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.main(["train", "tales", "--out", str(tmp_path)]) == 2
    assert "is not empty: add --resume" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_study_needs_two_seeds_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from explorer.training.tales import models

    def trained(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(models, "make_models", trained)
    for seeds in ("1,2", "0"):
        assert cli.main(["train", "tales", "--seeds", seeds, "--out", str(tmp_path / "out")]) == 2
        assert "a study needs seed 0 and at least one other" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_studies_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_study import example, write

    monkeypatch.setattr(library, "SHIPPED", tmp_path)
    write(tmp_path / "tales", example())
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    mine = write(library.studies_folder() / "my-pair" / "study", example())
    assert cli.main(["studies"]) == 0
    shipped, own = capsys.readouterr().out.splitlines()
    assert shipped == f"tales\tA study of mine\t{tmp_path / 'tales'}"
    assert own == f"my-pair\tA study of mine\t{mine}"


def test_the_module_runs() -> None:
    command = [sys.executable, "-m", "explorer", "--version"]
    ran = subprocess.run(command, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == __version__


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a call is refused."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    return err


def test_a_fault_of_the_program_is_one_line_that_says_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[str]:
        raise KeyError("offset_mapping\nand more")

    monkeypatch.setattr("explorer.study.shipped_studies", broken)
    line = told(["studies"], capsys)
    assert re.search(r"a fault of this program \(explorer/cli/studies.py:\d+\), please report it: KeyError: ", line)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "too little memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "too little memory"),
        (
            OSError(28, "No space left on device", "/full/report.json"),
            "'/full/report.json': the disk, or your share of it, is full",
        ),
        (InputError("two\nlines"), "error: two lines"),
    ],
)
def test_what_the_machine_lacks_is_said_in_words(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[str]:
        raise error

    monkeypatch.setattr("explorer.study.shipped_studies", broken)
    line = told(["studies"], capsys)
    assert words in line
    assert "fault of this program" not in line


CALLS = {
    "check": ["check", "nowhere", "nothing"],
    "several": ["check", "nowhere", "nothing", "nil"],
    "transfer": ["transfer", "none", "--site", "1", "--source", "a", "--target", "b", "--sae", "c"],
    "train": ["train", "tales"],
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("place", ["file", "file/below", "link", "x" * 300, "/proc/nobody/out", "~nobody-at-all/out"])
def test_where_nothing_can_be_written_is_found_before_any_work(
    call: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    out = place if place[0] in "/~" else str(tmp_path / place)
    line = told([*CALLS[call], "--out", out], capsys)
    assert "--out" in line
    assert "name a" in line
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "link"]


def test_each_of_several_targets_needs_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nil").write_text("mine")
    assert "'" + str(tmp_path / "nil") + "' is a file" in told([*CALLS["several"], "--out", str(tmp_path)], capsys)


def test_an_argument_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = told(["check", "a\udcff", "b", "--out", str(tmp_path / "out")], capsys)
    assert r"the argument 'a\udcff' is not UTF-8" in line


@pytest.mark.parametrize("seed", [-1, 2**31, 10**20])
def test_seeds_of_a_check_are_those_that_every_generator_takes(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told(["check", "a", "b", f"--seed={seed}", "--out", str(tmp_path / "out")], capsys)
    assert f"--seed {seed}: give 0 to 2147483647" in line


def test_json_too_deep_to_read_is_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("report.json", "study.json"):
        (tmp_path / name).write_text("[" * 100_000)
    assert "report.json' is damaged" in told(["compare", str(tmp_path), str(tmp_path)], capsys)
    assert "study.json' is damaged" in told(["preflight", str(tmp_path)], capsys)


def test_a_home_that_nobody_has_is_no_fault_of_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert "there is no folder '~nobody-at-all/a'" in told(["check", "~nobody-at-all/a", "b", *out], capsys)
    assert "there is no study '~nobody-at-all'" in told(["preflight", "~nobody-at-all"], capsys)
