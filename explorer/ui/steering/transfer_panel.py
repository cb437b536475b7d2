"""Which vectors transfer: one sortable table; choosing a row steers with that vector."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explorer.presentation.steering import dose as figures_dose, dose_captions as dose_sentences
from explorer.steering import DoseResponse
from explorer.ui.frame import View
from explorer.ui.steering.cohort_panel import draw_cohorts
from explorer.ui.steering.vector_picker import choose_vector


def draw_transfer(view: View, responses: list[DoseResponse]) -> None:
    """The sentence and the table."""
    sites = {s.name: s.label for s in view.study.sites if any(r.site == s.name for r in responses)}
    if view.site.name not in sites:
        sites = {view.site.name: view.site.label, **sites}
    words = dose_sentences.grid(responses, sites, view.site.name, view.source, view.target)
    st.html(f"<p class='verdict'>{words}</p>")
    if not responses:
        return
    table = figures_dose.transfer_grid(responses, sites, view.site.name)

    def chosen() -> None:
        event: Any = st.session_state["vectors"]
        if event.selection.rows:
            row = table.iloc[event.selection.rows[0]]
            choose_vector(str(row["name"]), sites[str(row["site"])])

    st.dataframe(
        table, hide_index=True, key="vectors", height=min(38 + 35 * len(table), 460), on_select=chosen,
        selection_mode="single-row", placeholder="–", column_config=dose_sentences.grid_columns(list(sites.values())),
    )  # fmt: skip
    st.html(
        "<p class='fact quiet'>TE = area of the rotated arm / area of B’s own vector, over the doses at which no arm "
        "raises the loss by more than 10 %. A dash: B’s own vector does no more than random directions. "
        "Click a row to steer with it.</p>"
    )
    draw_cohorts(view, sites)
