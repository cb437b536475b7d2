"""What the twin maps show, as tables: a row for each feature of A and of B."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def side_table(table: pd.DataFrame, layout: pd.DataFrame, arm: str) -> pd.DataFrame:
    """What the map of A shows: places, colours' values and hover text, by feature."""
    own = layout[layout["side"] == "source"].set_index("feature")
    partner = table.get("one_to_one", -1)
    columns = table[["density", "label", "f1", "fires_on", "promoted"]]
    return own.join(columns.assign(r=table[f"r_{arm}"], partner=partner))


def other_side(table: pd.DataFrame, layout: pd.DataFrame, other: pd.DataFrame | None) -> pd.DataFrame:
    """The same of B; its r is that with its one-to-one partner in A (−1: none)."""
    import pandas as pd

    own = layout[layout["side"] == "target"].set_index("feature")
    if other is None:
        empty = {"density": np.nan, "label": "", "f1": np.nan, "fires_on": [()] * len(own), "promoted": [()] * len(own)}
        known = own.assign(**empty)
    else:
        known = own.join(other[["density", "label", "f1", "fires_on", "promoted"]])
    if "one_to_one" not in table:
        return known.assign(r=np.nan, partner=-1)
    matched = table[table["one_to_one"] >= 0]
    ends = matched["one_to_one"].to_numpy()
    r = pd.Series(matched["one_to_one_r"].to_numpy(), index=ends).reindex(known.index)
    back = pd.Series(matched.index.to_numpy(), index=ends).reindex(known.index).fillna(-1).astype(int)
    return known.assign(r=r, partner=back)


def map_table(a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str], arm: str) -> pd.DataFrame:
    """What the maps show as a table: a row for each feature of A and of B; raw_x and raw_y are B's places before R.

    The r of a feature of B is that with its one-to-one partner.
    """
    import pandas as pd

    sides = []
    for name, table in zip(names, (a, b), strict=True):
        words = {c: table[c].map(" · ".join) for c in ("fires_on", "promoted")}
        sides.append(table.assign(model=name, **words).rename_axis("feature").reset_index())
    columns = "model feature x y raw_x raw_y r density label f1 region fires_on promoted".split()
    return pd.concat(sides, ignore_index=True)[columns].rename(columns={"r": f"r_{arm}"})
