"""The table of benchmarks: `make bench` runs all of `MODULES` and writes bench.json and README's table from it.

A module of this folder joins by its name in `MODULES` and a function `rows() -> list[Row]`. Each runs in a process of
its own, one after the other: one that fails or is not there costs only its own lines, which are kept as they were.
`bench.py NAME …` runs some modules only.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(HERE)]

from rows import Row

MODULES = {
    "verdict": 300,
    "steps": 300,
    "measuring": 420,
    "sae_speed": 120,
    "steering": 120,
    "decompositions": 60,
    "processes": 420,
    "startup": 120,
    "clicks": 600,
}
"""Modules in the order of the table, each with the seconds that it may take."""
RESULTS, README = HERE / "bench.json", ROOT / "README.md"
FIRST, LAST = "<!-- bench -->", "<!-- /bench -->"


def machine() -> str:
    """What is measured on: processor, how many, torch."""
    found = Path("/proc/cpuinfo")
    names = [line for line in found.read_text().splitlines() if line.startswith("model name")] if found.exists() else []
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    import torch

    return f"{name}, {os.cpu_count()} processors, torch {torch.__version__}"


def measured(name: str, seconds: float) -> list[dict[str, Any]] | str:
    """The rows of one module, run in a process of its own; or why there are none."""
    if not (HERE / f"{name}.py").exists():
        return "not there"
    order = [sys.executable, __file__, "--rows", name]
    try:
        ran = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"more than {seconds:.0f} s"
    if ran.returncode:
        return (ran.stderr.strip().splitlines() or ["no word"])[-1][:300]
    return list(json.loads(ran.stdout.strip().splitlines()[-1]))


def run(names: list[str]) -> dict[str, Any]:
    """Everything that was measured now, beside what is known of the other modules; kept after each module."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"modules": {}}
    here, when = machine(), date.today().isoformat()
    # Half a processor that is busy with something else makes times on the wall unsure.
    load = os.getloadavg()[0]
    busy = round(load, 1) if load > 0.5 else 0
    for name in names:
        began = time.monotonic()
        rows = measured(name, MODULES[name])
        told = rows if isinstance(rows, str) else f"{len(rows)} lines"
        print(f"{name:15} {time.monotonic() - began:6.0f} s  {told}", flush=True)
        if not isinstance(rows, str):
            known["modules"][name] = {"machine": here, "date": when, "load": busy, "rows": rows}
            RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return known


def table(results: dict[str, Any]) -> str:
    """Markdown: a line for each row, and under it on which machine and when each module ran."""
    if not results["modules"]:
        return "Nothing is measured yet."
    lines = ["| what | aim | measured | spread | |", "|---|---|---|---|---|"]
    told: dict[str, list[str]] = {}
    for name in (n for n in MODULES if n in results["modules"]):
        module = results["modules"][name]
        for one in module["rows"]:
            row = Row(**{k: v for k, v in one.items() if k not in ("ratios", "value")}, ratios=tuple(one["ratios"]))
            lines.append("| " + " | ".join(row.cells) + " |")
        busy = f", beside other work (load {module['load']})" if module["load"] else ""
        told.setdefault(f"{module['machine']}, {module['date']}{busy}", []).append(name)
    where = "; ".join(f"{', '.join(names)}: {words}" for words, names in told.items())
    return "\n".join([*lines, "", f"Measured by {where}."])


def render(text: str, results: dict[str, Any]) -> str:
    """README with the table in its place."""
    before, rest = text.split(FIRST)
    return f"{before}{FIRST}\n{table(results)}\n{LAST}{rest.split(LAST)[1]}"


def main(arguments: list[str]) -> None:
    """Run, write bench.json and README."""
    if arguments[:1] == ["--rows"]:
        from dataclasses import asdict

        print(json.dumps([asdict(row) for row in import_module(arguments[1]).rows()]))
        return
    results = run(arguments or list(MODULES))
    README.write_text(render(README.read_text(encoding="utf-8"), results), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main(sys.argv[1:])
