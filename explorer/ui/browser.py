"""The script that every page has: one history entry a page, arriving at a figure, and the glossary."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from explorer.narrative import TERMS

_SCRIPT = Path(__file__).with_name("browser.html")
SEE = "see"
"""Query parameter that names the place of a page to which a link leads."""


def browser_script() -> None:
    """Install it, once for a browser's window, and tell it the terms and where the link leads."""
    terms = [{"name": t.name, "text": t.text, "pattern": t.pattern} for t in TERMS]
    calls = f"window.explorer.learn({_safe(terms)});"
    if place := st.query_params.get(SEE):
        calls += f"window.explorer.see({_safe(place)});"
    with st.container(key="browser"):
        st.html(f"{_SCRIPT.read_text(encoding='utf-8')}<script>{calls}</script>", unsafe_allow_javascript=True)


def _safe(value: object) -> str:
    """JSON that cannot end a script."""
    return json.dumps(value).replace("<", "\\u003c")
