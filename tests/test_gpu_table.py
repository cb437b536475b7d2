"""README's table of a GPU is that of the run that is kept."""

import json
import sys

import pytest

from explorer import PROJECT

BENCHMARKS = PROJECT / "tests" / "benchmarks"


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found: dict[str, object] = json.loads((BENCHMARKS / "h100.json").read_text())
    return found


def test_readme_shows_what_was_measured(results: dict[str, object]) -> None:
    table = __import__("gpu_table").table(results)
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert table in readme, "python tests/benchmarks/gpu.py --table tests/benchmarks/h100.json"
    sys.modules.pop("gpu_table")


def test_costs_follow_the_rates(results: dict[str, object]) -> None:
    """Twice as fast a card takes half the hours; a 70B pair takes more than ten times a 7B pair of as many tokens."""
    module = __import__("gpu_table")
    before = dict(module.costs(results))
    card = results["card"]
    assert isinstance(card, dict)
    for kind in ("bfloat16_tflops", "float32_tflops"):
        card[kind] *= 2
    after = dict(module.costs(results))
    assert before and all(float(after[k]) == pytest.approx(float(v) / 2, rel=0.1) for k, v in before.items())
    small, large = (float(before[f"computed from this: GPU hours of a {n} pair, 200 M tokens"]) for n in ("7B", "70B"))
    assert large > 8 * small > 0
    sys.modules.pop("gpu_table")
