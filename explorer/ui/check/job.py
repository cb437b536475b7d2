"""The check of one visitor: started, shown while it works whatever page was open meanwhile, cancelled."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path

import streamlit as st

from explorer.errors import InputError
from explorer.jobs import JobState
from explorer.models import is_offline
from explorer.pipeline import (
    CHECKS,
    AskedCheck,
    CheckJob,
    CheckProgress,
    CheckRequest,
    Fields,
    Work,
    check,
    check_in_process,
    check_request,
    examine,
    forget,
    lost,
    needed,
    offers_corpus,
)
from explorer.policy import policy
from explorer.presentation.check import axis, captions as sentences, progress_captions as under_way
from explorer.study import own_names
from explorer.text import DEFAULT, PILE
from explorer.ui.charts import chart
from explorer.ui.clicks import consume, note, poll
from explorer.ui.frame import CHECK_LINK as LINK, current_palette, open_study_next
from explorer.ui.notices import wrong
from explorer.ui.visitor import visitor

POLL_SECONDS = 0.5
_ERROR, _START, _AGAIN = "check_error", "check_start", "check_again"


def start(fields: Fields) -> None:
    """Queue the check that the form describes; what is wrong with it is shown below the button."""
    st.session_state.pop(_ERROR, None)
    try:
        request = examine(fields)
        check_request(request)
        needs = needed(request)
        plan = needs.parts if needs is not None else ()
        asked = CHECKS.submit(visitor(), request.title, _work(request), request.wish, plan, fields.recorded, fields)
        st.query_params[LINK] = asked.name
    except InputError as error:
        st.session_state[_ERROR] = str(error)


def _work(request: CheckRequest) -> Work:
    rules = policy()

    def work(folder: Path, progress: CheckProgress) -> None:
        if rules.check_seconds is not None:
            check_in_process(request, folder, progress, rules)
        else:
            check(request.source, request.target, folder, request.options, request.command, progress)

    return work


def draw_job() -> bool:
    """Show the check that the link names, or else the visitor's, if there is one; whether one is under way.

    While it works the address names it by what its study will be called, and leads back to it after the tab was closed.
    """
    linked, mine = st.query_params.get(LINK), CHECKS.find(visitor())
    asked = CHECKS.named(linked) if linked else None
    if asked is not None and policy().public and asked.visitor != visitor():
        asked = None  # a stranger's
    if asked is None or (mine is not None and mine.job.busy and not asked.job.busy):
        asked = mine
    if asked is not None and asked.job.result is not None:
        if asked is mine:
            CHECKS.dismiss(asked)
        linked, asked = asked.job.result, None
    offered = asked is None and _offer_lost()
    if linked and asked is None:
        st.query_params.pop(LINK, None)
        if linked in own_names():
            open_study_next(linked)
            st.rerun()
        if not offered:
            st.html(f"<p class='fact' role='status'>{escape(under_way.gone(linked))}</p>")
    if asked is None:
        return False
    busy = asked.job.busy
    if busy and linked != asked.name:
        st.query_params[LINK] = asked.name
    poll(busy, partial(_draw, asked), POLL_SECONDS)
    return busy


def _offer_lost() -> bool:
    """Offer a check that ended with the app that ran it; whether there is one."""
    for gone in lost(visitor()):
        if consume(_AGAIN, partial(_again, gone)):
            st.rerun()
        st.html(f"<p class='fact' role='status'>{escape(under_way.lost(gone.title))}</p>")
        with st.container(horizontal=True, key="check_lost"):
            st.button("Start it again", type="primary", key=_AGAIN, on_click=note, args=(_AGAIN,))
            st.button("Forget it", key="check_forget", on_click=forget, args=(gone,))
        return True
    return False


def _again(gone: AskedCheck) -> None:
    forget(gone)
    start(gone.fields)


def draw_start(fields: Fields) -> None:
    """The button, and why it did not start."""
    st.button("Check this pair", type="primary", key=_START, on_click=note, args=(_START,))
    if consume(_START, partial(start, fields)):
        st.rerun()
    if message := st.session_state.get(_ERROR):
        wrong(message)


def _draw(asked: CheckJob) -> bool:
    now = asked.job.look()
    if now.busy:
        ahead = [other.progress.left for other in CHECKS.ahead(asked)]
        head, line = under_way.progress(asked.title, now, asked.progress.left, ahead)
        measured = asked.progress.sites if now.state == JobState.RUNNING else ()
        with st.container(key="check_progress"):
            st.html(f"<p class='large'>{escape(head)}</p>")
            if measured:
                st.html(f"<p class='verdict'>{under_way.so_far(measured, asked.progress.awaited)}</p>")
            st.progress(now.share)
            st.html(f"<p class='fact' role='status'>{escape(line)}</p>")
            with st.container(horizontal=True, vertical_alignment="center"):
                if asked.visitor == visitor():
                    st.button("Cancel", key="check_cancel", on_click=asked.job.cancel)
                st.html(f"<p class='fact quiet'>{under_way.goes_on(asked.name)}</p>")
        if measured:
            _draw_sites(asked.progress)
    elif now.state == JobState.FAILED:
        wrong(f"{asked.title}: {now.message}")
        if offers_corpus(now.message):
            _draw_texts()
    elif now.state == JobState.STOPPED:
        st.html(
            f"<p class='fact' role='status'>The check of {escape(asked.title)} was cancelled. Nothing of it is listed; "
            "steps that were finished are kept, so that another try is faster.</p>"
        )
    elif asked.job.result is not None:
        if asked.visitor == visitor():
            CHECKS.dismiss(asked)
        st.query_params.pop(LINK, None)
        open_study_next(asked.job.result)
        st.rerun()
    return now.busy


def _draw_texts() -> None:
    """The texts that a check without one may be given instead, as buttons that fill the form."""
    with st.container(horizontal=True, vertical_alignment="center", key="check_texts"):
        if not is_offline():
            st.button("Use the paper's corpus", key="check_use_pile", on_click=_use_text, args=(PILE,))
        st.button("Read Tales all the same", key="check_use_tales", on_click=_use_text, args=(DEFAULT.kind,))
        told = (
            "The corpus is fetched from the hub."
            if not is_offline()
            else "Offline: the paper's corpus cannot be fetched."
        )
        st.html(f"<p class='fact quiet'>{escape(told)}</p>")


def _use_text(text: str) -> None:
    st.session_state["check_text"] = text


def _draw_sites(progress: CheckProgress) -> None:
    """What is measured already; the other sites keep their lines."""
    st.markdown("#### Every site, as it is measured")
    figure = axis.sites_so_far(progress.sites, progress.awaited, current_palette())
    chart(
        figure,
        "check_so_far",
        "The number of each measured site, with its largest null and what an affine map reaches.",
    )
    st.html(sentences.sites_so_far(progress.sites, progress.awaited))
