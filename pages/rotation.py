"""Rotation: what one orthogonal map brings back of A's dictionary on B, in one sentence and one picture."""

from __future__ import annotations

import streamlit as st

from explorer.presentation import captions as sentences
from explorer.presentation.rotation import captions as rotation_sentences, dictionary_bars
from explorer.ui import View, verdict, what_is_this
from explorer.ui.rotation import draw_opening, draw_questions, draw_reasons

view: View = st.session_state["view"]
result, here = view.pair, view.site_result

verdict(sentences.rotation(result, here, view.arm))
draw_opening(view, "opening")
st.html(f"<p class='fact quiet'>{rotation_sentences.called(result, here)}</p>")
draw_questions(view)
# What is folded is made when it is opened: a figure that nobody sees would delay those that are seen.
reasons = st.expander("Why this verdict", key="reasons", on_change="rerun")
with reasons:
    draw_reasons(view, folded=not reasons.open)
numbers = st.expander("The numbers of every site, both readings", key="numbers", on_change="rerun")
if numbers.open:
    numbers.dataframe(
        dictionary_bars.score_table(result), hide_index=True, key="table", column_config=dictionary_bars.COLUMNS
    )
what_is_this(sentences.ROTATION_HELP)
