"""Fit the map again, live, and compare it with the stored one: nobody has to believe a cached number."""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from explorer.jobs import MEASURERS, PATIENCE, Job, JobState
from explorer.presentation import captions as sentences
from explorer.ui import cache
from explorer.ui.clicks import consume, note, poll
from explorer.ui.desk import Desk
from explorer.ui.frame import View

POLL_SECONDS = 0.4
_BUTTON = "refit_button"


@st.cache_resource(scope="session", on_release=Desk.cancel, show_spinner=False)
def desk() -> Desk[str]:
    """This session's fits: the sentence on each, by what was fitted."""
    return Desk()


def refit(view: View) -> None:
    """A button that measures the pair at the chosen site from the models and the text, in the background."""
    _begin(view)
    now = desk().look(_key(view))
    poll(now is not None and now.busy, partial(_draw, view), POLL_SECONDS)


def _key(view: View) -> tuple[str, str, str, int]:
    return view.where, view.source, view.target, view.site.index


def _begin(view: View) -> None:
    consume(_BUTTON, lambda: desk().start(_key(view), partial(_measure, view)))


def _draw(view: View) -> bool:
    _begin(view)
    now, found = desk().look(_key(view)), desk().found(_key(view))
    busy = now is not None and now.busy
    with st.container(horizontal=True, vertical_alignment="center", key="refit"):
        if now is not None and busy:
            st.button("Cancel", key="refit_cancel", on_click=desk().cancel)
            st.progress(now.share, f"{now.ahead} before you" if now.ahead else now.step or "starting", width=420)
            return True
        st.button(f"Fit R again, live, at {view.site.label}", key=_BUTTON, on_click=note, args=(_BUTTON,))
        if now is not None and now.state == JobState.FAILED:
            st.html(f"<p class='fact'>{escape(now.message)}</p>")
        elif found is not None:
            st.html(f"<p class='fact'>{found}</p>")
        else:
            st.html("<p class='fact quiet'>Runs both models on the text and fits every map anew.</p>")
    return False


def _measure(view: View) -> Job[str]:
    """Prepare here, where caches are; what the thread does knows nothing of Streamlit."""
    from explorer.alignment import measure_pair
    from explorer.pipeline import CheckProgress, planned_fit

    with st.spinner(f"Loading {view.source} and {view.target} …"):
        source, target = (cache.model(view.where, name) for name in (view.source, view.target))
        dictionary = cache.dictionary(view.where, view.source, view.site.index)
        chunks, stored = cache.chunks(view.where), cache.maps(view.where, view.source, view.target)[view.site.name]
    found = {view.site.name: dictionary} if dictionary is not None else {}
    site, before = view.site, view.site_result

    def work(job: Job[str]) -> str:
        progress = CheckProgress(job.report, plan=planned_fit(source, target, chunks, site, bool(found)))
        live = measure_pair(source, target, chunks, [site], found, report=progress)
        difference = float((live.maps[site.name]["rotated"].matrix - stored["rotated"].matrix).abs().max())
        return sentences.refitted(before, live.result.sites[0], difference, job.seconds)

    failure = "the fit failed ({error}): try again, or choose another site"
    return Job(work, MEASURERS, PATIENCE, failure=failure)
