"""The atlas of one dictionary: everything known of each of its features at a site, joined, searched and filtered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from explorer.sites import Site


@dataclass(frozen=True)
class Query:
    """What a person asks of the atlas; every condition must hold."""

    text: str = ""
    """A feature number, or a part of a label or of a promoted token; empty matches all."""
    alive: bool = True
    """Only features that fire on the test text."""
    mutual: bool = False
    """Only features that are the nearest of their nearest partner (left out where the target has no dictionary)."""
    among: Collection[int] | None = None
    """Only these features, if given."""


def atlas(features: pd.DataFrame, correspondence: pd.DataFrame, site: Site) -> pd.DataFrame:
    """One row for each feature of the source at a site, indexed by its number; empty without a dictionary there.

    Columns of `explorer.catalogue` and of `explorer.correspondence`, `words` (what the search reads), `worth` (order).
    """
    left = features[features["site"] == site.index].set_index("feature").drop(columns="site")
    right = correspondence[correspondence["site"] == site.index].set_index("feature").drop(columns="site")
    joined = left.join(right, how="left")
    words = joined["label"].str.replace("_", " ") + " " + joined["label"] + " " + joined["promoted"].map(" ".join)
    joined = joined.assign(words=words.str.lower())
    return joined.assign(worth=_worth(joined))


def _worth(table: pd.DataFrame) -> pd.Series:
    """How well a feature shows what this page is about: the lesser of its label's F1 and its firing r through R."""
    alike = table["r_rotated"] if table["r_rotated"].notna().any() else table["f1"]
    return table["f1"].clip(upper=alike.fillna(-1.0)).where(table["density"] > 0, -2.0)


def has_partners(table: pd.DataFrame) -> bool:
    """Whether the target has a dictionary of its own to find partners in."""
    return "partner" in table


def search(table: pd.DataFrame, query: Query) -> pd.DataFrame:
    """The rows that answer a query, clear and shared features first. A whole number means that feature."""
    keep = table["density"] >= 0
    if query.alive:
        keep &= table["density"] > 0
    if query.mutual and has_partners(table):
        keep &= table["mutual"]
    if query.among is not None:
        keep &= table.index.isin(list(query.among))
    text = query.text.strip().lower()
    if text.isdecimal():
        keep &= table.index == int(text)
    elif text:
        keep &= table["words"].str.contains(text, regex=False)
    return table[keep].sort_values("worth", ascending=False, kind="stable")


def exemplar(table: pd.DataFrame) -> int:
    """A feature worth opening first: a clear label that fires alike in the target through R."""
    return int(table["worth"].idxmax())


def null_share(table: pd.DataFrame, r: float) -> float:
    """Share of the features whose firing r under a shuffled R is below r."""
    null = table["r_shuffled"].dropna()
    return float((null < r).mean()) if len(null) else float("nan")
