"""The steering of one session: its job, kept while pages change, stopped when the tab closes, and shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape

import streamlit as st

from explorer.errors import InputError
from explorer.jobs import PATIENCE, JobState
from explorer.models import spelled
from explorer.presentation.steering import captions as steering_sentences
from explorer.steering import PLAIN, STEERED, LaneJob, Request, Snapshot, build_lanes
from explorer.ui import cache
from explorer.ui.clicks import clicked, consume, note, poll
from explorer.ui.features import cache as feature_cache
from explorer.ui.frame import View
from explorer.ui.steering.lanes import draw_lanes
from explorer.ui.steering.vector_cache import class_signs, class_tokens, ingredients, norms, stability
from explorer.ui.style import page_style

POLL_SECONDS = 0.12
MAX_SEED = 9999


@dataclass
class LaneDesk:
    """What one session has running, or has run last."""

    job: LaneJob | None = None
    """The job; None before the first, or where it could not be started."""
    request: Request | None = None
    """What it was asked."""
    error: str = ""
    """Why the last request could not be started."""

    def start(self, request: Request) -> None:
        """Stop what is running and write what is asked for instead."""
        self.stop()
        self.job, self.request, self.error = None, request, ""
        try:
            sites = [cache.study(request.study).site_at(i) for i in request.sites]
            lanes = build_lanes(ingredients(request), request.arms, request.dose, request.sampling.seed)
            typical = class_tokens(request)
            how = (request.prompt, request.sampling, typical, request.positions)
            self.job = LaneJob(lanes, sites, *how, watched=True, patience=PATIENCE)
        except InputError as error:
            self.error = str(error)

    def stop(self) -> None:
        """Stop what is running, if anything is."""
        if self.job is not None:
            self.job.stop()

    def more(self) -> None:
        """Go on where the lanes stand."""
        if self.job is not None:
            self.job.more()

    @property
    def running(self) -> bool:
        """Whether text is being written."""
        return self.job is not None and self.job.running

    def snapshot(self) -> Snapshot | None:
        """What there is to show."""
        if self.error:
            return Snapshot(JobState.FAILED, "", {}, message=self.error)
        return self.job.snapshot() if self.job else None


@st.cache_resource(scope="session", on_release=LaneDesk.stop, show_spinner=False)
def desk() -> LaneDesk:
    """This session's desk: no other session can reach it, and its work stops when the session ends."""
    return LaneDesk()


def draw_bench(view: View, request: Request) -> None:
    """Buttons, status and lanes; polls while text is being written."""
    page_style("steering")
    mine = desk()
    try:
        with st.spinner(f"Loading {view.source} and {view.target} …"):
            units = norms(request, request.sites[-1])
            facts = _facts(view, request, units)
    except InputError as error:
        st.html(f"<p class='fact'>{escape(str(error))}</p>")
        return
    for key in ("generate", "fresh"):
        consume(key, partial(mine.start, request))
    poll(mine.running, partial(_draw, view, request, facts), POLL_SECONDS)


def _facts(view: View, request: Request, units: tuple[float, float]) -> str:
    """The dose in both units, and how stable a single contrast is."""
    text = steering_sentences.dose(request.dose, view.source, view.target, units)
    text += steering_sentences.special(spelled(feature_cache.special_tokens(view.where), request.prompt))
    name = request.vectors[0].name
    if len(request.vectors) == 1 and name.feature is None and name.file is None:
        text += " " + steering_sentences.stability(*stability(request.study, request.source, request.sites[-1], name))
    return text


def _draw(view: View, request: Request, facts: str) -> bool:
    mine = desk()
    consume("generate", partial(mine.start, request))
    # Looked at once: what has ended since is shown by the next draw.
    snapshot = mine.snapshot()
    busy, more = (snapshot.busy, snapshot.can_continue) if snapshot else (False, False)
    stale = mine.request is not None and mine.request != request
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # Callbacks, and one rerun at the very end: what a fragment has not drawn when it reruns vanishes for a moment.
        st.button(
            "Regenerate" if mine.job else "Generate", type="primary", key="generate", shortcut="Ctrl+Enter",
            on_click=note, args=("generate",),
        )  # fmt: skip
        st.button("Stop", key="stop", shortcut="Esc", disabled=not busy, on_click=mine.stop)
        st.button("Continue", key="continue", shortcut="Alt+M", disabled=stale or not more, on_click=mine.more)
        st.button("Fresh seed", key="fresh", shortcut="Alt+S", on_click=_fresh_seed)
        status = escape(steering_sentences.status(snapshot, stale))
        st.html(f"<p class='fact' role='status'>{status}</p><p class='fact quiet'>{escape(facts)}</p>", width="stretch")
    shown = mine.request if stale and mine.request is not None else request
    draw_lanes(
        (PLAIN, STEERED, *shown.arms),
        (shown.source, shown.target),
        snapshot or Snapshot(JobState.DONE, request.prompt, dict.fromkeys((PLAIN, STEERED, *request.arms), "")),
        view.palette,
        view.arm,
        stale,
        feature_cache.special_tokens(request.study),
        class_signs(shown) if snapshot is not None and snapshot.tokens else (),
    )
    if clicked("fresh"):
        # The seed is a field of the page: its request is made by a run of the whole page.
        st.rerun()
    return busy


def _fresh_seed() -> None:
    st.session_state["seed"] = (int(st.session_state.get("seed", 0)) + 1) % (MAX_SEED + 1)
    note("fresh")
