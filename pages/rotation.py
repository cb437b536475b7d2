"""Rotation: the source's dictionary on the target, before and after one orthogonal map."""

from __future__ import annotations

import streamlit as st

from explorer.presentation import captions as sentences
from explorer.presentation.rotation import captions as rotation_sentences, dial_figure as figures_dial, sites as figures
from explorer.ui import View, cache, chart, choice, what_is_this
from explorer.ui.rotation import draw_questions

view: View = st.session_state["view"]
result, here, a, b = view.pair, view.site_result, view.source, view.target

st.html(f"<p class='verdict'>{rotation_sentences.verdict(result)}{sentences.rotation(result, here, view.arm)}</p>")
left, right = st.columns([0.45, 0.55], gap="medium")
with left:
    head, switch = st.columns([0.52, 0.48], gap="small", vertical_alignment="center")
    head.markdown("#### A's dictionary on B")
    with switch:
        reading = choice("reading", "Reading", ("paper-style", "faithful"))
    if any(site.dictionary is not None for site in result.sites):
        figure = cache.figure(
            ("ev", *view.shown, view.arm, reading),
            lambda: figures.ev_by_site(result, reading, view.arm, view.palette, view.site.name),
        )
        alt = f"Explained variance of {a}'s dictionary on {b} by site and map; the numbers are in the table below."
        chart(figure, "ev", alt)
    else:
        st.info(f"This study was made without dictionaries of {a}; the ladder of maps below needs none.")
with right:
    st.markdown(f"#### Turn {b} into {a}, site {view.site.label}")
    if here.dial is not None:
        curve, clouds = here.dial, cache.clouds(view.where, a, b)[view.site.name]
        figure = cache.figure(
            ("dial", *view.shown), lambda: figures_dial.dial(curve, clouds[0], clouds[1], (a, b), view.palette)
        )
        alt = f"Two clouds of rows. As the dial turns, {b}'s moves onto {a}'s and explained variance rises."
        chart(figure, "dial", alt)
    else:
        st.info(f"The dial needs a dictionary, and this study has none of {a} at {view.site.label}.")

draw_questions(view)
with st.expander("Why this verdict"):
    st.html("".join(f"<p class='fact'>{line}</p>" for line in rotation_sentences.reasons(result, here)))
with st.expander("The numbers of every site, both readings"):
    st.dataframe(figures.score_table(result), hide_index=True, key="table", column_config=sentences.TABLE_COLUMNS)
what_is_this(sentences.ROTATION_HELP)
