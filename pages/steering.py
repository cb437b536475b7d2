"""Steering: the same vector in A and in B, raw and carried by R, written out side by side and counted."""

from __future__ import annotations

import streamlit as st

from explorer.presentation.steering import captions as sentences
from explorer.ui import View, cache, what_is_this
from explorer.ui.steering import controls, draw_bench, draw_dose, draw_strip, draw_transfer

view: View = st.session_state["view"]
request = controls(view)
draw_bench(view, request)
responses = cache.responses(view.where, view.source, view.target)
draw_strip(view, request, responses)
st.markdown("#### Dose–response")
draw_dose(view, request, responses)
st.markdown("#### Which vectors transfer?")
draw_transfer(view, responses)
what_is_this(sentences.STEERING_HELP)
