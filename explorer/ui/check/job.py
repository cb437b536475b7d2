"""The check of one visitor: started, shown while it works whatever page was open meanwhile, cancelled."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from functools import partial
from hashlib import sha256
from html import escape
from pathlib import Path

import streamlit as st

from explorer.errors import InputError
from explorer.jobs import JobState
from explorer.pipeline import CHECKS, CheckJob, CheckProgress, CheckRequest, Fields, Work, check, examine, needed
from explorer.presentation.check import captions as sentences
from explorer.ui.clicks import consume, note, poll
from explorer.ui.frame import open_study_next

POLL_SECONDS = 0.5
_COOKIE, _KEY, _ERROR, _START = "_streamlit_xsrf", "check_visitor", "check_error", "check_start"


def visitor() -> str:
    """Who is looking: one browser is one visitor, so that a reload, or another tab, finds the check again."""
    token = _unmasked(str(st.context.cookies.get(_COOKIE, "")))
    if not token:
        # Without cookies a visitor is a session: a page change keeps it, a reload does not.
        token = st.session_state.setdefault(_KEY, secrets.token_hex(16)).encode()
    return urlsafe_b64encode(sha256(token).digest()).decode()


def _unmasked(cookie: str) -> bytes:
    """The lasting part of Streamlit's cookie against forged requests, 2|mask|token|time; the mask changes each time."""
    parts = cookie.strip('"').split("|")
    try:
        mask, masked = bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
    except (IndexError, ValueError):
        return b""
    return bytes(m ^ mask[i % len(mask)] for i, m in enumerate(masked)) if mask else b""


def start(fields: Fields) -> None:
    """Queue the check that the form describes; what is wrong with it is shown below the button."""
    st.session_state.pop(_ERROR, None)
    try:
        request = examine(fields)
        needs = needed(request)
        plan = needs.parts if needs is not None else ()
        CHECKS.submit(visitor(), request.title, _work(request), request.wish, plan, fields.recorded)
    except InputError as error:
        st.session_state[_ERROR] = str(error)


def _work(request: CheckRequest) -> Work:
    def work(folder: Path, progress: CheckProgress) -> None:
        check(request.source, request.target, folder, request.options, request.command, progress)

    return work


def draw_job() -> bool:
    """Show the visitor's check if there is one; whether one is under way."""
    asked = CHECKS.find(visitor())
    if asked is None:
        return False
    busy = asked.job.busy
    poll(busy, partial(_draw, asked), POLL_SECONDS)
    return busy


def draw_start(fields: Fields) -> None:
    """The button, and why it did not start."""
    st.button("Check this pair", type="primary", key=_START, on_click=note, args=(_START,))
    if consume(_START, partial(start, fields)):
        st.rerun()
    if message := st.session_state.get(_ERROR):
        st.error(message)


def _draw(asked: CheckJob) -> bool:
    now = asked.job.look()
    if now.busy:
        ahead = [other.progress.left for other in CHECKS.ahead(asked)]
        head, line = sentences.progress(asked.title, now, asked.progress.left, ahead)
        with st.container(key="check_progress"):
            st.html(f"<p class='large'>{escape(head)}</p>")
            st.progress(now.share)
            st.html(f"<p class='fact' role='status'>{escape(line)}</p>")
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button("Cancel", key="check_cancel", on_click=asked.job.cancel)
                st.html(
                    "<p class='fact quiet'>It goes on while you look at other pages, and if you close this one.</p>"
                )
        if now.state == JobState.RUNNING and asked.progress.sites:
            _draw_sites(asked.progress)
    elif now.state == JobState.FAILED:
        st.error(f"{asked.title}: {now.message}")
    elif now.state == JobState.STOPPED:
        st.html(
            f"<p class='fact' role='status'>The check of {escape(asked.title)} was cancelled. Nothing of it is listed; "
            "steps that were finished are kept, so that another try is faster.</p>"
        )
    elif asked.job.result is not None:
        CHECKS.dismiss(asked)
        open_study_next(asked.job.result)
        st.rerun()
    return now.busy


def _draw_sites(progress: CheckProgress) -> None:
    """What is measured already; the other sites keep their lines."""
    st.markdown("#### Every site, as it is measured")
    st.html(sentences.sites_so_far(progress.sites, progress.awaited))
