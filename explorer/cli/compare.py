"""Compare two reports of `check`: the verdicts, and every number of the sites that both have."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from explorer.number_text import bounds, number

if TYPE_CHECKING:
    from explorer.report import Difference

HELP = "compare two reports"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Two folders."""
    parser.add_argument("left", metavar="DIR", help="folder that check has written")
    parser.add_argument("right", metavar="DIR", help="another one")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")


def run(options: argparse.Namespace) -> int:
    """Print the comparison; 0 if the verdicts agree, 1 if not."""
    from explorer.files import encode, user_path
    from explorer.report import compare, read_report

    left, right = (read_report(user_path(p)) for p in (options.left, options.right))
    found = compare(left, right)
    if options.json:
        sys.stdout.buffer.write(encode({"left": options.left, "right": options.right, "differences": found}))
        return int(left.verdict != right.verdict)
    for side, report, where in (("left", left, options.left), ("right", right, options.right)):
        models = report.models
        print(f"{side}: {models.source.id} → {models.target.id}, {report.verdict} ({where})")
    rows = [(d, (d.name, *_cells(d), _word(d))) for d in found]
    numbers = [cells for d, cells in rows if not isinstance(d.left, str)]
    widths = [max(len(cells[i]) for cells in numbers) for i in range(3)]
    site = None
    for d, cells in rows:
        if d.site != site:
            site = d.site
            print(f"\n{_line((site or 'pair', 'left', 'right', ''), widths)}")
        print(_line(cells, widths))
    print("\napart: the 95 % intervals do not overlap. Numbers without an interval are not judged.")
    return int(left.verdict != right.verdict)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Cells in columns; words may be wider than theirs."""
    name, left, right, word = cells
    return f"{name:{widths[0]}}  {left:>{widths[1]}}  {right:>{widths[2]}}  {word}".rstrip()


def _cells(d: Difference) -> tuple[str, str]:
    """Both numbers, each with its interval."""
    return _cell(d.left, d.left_interval), _cell(d.right, d.right_interval)


def _cell(value: float | str | None, ends: tuple[float, float] | None) -> str:
    if not isinstance(value, float):
        return "n/a" if value is None else str(value)
    told = f" {bounds(*ends, 3)}" if ends is not None else ""
    return number(value, 3) + told


def _word(d: Difference) -> str:
    if not d.apart:
        return ""
    return "differs" if isinstance(d.left, str) else "apart"
