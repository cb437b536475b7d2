"""The "what am I looking at" texts."""

from __future__ import annotations

import streamlit as st


def what_is_this(text: str) -> None:
    """A folded explanation with formulas (Markdown), the same place and name on every page."""
    with st.expander("What am I looking at?"):
        st.markdown(text)
