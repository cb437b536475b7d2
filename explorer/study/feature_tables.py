"""The tables of features that a study keeps for a pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from explorer.errors import InputError
from explorer.files import write_parquet
from explorer.intake import Cells, read_table

if TYPE_CHECKING:
    import pandas as pd

    from explorer.models import Site

REMEASURE = "remove it and measure the pair again, or delete this study"
"""What helps when a file of a pair is damaged."""
PLACE: dict[str, Cells] = {"site": "whole", "feature": "whole"}
"""Columns of every table of features."""
CATALOGUE: dict[str, Cells] = {
    **PLACE,
    **dict.fromkeys(("density", "largest", "f1", "threshold"), "number"),
    "label": "text",
    **dict.fromkeys(("promoted", "suppressed", "fires_on"), "texts"),
    **dict.fromkeys(("contexts", "peaks", "quarters"), "numbers"),
}  # fmt: skip
"""Columns of a catalogue; see `explorer.features.feature_catalogue`."""
CORRESPONDENCE, READINGS, LAYOUT = "features.parquet", "readings.parquet", "layout.parquet"
"""Files of a pair's folder. The first is needed; pages do without the others."""
STEPS = 8
"""Of the grid for counts, a doubling."""
HALF = ("x", "y", "raw_x", "raw_y")
"""Columns of a layout: three digits are enough for them."""


def read_optional(path: Path, site: Site, columns: list[str] | None = None) -> pd.DataFrame | None:
    """The rows of one site of a table, None where the study does not have it or it lacks a column."""
    if not path.is_file():
        return None
    try:
        return read_table(path, PLACE, "the page does without it", columns, [("site", "==", site.index)])
    except InputError:
        # Written by another version, or half copied: the page does without it.
        return None


def check_lists(table: pd.DataFrame, path: Path, remedy: str) -> pd.DataFrame:
    """The catalogue itself. Raises InputError where a row lacks a list, or names peaks that are not its contexts."""
    lists = [name for name, cells in CATALOGUE.items() if cells in ("numbers", "texts")]
    lengths = {name: table[name].map(lambda cell: -1 if cell is None else len(cell)) for name in lists}
    whole = all((found >= 0).all() for found in lengths.values()) and not table["label"].isna().any()
    if not (whole and (lengths["contexts"] == lengths["peaks"]).all()):
        raise InputError(f"'{path}' is damaged: its lists of contexts do not fit together; {remedy}")
    if table.duplicated(["site", "feature"]).any():
        raise InputError(f"'{path}' is damaged: it lists a feature twice; {remedy}")
    return table


def shrink_table(path: Path) -> None:
    """Keep three digits of a table's numbers, and its histograms' counts within 7 %: half the space, and no page shows
    more. Shares that may be small (densities) keep three significant digits, other numbers three decimals.
    """
    frame = read_table(path, {}, REMEASURE)
    for name in frame:
        if str(name).startswith("histogram"):
            frame[name] = list(_coarse(np.stack(frame[name].to_numpy())))
        elif frame[name].dtype == np.float32:
            numbers = frame[name].to_numpy()
            small = str(name).startswith("density")
            frame[name] = numbers.astype(np.float16).astype(np.float32) if small else numbers.round(3)
    write_parquet(path, frame, level=19)


def _coarse(counts: Int[np.ndarray, "n bins"]) -> Int[np.ndarray, "n bins"]:
    """Counts on a grid of eight steps a doubling: whole numbers up to 20, others at most 7 % off."""
    steps = np.round(STEPS * np.log2(np.maximum(counts, 1)))
    return np.where(counts > 20, np.round(2 ** (steps / STEPS)), counts).astype(np.int32)
