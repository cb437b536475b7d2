"""The tables of features that a study keeps for a pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from explorer.files import write_parquet

if TYPE_CHECKING:
    import pandas as pd

    from explorer.models import Site

CORRESPONDENCE, READINGS, LAYOUT = "features.parquet", "readings.parquet", "layout.parquet"
"""Files of a pair's folder. The first is needed; pages do without the others."""
STEPS = 8
"""Of the grid for counts, a doubling."""
HALF = ("x", "y", "raw_x", "raw_y")
"""Columns of a layout: three digits are enough for them."""


def read_optional(path: Path, site: Site, columns: list[str] | None = None) -> pd.DataFrame | None:
    """The rows of one site of a table, None where the study does not have it or it lacks a column."""
    import pandas as pd

    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path, columns=columns, filters=[("site", "==", site.index)])
    except (OSError, ValueError):
        # Written by another version, or half copied: the page does without it.
        return None


def shrink_table(path: Path) -> None:
    """Keep three digits of a table's numbers, and its histograms' counts within 7 %: half the space, and no page shows
    more. Shares that may be small (densities) keep three significant digits, other numbers three decimals.
    """
    import pandas as pd

    frame = pd.read_parquet(path)
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
