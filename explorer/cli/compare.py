"""Compare two reports of `check`: the verdicts, and every number of the sites that both have."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "compare two reports"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Two folders."""
    parser.add_argument("left", metavar="DIR", help="folder that check has written")
    parser.add_argument("right", metavar="DIR", help="another one")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")


def run(options: argparse.Namespace) -> int:
    """Print the comparison; 0 if the verdicts agree, 1 if not."""
    from explorer.files import encode
    from explorer.report import compare, read_report

    left, right = (read_report(Path(p).expanduser()) for p in (options.left, options.right))
    found = compare(left, right)
    if options.json:
        sys.stdout.buffer.write(encode({"left": options.left, "right": options.right, "differences": found}))
        return int(left.verdict != right.verdict)
    for side, report, where in (("left", left, options.left), ("right", right, options.right)):
        models = report.models
        print(f"{side}: {models.source.id} → {models.target.id}, {report.verdict} ({where})")
    site = None
    for d in found:
        if d.site != site:
            site = d.site
            print(f"\n{site or 'pair'}\n{'':30}{'left':>14}{'right':>14}")
        print(f"{d.name:30}{_cell(d.left):>14}{_cell(d.right):>14}{'  apart' if d.apart else ''}")
    return int(left.verdict != right.verdict)


def _cell(value: float | str | None) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "n/a" if value is None else str(value)
