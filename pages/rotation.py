"""Rotation: the source's dictionary on the target, before and after one orthogonal map."""

from __future__ import annotations

import streamlit as st

from explorer import figures, sentences
from explorer.ui import cache
from explorer.ui.explain import what_is_this
from explorer.ui.frame import View
from explorer.ui.refit import refit

view: View = st.session_state["view"]
result, here = view.pair, view.site_result
readings = {"paper": "paper-style", "faithful": "faithful"}

st.html(f"<p class='verdict'>{sentences.rotation(result, here, view.arm)}</p>")

left, right = st.columns([0.45, 0.55], gap="medium")
with left:
    head, switch = st.columns([0.5, 0.5], vertical_alignment="bottom")
    head.markdown("#### A's dictionary on B")
    reading = switch.segmented_control(
        "Reading", readings, default="paper", required=True, key="reading", bind="query-params", format_func=readings.__getitem__,
        persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    st.plotly_chart(
        figures.ev_by_site(result, reading or "paper", view.arm, view.palette, view.site.name), key="ev", theme=None, config=figures.CONFIG,
        alt=f"Explained variance of {view.source}'s dictionary on {view.target} by site and map; the table below has the numbers.",
    )  # fmt: skip
with right:
    st.markdown(f"#### Turn {view.target} into {view.source}, site {view.site.label}")
    if here.dial is not None:
        source_cloud, target_cloud = cache.clouds(view.where, view.source, view.target)[view.site.name]
        names = (view.source, view.target)
        st.plotly_chart(
            figures.dial(here.dial, source_cloud, target_cloud, names, view.palette), key="dial", theme=None, config=figures.CONFIG,
            alt=f"Two clouds of residual rows; as the dial turns, {view.target}'s cloud moves onto {view.source}'s and EV rises.",
        )  # fmt: skip

left, right = st.columns([0.5, 0.5], gap="large")
with left:
    st.markdown(f"#### The ladder of maps, site {view.site.label}")
    st.plotly_chart(
        figures.ladder(here, view.palette), key="ladder", theme=None, config=figures.CONFIG,
        alt="How well each map predicts the source's rows from the target's.",
    )  # fmt: skip
with right:
    st.markdown("#### The facts")
    st.html("".join(f"<p class='fact'>{fact}</p>" for fact in sentences.facts(result, here)))
refit(view)
if here.dictionary is not None:
    with st.expander(f"The numbers at the site {view.site.label}"):
        st.dataframe(figures.arm_table(here.dictionary), hide_index=True, key="table", column_config=sentences.TABLE_COLUMNS)
what_is_this(sentences.ROTATION_HELP)
