"""The stage's keys."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_KEYS = Path(__file__).with_name("keys.html")


def listen() -> None:
    """Hear the stage's keys from the first moment on: one that comes before the scene is drawn waits for it."""
    with st.container(key="keys"):
        st.html(_KEYS, unsafe_allow_javascript=True)
