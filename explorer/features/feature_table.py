"""The atlas of one dictionary: everything known of each of its features at a site, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from explorer.models import Site

CLEAR = 0.3
"""F1 from which a label is said to describe a feature."""
SAME, SOME = 0.5, 0.2
"""Firing r from which a feature is said to fire on the same tokens (it is matched), and on some of them (partly)."""
FATES = ("matched", "partly", "lost", "rare")
"""What becomes of a feature under a map: r ≥ SAME, r ≥ SOME, less, or too few firings on either side to tell."""


def atlas(
    features: pd.DataFrame, correspondence: pd.DataFrame, site: Site, readings: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row for each feature of the source at a site, indexed by its number; empty without a dictionary there.

    Columns of `feature_catalogue`, `correspondence` and the `f1_<map>` of `activation_histograms`, and `worth`.
    """
    joined = _of_site(features, site).join(_of_site(correspondence, site), how="left")
    if readings is not None:
        joined = joined.join(_of_site(readings, site), how="left")
    return joined.assign(worth=_worth(joined))


def _of_site(table: pd.DataFrame, site: Site) -> pd.DataFrame:
    return table[table["site"] == site.index].set_index("feature").drop(columns="site").sort_index()


def _worth(table: pd.DataFrame) -> pd.Series:
    """How well a feature shows what this page is about: the lesser of its label's F1 and its firing r through R."""
    r, f1 = table["r_rotated"], table["f1"]
    worth = r if not has_labels(table) else f1 if r.isna().all() else f1.clip(upper=r.fillna(-1.0))
    return worth.fillna(-1.0).where(table["density"] > 0, -2.0)


def has_partners(table: pd.DataFrame) -> bool:
    """Whether the target has a dictionary of its own to find partners in."""
    return "partner" in table


def has_labels(table: pd.DataFrame) -> bool:
    """Whether the text carries latent labels that features can be checked against."""
    return bool(table["f1"].notna().any())


def fate(table: pd.DataFrame, arm: str) -> pd.Series:
    """What becomes of each feature when the target is read through a map: one of FATES, by its firing r."""
    import pandas as pd

    r = table[f"r_{arm}"]
    found = np.select([r.isna(), r >= SAME, r >= SOME], ["rare", "matched", "partly"], "lost")
    return pd.Series(found, index=table.index, dtype=object)


def neighbour(shown: pd.DataFrame, chosen: int, step: int) -> int | None:
    """The feature before (−1) or after (+1) the chosen one in the list; its first or last if it is not in there."""
    if shown.empty:
        return None
    at = np.flatnonzero(shown.index.to_numpy() == chosen)
    if not len(at):
        return int(shown.index[0 if step > 0 else -1])
    place = int(at[0]) + step
    return int(shown.index[place]) if 0 <= place < len(shown) else None


def exemplar(table: pd.DataFrame) -> int:
    """A feature worth opening first: a clear label that fires alike in the target through R."""
    return int(table["worth"].idxmax())


def null_share(table: pd.DataFrame, value: float | np.floating, measure: str = "r") -> float:
    """Share of the features whose firing r (or cosine) under a shuffled R is below a value; NaN without any."""
    null = table[f"{measure}_shuffled"].dropna()
    return float((null < value).mean()) if len(null) and value == value else float("nan")


def kept_labels(table: pd.DataFrame) -> tuple[int, dict[str, int]]:
    """How many features have a clear label in the source, and of those how many keep it in the target, by map.

    Clear: F1 ≥ CLEAR. Kept: the same detector, its threshold unchanged, has F1 ≥ CLEAR for the same label there.
    """
    clear = table[(table["f1"] >= CLEAR) & (table["density"] > 0)]
    arms = [c.removeprefix("f1_") for c in table if c.startswith("f1_")]
    return len(clear), {arm: int((clear[f"f1_{arm}"] >= CLEAR).sum()) for arm in arms}
