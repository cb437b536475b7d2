"""`check` by several processes from the command line: the report of one, one line where one is gone, bfloat16."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from test_ranks import assert_equal

from explorer import PROJECT

OUTPUTS = ["report.html", "report.json", "rotations.safetensors", "sites.csv", "study"]
UNLIKE = ("seconds", "date", "command", "versions")
"""What differs between two runs of the same check."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """Two tiny Llama folders and a text."""
    root = tmp_path_factory.mktemp("check")
    for name, seed in (("a", 0), ("b", 1)):
        tiny.save("llama", tokenizer, root / name, seed)
    (root / "tales.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in tiny.stories(9000)))
    return root


FEW = ("--tokens", "9000")
SOME = ("--sites", "1,3")
"""Where two sites tell what all would."""


def check(
    place: Path, out: str, *more: str, before: tuple[str, ...] = (), target: str = "b", text: tuple[str, ...] = FEW
) -> subprocess.Popen[str]:
    """A check that has begun, with a cache of its own."""
    pair = [
        "check",
        str(place / "a"),
        str(place / target),
        "--out",
        str(place / out),
        "--text",
        str(place / "tales.jsonl"),
    ]
    small = [*text, "--context", "32", "--device", "cpu", "--sae", "none"]
    return subprocess.Popen(
        [sys.executable, *before, "-m", "explorer", *pair, *small, *more],
        cwd=PROJECT,
        env={**os.environ, "EXPLORER_CACHE": str(place / f"cache {out}"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report(place: Path, out: str) -> dict[str, Any]:
    assert sorted(p.name for p in (place / out).iterdir()) == OUTPUTS
    found = json.loads((place / out / "report.json").read_text())
    return {key: value for key, value in found.items() if key not in UNLIKE}


def some(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What a report says of the sites that are SOME."""
    return [report["sites"][int(i)] for i in SOME[1].split(",")]


@pytest.fixture(scope="module")
def said(place: Path) -> str:
    """What the check of one process prints; its report lies in "one"."""
    one = check(place, "one")
    out = one.communicate(timeout=280)[0]
    assert one.returncode == 1
    return out


@pytest.mark.slow
def test_several_processes_write_the_report_of_one(place: Path, said: str) -> None:
    several = check(place, "two", "--processes", "2")
    assert several.communicate(timeout=280)[0].replace("/two/", "/one/") == said
    assert several.returncode == 1
    assert_equal(report(place, "one"), report(place, "two"), 1e-5)


@pytest.mark.slow
def test_several_processes_stop_reading_where_the_verdict_is_settled(place: Path) -> None:
    grown = check(place, "grown", "--processes", "2", target="a", text=())
    out, error = grown.communicate(timeout=280)
    assert grown.returncode == 0, error
    found = report(place, "grown")
    assert found["verdict"] == "shared basis"
    assert found["read"]["tokens"] < found["read"]["of"]
    assert found["reading"] in out


@pytest.mark.slow
def test_torchrun_starts_them_too(place: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d")
    two = check(place, "launched", *SOME, before=(*launcher, "--rdzv-endpoint", "localhost:0"))
    out, error = two.communicate(timeout=280)
    assert two.returncode == 0, error
    assert out.count("next: ") == 1
    assert report(place, "launched")["rows"]["fit"] > 0


@pytest.mark.slow
def test_models_may_be_split_instead_of_the_text(place: Path, said: str) -> None:
    run = check(place, "split", "--processes", "2", "--split-models", *SOME)
    assert run.communicate(timeout=280)[0].count("next: ") == said.count("next: ")
    assert run.returncode == 1
    first, second = report(place, "one"), report(place, "split")
    assert any("split between 2 processes" in note for note in second["notes"])
    for a, b in zip(some(first), second["sites"], strict=True):
        assert_equal({"ev": a["ev"], "stitch": a["stitch"]}, {"ev": b["ev"], "stitch": b["stitch"]}, 1e-4)
        assert a["verdict"] == b["verdict"]


@pytest.mark.slow
def test_bad_input_is_one_line_of_all_processes(place: Path) -> None:
    ran = check(place, "bad", "--sites", "9", "--processes", "2")
    out, error = ran.communicate(timeout=120)
    assert (ran.returncode, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (place / "bad").exists()


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_with_one_line(place: Path) -> None:
    run = check(place, "killed", "--processes", "2")
    assert run.stderr is not None
    for line in run.stderr:
        if "null: untrained" in line:
            break
    started = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    ranks = {Path(f"/proc/{p}/environ").read_bytes().split(b"\0RANK=")[1][:1]: int(p) for p in started}
    os.kill(ranks[b"1"], signal.SIGKILL)
    error = run.stderr.read()
    assert run.wait(timeout=120) == 2
    assert "Traceback" not in error
    assert [line for line in error.splitlines() if line.startswith("error: ")] == [error.splitlines()[-1]]
    assert "process 2 of 2 ended by signal 9" in error
    assert not (place / "killed").exists()
    assert not list((place / "cache killed").rglob("*.partial"))


@pytest.mark.slow
def test_bfloat16_passes_give_nearly_the_same_maps_and_say_how_nearly(place: Path, said: str) -> None:
    low = check(place, "low", "--dtype", "bfloat16", *SOME)
    assert low.communicate(timeout=280)[0].count("next: ") == said.count("next: ")
    found = report(place, "low")
    note = next(note for note in found["notes"] if "bfloat16" in note)
    assert "EV of R differs by at most 0.0" in note
    pairs = zip(some(report(place, "one")), found["sites"], strict=True)
    differences = [abs(a["ev"]["orthogonal"] - b["ev"]["orthogonal"]) for a, b in pairs]
    assert 0 < max(differences) < 0.05
