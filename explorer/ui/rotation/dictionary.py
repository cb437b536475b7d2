"""The source's dictionary on the target: the opening picture, and in one reading on one scale the dial and the bars."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from explorer.alignment import Reading, Scale, dial_lines
from explorer.presentation import captions as sentences
from explorer.presentation.rotation import dial, dictionary_bars, opening
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.frame import View, choice
from explorer.ui.notices import notice, plain

READINGS: dict[str, Reading] = {name: reading for reading, name in dictionary_bars.NAMES.items()}
SCALES: tuple[Scale, ...] = get_args(Scale)


def draw_opening(view: View, key: str) -> None:
    """The picture that answers the page's question: what comes back at every site, between its null and its ceiling."""
    figure = cache.figure(
        (key, *view.shown, view.arm), lambda: opening(view.pair, view.arm, view.site.name, view.palette)
    )
    alt = f"What comes back of {view.source}'s dictionary on {view.target} at every site: 0 shuffled pairs, 1 at home."
    chart(figure, key, alt)


def draw_dial(view: View) -> None:
    """The dial, and the switches of what it shows."""
    st.markdown(f"#### Turn {plain(view.target)} into {plain(view.source)}, site {plain(view.site.label)}")
    reading, scale = _switches()
    _draw_dial(view, reading, scale)
    _scored(view, reading)


def draw_bars(view: View) -> None:
    """Every map at every site as bars; a word where the study has no dictionary."""
    st.markdown("#### A's dictionary on B, through every map")
    if all(site.dictionary is None for site in view.pair.sites):
        notice(f"This study was made without dictionaries of {view.source}; the ladder of maps needs none.")
        return
    reading, scale = _switches()
    figure = cache.figure(
        ("ev", *view.shown, view.arm, reading, scale),
        lambda: dictionary_bars.dictionary_bars(view.pair, reading, scale, view.arm, view.palette, view.site.name),
    )
    alt = f"How {view.source}'s dictionary fares on {view.target}, by site and map: {scale}, {reading}."
    chart(figure, "ev", alt)
    _scored(view, reading)


def _switches() -> tuple[Reading, Scale]:
    """Which reading on which scale, and what each of them is."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dictionary_switch"):
        scale: Scale = "EV" if choice("scale", "Scale", SCALES) == "EV" else "restored"
        reading = READINGS[choice("reading", "Reading", tuple(READINGS))]
    st.html(f"<p class='fact quiet'>{sentences.SCALES_TOLD} {sentences.READINGS_TOLD}</p>")
    return reading, scale


def _scored(view: View, reading: Reading) -> None:
    here = view.site_result
    if here.dictionary is not None:
        st.html(f"<p class='fact'>{sentences.scored(view.pair, here, reading)}</p>")


def _draw_dial(view: View, reading: Reading, scale: Scale) -> None:
    here, names = view.site_result, (view.source, view.target)
    if here.dial is None or here.dictionary is None:
        notice(f"The dial needs a dictionary, and this study has none of {view.source} at {view.site.label}.")
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
