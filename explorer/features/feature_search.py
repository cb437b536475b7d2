"""Search and filters over the atlas of one dictionary, and the order in which they list what they find."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from explorer.features.feature_table import CLEAR, fate, has_partners

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

PLACES = ("anything", "label", "fires on", "promoted", "contexts")
"""What a search may look into; anything is all but the contexts."""
FOUND = ("label", "word", "part", "promotes")
"""Why a search found a feature, the best reason first: its clear label has the word; it fires on the word itself; the
word is a part of what it fires on, or in a label that is not clear; it promotes a token with it."""
NOT_FOUND = len(FOUND)


@dataclass(frozen=True)
class Query:
    """What a person asks of the atlas; every condition must hold."""

    text: str = ""
    """A feature number, or words that all stand in what `place` says; empty matches all."""
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
    """Column that orders them; with a text, `worth` only orders those that are found for the same reason."""
    rising: bool = False
    """Smallest first."""
    fate: str = ""
    """Only features of which this becomes, one of FATES, if given."""
    arm: str = "rotated"
    """The map under which it becomes so."""


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


def reasons(table: pd.DataFrame, text: str, place: str = "anything") -> pd.Series:
    """Why each feature is found, as a place in FOUND; NOT_FOUND where it is not. Of several words the worst counts."""
    import pandas as pd

    worst = np.zeros(len(table), dtype=np.int8)
    for term in text.lower().split():
        rows = zip(table["label"], table["f1"], table["fires_on"], table["promoted"], strict=True)
        found = [_reason(term, label.lower(), f1, on, promoted, place) for label, f1, on, promoted in rows]
        worst = np.maximum(worst, np.array(found, dtype=np.int8))
    return pd.Series(worst, index=table.index)


def _reason(term: str, label: str, f1: float, on: Collection[str], promoted: Collection[str], place: str) -> int:
    def looked_into(where: str) -> bool:
        return place in ("anything", where)

    spelled = label.replace("_", " ").replace("=", " ").split()
    in_label = looked_into("label") and (term in label or any(term in word for word in spelled))
    # The search may also say key=value, as labels are written.
    if in_label and f1 >= CLEAR and (term == label or any(_same_word(word, term) for word in spelled)):
        return 0
    fires = [word.lower() for word in on] if looked_into("fires on") else []
    if any(_same_word(word, term) for word in fires):
        return 1
    if in_label or any(term in word for word in fires):
        return 2
    if looked_into("promoted") and any(term in token.lower() for token in promoted):
        return 3
    return NOT_FOUND


def _same_word(word: str, term: str) -> bool:
    """Whether two words are one, up to the plural: ship finds ships, and not friendship."""
    return word == term or word in (f"{term}s", f"{term}es") or term in (f"{word}s", f"{word}es")


def search(table: pd.DataFrame, query: Query, contexts: pd.Series | None = None) -> pd.DataFrame:
    """The rows that answer a query, in its order. A whole number means that feature.

    With a text the column `found` says why, one of FOUND, and the best reason comes first unless another order is
    asked for. `contexts` is what `context_words` found; it is only read when the query looks there.
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
    if query.fate:
        keep &= fate(table, query.arm) == query.fate
    text = query.text.strip().lower()
    why = None
    if text.isdecimal() and query.place == "anything":
        keep &= table.index == int(text)
    elif text and query.place == "contexts":
        if contexts is not None:
            keep &= contexts.str.contains(text, regex=False)
    elif text:
        why = reasons(table, text, query.place)
        keep &= why < NOT_FOUND
    found = table[keep]
    if why is not None:
        found = found.assign(found=[FOUND[i] for i in why[keep]])
    if query.sort == "feature" or query.sort not in table:
        return found.sort_index(ascending=query.rising or query.sort != "feature")
    found = found.sort_values(query.sort, ascending=query.rising, kind="stable", na_position="last")
    if why is not None and query.sort == "worth":
        found = found.iloc[np.argsort(why[found.index].to_numpy(), kind="stable")]
    return found
