"""README's table of benchmarks is that of the run that is kept, and its lines say what was measured."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from explorer import PROJECT

BENCHMARKS = PROJECT / "tests" / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return __import__("bench")


def test_readme_shows_what_was_measured(bench: ModuleType) -> None:
    results = json.loads((BENCHMARKS / "bench.json").read_text(encoding="utf-8"))
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert bench.render(text, results) == text, "python tests/benchmarks/bench.py"
    lines = sum(len(module["rows"]) for module in results["modules"].values())
    assert text.count("| met |") + text.count("| missed by ") == lines


def test_a_line_says_by_how_much_an_aim_is_missed(bench: ModuleType) -> None:
    row = bench.Row("lanes over one", 1.7, (2.04, 1.9, 2.1))
    assert row.cells == ("lanes over one", "≤ 1.7", "2.04", "1.9 … 2.1", "missed by 20%")
    assert bench.Row("rate", 1.5, (3.0,), at_least=True, note="busy").cells == ("rate (busy)", "≥ 1.5", "3", "–", "met")
    assert bench.Row("rate", 2.0, (1.5,), at_least=True).verdict == "missed by 25%"


def test_a_module_that_fails_keeps_what_was_known(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, Any] = {"machine": "m", "date": "d", "load": 0, "rows": []}
    (tmp_path / "bench.json").write_text(json.dumps({"modules": {"steering": found}}))
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "bench.json")
    monkeypatch.setattr(bench, "measured", lambda name, _seconds: "broken" if name == "steering" else [])
    modules = bench.run(["steering", "measuring"])["modules"]
    assert modules["steering"] == found
    assert modules["measuring"]["rows"] == []
