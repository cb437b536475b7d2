"""Which site, which strength: the stored responses of one vector as a strip; a click steers there."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explorer.presentation import CONFIG
from explorer.presentation.steering import arm_names, strip
from explorer.steering import DoseResponse, Request
from explorer.ui.charts import prepare
from explorer.ui.frame import View
from explorer.ui.share import data_button
from explorer.ui.steering.control_panel import set_place
from explorer.ui.steering.headline import title_of
from explorer.ui.steering.opening import suggestion

_KEY = "strip"


def draw_strip(view: View, request: Request, responses: list[DoseResponse]) -> None:
    """The strip of the vector that steers alone; a line that says so where its responses are not stored."""
    st.markdown("#### Which site, which strength?")
    name = str(request.vectors[0].name) if len(request.vectors) == 1 else ""
    own = [r for r in responses if r.vector == name and (r.is_contrast or r.site == view.site.name)]
    if not own:
        st.html(
            "<p class='fact quiet'>Not measured for this vector: stored are the ready contrasts at every site, and "
            "the four strongest features of each site.</p>"
        )
        return
    labels = {s.name: s.label for s in view.study.sites if any(r.site == s.name for r in own)}
    arm = "raw" if view.arm == "translated" else view.arm
    found = suggestion(view, (name,))
    figure = strip.strip_figure(
        own, labels, arm, view.palette, (view.site.name, request.dose), (found.site, found.dose)
    )
    alt = f"Effect of {title_of(view, request)} by site and dose; a cross marks a loss over 10 per cent."
    prepare(figure, alt)

    def clicked() -> None:
        points: Any = st.session_state[_KEY]["selection"]["points"]
        if points and points[0].get("customdata"):
            site, dose = points[0]["customdata"]
            set_place(labels[site], float(dose))

    with st.container(key="figure-strip", gap=None):
        st.plotly_chart(
            figure, key=_KEY, theme=None, on_select=clicked, selection_mode="points", alt=alt,
            config={**CONFIG, "displayModeBar": False},
        )  # fmt: skip
        data_button(figure, _KEY, lambda: strip.strip_table(own, labels, arm))
    what = "vector carried by R" if arm == "rotated" else f"arm {arm_names.ARM_NAMES[arm]}"
    st.html(
        f"<p class='fact quiet'>Numbers: the effect m(c) − m(0) in nats of the {what}"
        " on held-out texts. ×: the loss rises by more than 10 %. Framed: where you are; dotted: what is suggested. "
        "A click on a cell steers there, as Site and Dose above do.</p>"
    )
