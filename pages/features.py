"""Features: what a feature of the source does, and what becomes of it in the target."""

from __future__ import annotations

import streamlit as st

from explorer.presentation.features import captions as feature_sentences
from explorer.ui import View, choice, what_is_this
from explorer.ui.features import (
    cache as feature_cache,
    card as feature_card,
    draw_decoder_story,
    maps as feature_maps,
    own_text as feature_text,
    stars as feature_stars,
    table as feature_table,
)

view: View = st.session_state["view"]
table = feature_cache.atlas(view.where, view.source, view.target, view.site.index)

if table.empty:
    st.info(f"This study has no dictionary of {view.source} at the site {view.site.label}: choose another site above.")
else:
    feature_table.settle(table, view)
    left, right = st.columns([0.36, 0.64], gap="large")
    with left, st.container(key="finder"):
        chosen, shown = feature_table.controls(table, view)
        feature_table.draw_table(table, shown, chosen, view)
        feature_stars.draw_stars(view)
        st.html(f"<p class='fact quiet'>{feature_sentences.kept(table, view.source, view.target)}</p>")
    with right:
        panel = choice("panel", "Above the card", ("twin maps", "your text"))
        if panel == "your text":
            feature_text.draw_text(table, chosen, view)
        else:
            feature_maps.draw_maps(table, shown, chosen, view)
        feature_card.draw_card(table, chosen, view)
draw_decoder_story(view)
what_is_this(feature_sentences.HELP)
