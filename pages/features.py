"""Features: what a feature of the source does, and what becomes of it in the target, on one screen."""

from __future__ import annotations

import streamlit as st

from explorer.presentation.features import HELP, captions as feature_sentences
from explorer.ui import View, notice, page_style, what_is_this
from explorer.ui.features import (
    cache as feature_cache,
    card as feature_card,
    draw_decoder_story,
    maps as feature_maps,
    stars as feature_stars,
    table as feature_table,
)

view: View = st.session_state["view"]
table = feature_cache.atlas(view.where, view.source, view.target, view.site.index)

if table.empty:
    notice(f"This study has no dictionary of {view.source} at the site {view.site.label}: choose another site above.")
else:
    page_style("features")
    feature_table.settle(table, view)
    with st.container(key="workspace"):
        left, middle, right = st.columns([0.28, 0.4, 0.32], gap="small")
    with left, st.container(key="finder"):
        chosen = feature_table.controls(table, view)
        feature_table.draw_table(table, chosen, view)
    with middle, st.container(key="card"):
        feature_card.draw_card(table, chosen, view)
    with right, st.container(key="atlas"):
        feature_maps.draw_maps(table, chosen.shown, chosen.feature, view)
    st.html(f"<p class='fact quiet'>{feature_sentences.kept(table, view.source, view.target)}</p>")
    feature_stars.draw_stars(view)
    feature_maps.draw_list(table, view)
draw_decoder_story(view)
what_is_this(HELP)
