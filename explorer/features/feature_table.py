"""The atlas of one dictionary: everything known of each of its features at a site, joined, searched and filtered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from explorer.models import Site

CLEAR = 0.3
"""F1 from which a label is said to describe a feature."""
PLACES = ("anything", "label", "fires on", "promoted", "contexts")
"""What a search may look into; anything is all but the contexts."""


@dataclass(frozen=True)
class Query:
    """What a person asks of the atlas; every condition must hold."""

    text: str = ""
    """A feature number, or a part of what `place` says; empty matches all."""
    place: str = "anything"
    """One of PLACES."""
    alive: bool = True
    """Only features that fire on the test text."""
    mutual: bool = False
    """Only features that are the nearest of their nearest partner (left out where the target has no dictionary)."""
    among: Collection[int] | None = None
    """Only these features, if given."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value allowed, by column; a feature of which the value is not known is left out."""
    sort: str = "worth"
    """Column that orders them."""
    rising: bool = False
    """Smallest first."""


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


def words(table: pd.DataFrame, place: str) -> pd.Series:
    """What a search in a place of PLACES reads, in small letters; the contexts are not in the table."""
    label = table["label"].str.replace("_", " ") + " " + table["label"]
    found = {
        "label": label,
        "fires on": table["fires_on"].map(" ".join),
        "promoted": table["promoted"].map(" ".join),
    }
    joined = found["label"] + " " + found["fires on"] + " " + found["promoted"]
    return (joined if place == "anything" else found[place]).str.lower()


def context_words(table: pd.DataFrame, pieces: Sequence[Sequence[str]], before: int = 8, after: int = 3) -> pd.Series:
    """The text around the peaks of each feature's strongest contexts, in small letters; `pieces` are each chunk's."""
    import pandas as pd

    def around(chunks: Sequence[int], peaks: Sequence[int]) -> str:
        windows = (
            "".join(pieces[c][max(0, p - before) : p + after + 1]) for c, p in zip(chunks, peaks, strict=True) if c >= 0
        )
        return " … ".join(windows).lower()

    found = [around(c, p) for c, p in zip(table["contexts"], table["peaks"], strict=True)]
    return pd.Series(found, index=table.index, dtype=object)


def search(table: pd.DataFrame, query: Query, contexts: pd.Series | None = None) -> pd.DataFrame:
    """The rows that answer a query, in its order. A whole number means that feature.

    `contexts` is what `context_words` found; it is only read when the query looks there.
    """
    keep = table["density"] >= 0
    if query.alive:
        keep &= table["density"] > 0
    if query.mutual and has_partners(table):
        keep &= table["mutual"]
    if query.among is not None:
        keep &= table.index.isin(list(query.among))
    for column, (low, high) in query.ranges.items():
        if column in table:
            keep &= table[column].between(low, high)
    text = query.text.strip().lower()
    if text.isdecimal() and query.place == "anything":
        keep &= table.index == int(text)
    elif text:
        read = contexts if query.place == "contexts" and contexts is not None else words(table, query.place)
        keep &= read.str.contains(text, regex=False)
    found = table[keep]
    if query.sort == "feature" or query.sort not in table:
        return found.sort_index(ascending=query.rising or query.sort != "feature")
    return found.sort_values(query.sort, ascending=query.rising, kind="stable", na_position="last")


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
