"""Where the time of a check goes: the steps of one run on two shipped seeds, on text that grows.

`.venv/bin/python tests/benchmarks/steps.py [SOURCE TARGET]` prints seconds of each kind of step; `rows` gives what the
steering verdict costs beside everything else.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from rows import Row

from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.progress import CheckProgress
from explorer.pipeline.run_check import check
from explorer.study import SHIPPED

STEERING = ("contrasts in", "dose–response")
"""How the steps begin that make the steering verdict."""
PAIR = "seed0", "seed1"


def seconds(source: str, target: str) -> dict[str, float]:
    """Seconds of every step of a check of two models of the shipped study, nothing of it in the cache."""
    marks = [("", time.perf_counter())]
    models = SHIPPED / "tales" / "models"
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, EXPLORER_CACHE=f"{folder}/cache"):
        given = (Checkpoint(str(models / name)) for name in (source, target))
        progress = CheckProgress(lambda step, _share: marks.append((step, time.perf_counter())))
        check(*given, Path(folder) / "out", CheckOptions(sae="none"), "", progress)
    marks.append(("", time.perf_counter()))
    found: dict[str, float] = defaultdict(float)
    for (step, began), (_, ended) in pairwise(marks):
        found[step] += ended - began
    return dict(found)


def kinds(found: dict[str, float]) -> dict[str, float]:
    """The steps by how they begin: sites and models together."""
    sums: dict[str, float] = defaultdict(float)
    for step, took in found.items():
        sums[step.partition(" at ")[0].partition(" in ")[0]] += took
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def rows() -> list[Row]:
    """What the steering verdict costs beside all else of a check without a dictionary."""
    found = seconds(*PAIR)
    steering = sum(took for step, took in found.items() if step.startswith(STEERING))
    rest = sum(found.values()) - steering
    most = ", ".join(f"{step or 'beginning'} {took:.0f} s" for step, took in list(kinds(found).items())[:4])
    return [
        Row("steering verdict of a check without a dictionary, over all else of it", 1, (steering / rest,), note=most)
    ]


def main(names: list[str]) -> None:
    """Print the seconds of each kind of step."""
    for step, took in kinds(seconds(*(names or PAIR))).items():
        print(f"{took:7.1f}  {step or 'beginning'}")


if __name__ == "__main__":
    main(sys.argv[1:])
