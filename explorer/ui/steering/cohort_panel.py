"""On the paper's toy: the same vector in cohort A and in cohort B, and a table of every contrast in both."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.presentation.steering import Pair, cohorts as cohort_steering
from explorer.study import SHARED
from explorer.ui import cache

if TYPE_CHECKING:
    from explorer.steering import DoseResponse
    from explorer.ui.frame import View

_SHARE = {"width": 110, "type_config": {"type": "number", "format": "%.2f"}}


def heading(view: View, source: str, target: str) -> None:
    """Which cohort a figure is of, and what its seeds share."""
    own = view.study.model_entry(source).cohort
    name, pair = escape(own.replace("cohort", "Cohort")), f"{escape(source)} → {escape(target)}"
    what = "input and output weights shared" if own == SHARED else "nothing shared"
    st.html(f"<p class='fact'><b>{name}</b>: {pair}, {what}</p>")


def other_cohort(view: View, response: DoseResponse) -> tuple[Pair, DoseResponse] | None:
    """The same vector at the same site in the other cohort, with its pair; None where there is none."""
    pairs = cohort_steering.both_cohorts(view.study, view.source, view.target)
    if pairs is None or not response.is_contrast:
        return None
    pair = next(p for p in pairs if p != (view.source, view.target))
    found = cache.responses(view.where, *pair)
    same = next((r for r in found if (r.vector, r.site) == (response.vector, response.site)), None)
    return None if same is None else (pair, same)


def draw_cohorts(view: View, sites: Mapping[str, str]) -> None:
    """Both cohorts side by side: what the raw arm does where weights are shared, and where they are not."""
    pairs = cohort_steering.both_cohorts(view.study, view.source, view.target)
    if pairs is None:
        return
    first, second = (cache.responses(view.where, *pair) for pair in pairs)
    table = cohort_steering.cohort_table(pairs, (first, second), sites)
    if table.empty:
        return
    st.markdown("#### Cohort A beside cohort B: what shared weights pin")
    st.html(f"<p class='verdict'>{cohort_steering.sentence(pairs, (first, second), sites)}</p>")
    columns: dict[str, Any] = {c: _SHARE for c in table if table[c].dtype == float}
    st.dataframe(table, hide_index=True, key="cohorts", placeholder="–", column_config=columns)
    st.html(
        "<p class='fact quiet'>raw / own = area of the raw arm / area of B’s own vector. Weights that are shared and "
        "frozen pin the basis where they are read and written: there a vector may work as it is, without any map.</p>"
    )
