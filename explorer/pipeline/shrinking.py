"""Make a measured study small enough to be shipped: what no page shows is left out of its files.

`python -m explorer.pipeline.shrinking STUDY` does it to a finished one; nothing is lost by doing it twice.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from explorer.files import encode_line, write_bytes
from explorer.study import CORRESPONDENCE, READINGS, RESPONSES, Study, open_study, shrink_maps, shrink_table

DIGITS = 5
"""Significant digits that are kept of a dose–response's numbers."""


def shrink_study(study: Study) -> None:
    """Shrink the maps, the tables of features and the dose–responses of every pair, and the catalogues.

    Pairs that are small already stay as they are. The readings of every feature on a control that must fail (an early
    checkpoint, untrained weights) are left out, and those of a pair that stands there the other way round.
    """
    shrunk = False
    seen: set[tuple[str, str]] = set()
    kinds = {m.name: m.kind for m in study.file.models}
    for pair in study.file.pairs:
        folder, back = study.pair_path(pair.source, pair.target), (pair.target, pair.source) in seen
        seen.add((pair.source, pair.target))
        if not shrink_maps(folder / "maps.safetensors"):
            continue
        shrunk = True
        if back or kinds[pair.target] in ("early", "untrained"):
            (folder / READINGS).unlink(missing_ok=True)
        for name in (CORRESPONDENCE, READINGS):
            if (folder / name).exists():
                shrink_table(folder / name)
        if (responses := folder / RESPONSES).exists():
            _shrink_numbers(responses)
    for catalogue in sorted((study.folder / "features").glob("*.parquet")) if shrunk else ():
        shrink_table(catalogue)


def _shrink_numbers(path: Path) -> None:
    write_bytes(path, encode_line(_rounded(msgspec.json.decode(path.read_bytes()))))


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    shrink_study(open_study(sys.argv[1]))
