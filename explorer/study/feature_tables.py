"""The tables of features that a study keeps for a pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from explorer.models import Site

CORRESPONDENCE, READINGS, LAYOUT = "features.parquet", "readings.parquet", "layout.parquet"
"""Files of a pair's folder. The first is needed; pages do without the others."""
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
