"""Fit the map again, live, and compare it with the stored one: nobody has to believe a cached number."""

from __future__ import annotations

import time

import streamlit as st

from explorer import sentences
from explorer.ui import cache
from explorer.ui.frame import View


def refit(view: View) -> None:
    """A button that measures the pair at the chosen site from the models and the text, with progress."""
    key = f"refit:{view.where}:{view.source}:{view.target}:{view.site.index}"
    with st.container(horizontal=True, vertical_alignment="center", key="refit"):
        pressed = st.button(f"Fit R again, live, at {view.site.label}", key="refit_button")
        if pressed:
            st.session_state[key] = _measure(view)
        if key in st.session_state:
            st.html(f"<p class='fact'>{st.session_state[key]}</p>")
        else:
            st.html(
                "<p class='fact quiet'>Runs both models on the text and fits every map anew; any click stops it.</p>"
            )


def _measure(view: View) -> str:
    from explorer.measure import measure_pair

    bar = st.progress(0.0, "loading the models")
    began = time.monotonic()
    source, target = (cache.model(view.where, name) for name in (view.source, view.target))
    dictionary = cache.dictionary(view.where, view.source, view.site.index)
    chunks = cache.chunks(view.where)
    found = {view.site.name: dictionary} if dictionary is not None else {}

    def report(step: str, share: float) -> None:
        bar.progress(share, step)

    live = measure_pair(source, target, chunks, [view.site], found, report=report)
    bar.empty()
    stored = cache.maps(view.where, view.source, view.target)[view.site.name]["rotated"].matrix
    difference = float((live.maps[view.site.name]["rotated"].matrix - stored).abs().max())
    return sentences.refitted(view.site_result, live.result.sites[0], difference, time.monotonic() - began)
