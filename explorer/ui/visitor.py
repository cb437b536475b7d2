"""Who looks: one browser is one visitor, known by a token of this app's own."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.policy import policy
from explorer.study import ask_owner
from explorer.ui.serving import COOKIE, TOKEN

_KEY = "visitor"


def visitor() -> str:
    """Who is looking: a reload, or another tab, is the same visitor. What it says cannot be turned into the token."""
    token = str(st.context.cookies.get(COOKIE, ""))
    if not TOKEN.fullmatch(token):
        # Without cookies a visitor is a session: a page change keeps it, a reload does not.
        token = st.session_state.setdefault(_KEY, secrets.token_urlsafe(32))
    return urlsafe_b64encode(sha256(token.encode()).digest()).decode()


def _owner() -> str:
    """Whose studies are shown: on a laptop everybody's are."""
    return visitor() if policy().public and get_script_run_ctx() is not None else ""


def know_visitors() -> None:
    """Let studies be looked for in the name of whoever looks."""
    ask_owner(_owner)
