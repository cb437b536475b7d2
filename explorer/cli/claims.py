"""The claims of the paper beside a study, and beside the result files of the paper's own replication.

With --paper, a line for each number and site: what the paper says, what its release bundle holds, what the study
measures.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from explorer.number_text import number

if TYPE_CHECKING:
    from explorer.narrative import BundleTable

HELP = "the paper's claims beside a study, and beside the paper's release bundle"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The bundle and the study."""
    parser.add_argument(
        "--paper",
        metavar="BUNDLE",
        help="release bundle of the paper's replication: a folder, zip or tar.gz (without: the claims alone)",
    )
    parser.add_argument("--study", help="folder or name of a study (default: the first that is shipped)")
    parser.add_argument("--source", help="its source (default: the first)")
    parser.add_argument("--target", help="its target (default: the first)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")


def run(options: argparse.Namespace) -> int:
    """Print the table; 0 unless the input is bad."""
    from explorer.errors import InputError
    from explorer.files import encode
    from explorer.narrative import TOY, compare_bundle, read_bundle, read_claims, read_on
    from explorer.study import open_study, shipped_studies

    bundle = None if options.paper is None else read_bundle(options.paper)
    study = open_study(options.study or shipped_studies()[0])
    source = options.source or study.sources()[0]
    if source not in study.sources():
        raise InputError(f"--source '{source}': the study has {', '.join(study.sources())}")
    target = options.target or study.targets(source)[0]
    if target not in study.targets(source):
        raise InputError(f"--target '{target}': {source} is measured with {', '.join(study.targets(source))}")
    toy = open_study(TOY) if TOY in shipped_studies() else None
    if bundle is None:
        readings = read_claims(study, source, target, 0, toy)
        if options.json:
            found = [
                {"claim": r.claim.name, "paper": r.claim.paper, "ours": r.ours, "agreement": r.agreement.value,
                 "control": r.control} for r in readings
            ]  # fmt: skip
            sys.stdout.buffer.write(encode({"study": study.file.name, "claims": found}))
            return 0
        for r in readings:
            print(f"{r.claim.title} ({r.agreement.value})\n  paper: {r.claim.paper}\n  ours:  {r.ours} {r.control}")
        return 0
    table = compare_bundle(bundle, study, source, target, toy)
    if options.json:
        told = {"study": study.file.name, "rows": table.rows, "notes": table.notes, "lacks": table.lacks}
        sys.stdout.buffer.write(encode(told))
        return 0
    print(read_on(study, source, target, 0, toy) + "\n")
    print("\n".join(_lines(table)) + "\n")
    for line in (*table.notes, *table.lacks):
        print(f"{line[0].upper()}{line[1:]}.")
    return 0


def _lines(table: BundleTable) -> list[str]:
    """The rows in columns, under a heading for each number."""
    lines: list[str] = []
    cells = [(row.site, _numbers(row.bundle), _numbers(row.ours)) for row in table.rows]
    widths = [max(len(text) for text in column) for column in zip(("site", "bundle", "ours"), *cells, strict=True)]
    heading = ""
    for row, texts in zip(table.rows, cells, strict=True):
        if (now := f"{row.claim}: {row.what}; paper {row.paper}") != heading:
            heading = now
            head = ("site", "bundle", "ours")
            lines += ["", heading, "  " + "  ".join(t.ljust(w) for t, w in zip(head, widths, strict=True)).rstrip()]
        lines.append("  " + "  ".join(t.ljust(w) for t, w in zip(texts, widths, strict=True)).rstrip())
    return lines[1:]


def _numbers(values: tuple[float, ...]) -> str:
    """The mean, with the range where there are several; a dash where there is none."""
    if not values:
        return "–"
    mean, low, high = (number(v) for v in (sum(values) / len(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"
