"""The command line: bad input is one line on stderr and exit 2, and writes nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from explorer import __version__
from explorer.cli import command_line as cli
from explorer.study import library


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "one"], "--seeds 'one': give whole numbers separated by commas, e.g. 0,1"),
        (["--seeds", "-1,0"], "seeds are 0 or more"),
        (["--seeds", ""], "give whole numbers"),
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
