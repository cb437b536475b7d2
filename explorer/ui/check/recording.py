"""The example texts of a study for the talk: recorded after the result, in the background, or left out."""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from explorer.jobs import JobState
from explorer.pipeline import CHECKS, lacks_run
from explorer.presentation.check import progress_captions as under_way
from explorer.ui.clicks import consume, note, poll
from explorer.ui.frame import View

POLL_SECONDS = 1.0
_RECORD = "record_start"


def draw_recording(view: View) -> None:
    """Where the recording of this study stands, or the way to it; nothing where there is none to make."""
    consume(_RECORD, partial(CHECKS.record, view.where))
    job = CHECKS.recording(view.where)
    busy = job is not None and job.busy
    if busy or lacks_run(view.study, view.source, view.target):
        poll(busy, partial(_draw, view.where), POLL_SECONDS)


def _draw(name: str) -> bool:
    job = CHECKS.recording(name)
    now = job.look() if job is not None else None
    with st.container(horizontal=True, vertical_alignment="center", key="check_recording"):
        if job is not None and now is not None and now.busy:
            st.button("Leave them out", key="record_cancel", on_click=job.cancel)
            st.html(f"<p class='fact quiet' role='status'>{escape(under_way.recording(now))}</p>")
            return True
        if now is not None and now.state == JobState.FAILED:
            st.html(f"<p class='fact' role='status'>{escape(now.message)}</p>")
        st.button("Record example texts for Story", key=_RECORD, on_click=note, args=(_RECORD,))
        st.html("<p class='fact quiet'>Steered texts, of which Story plays one. Takes minutes.</p>")
    return False
