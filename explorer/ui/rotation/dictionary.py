"""The source's dictionary on the target: bars of every site and the dial, in one reading and on one scale."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from explorer.alignment import Reading, Scale, dial_lines
from explorer.presentation import captions as sentences
from explorer.presentation.rotation import dial, dictionary_bars
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.frame import View, choice

READINGS: dict[str, Reading] = {name: reading for reading, name in dictionary_bars.NAMES.items()}
SCALES: tuple[Scale, ...] = get_args(Scale)


def draw_dictionary(view: View) -> None:
    """Both figures, the switches of what they show, and whose dictionary it is."""
    here = view.site_result
    left, right = st.columns([0.45, 0.55], gap="medium")
    left.markdown("#### A's dictionary on B")
    with left, st.container(horizontal=True, vertical_alignment="center", gap="small", key="dictionary_switch"):
        scale: Scale = "EV" if choice("scale", "Scale", SCALES) == "EV" else "restored"
        reading = READINGS[choice("reading", "Reading", tuple(READINGS))]
    with left:
        draw_bars(view, reading, scale, "ev")
    with right:
        st.markdown(f"#### Turn {view.target} into {view.source}, site {view.site.label}")
        _draw_dial(view, reading, scale)
    if here.dictionary is not None:
        st.html(f"<p class='fact'>{sentences.scored(view.pair, here, reading)}</p>")


def draw_bars(view: View, reading: Reading, scale: Scale, key: str) -> None:
    """The bars of every site; a word where the study has no dictionary."""
    if all(site.dictionary is None for site in view.pair.sites):
        st.info(f"This study was made without dictionaries of {view.source}; the ladder of maps needs none.")
        return
    figure = cache.figure(
        (key, *view.shown, view.arm, reading, scale),
        lambda: dictionary_bars.dictionary_bars(view.pair, reading, scale, view.arm, view.palette, view.site.name),
    )
    alt = f"How {view.source}'s dictionary fares on {view.target}, by site and map: {scale}, {reading}."
    chart(figure, key, alt)


def _draw_dial(view: View, reading: Reading, scale: Scale) -> None:
    here, names = view.site_result, (view.source, view.target)
    if here.dial is None or here.dictionary is None:
        st.info(f"The dial needs a dictionary, and this study has none of {view.source} at {view.site.label}.")
        return
    curve, lines = here.dial, dial_lines(here.dial, here.dictionary, reading, scale)
    clouds = cache.clouds(view.where, *names)[view.site.name]
    figure = cache.figure(
        ("dial", *view.shown, reading, scale), lambda: dial(curve, lines, *clouds, names, view.palette)
    )
    alt = f"Two clouds of rows. As the dial turns, {view.target}'s moves onto {view.source}'s and the number rises."
    chart(figure, "dial", alt)
    if lines.reading != reading:
        st.html(f"<p class='fact quiet'>{sentences.OTHER_READING}</p>")
