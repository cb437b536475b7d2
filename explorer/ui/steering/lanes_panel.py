"""The steering of one session: its job, kept while pages change, stopped when the tab closes, and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

import streamlit as st

from explorer.errors import InputError
from explorer.jobs import PATIENCE, JobState
from explorer.models import spelled
from explorer.presentation.steering import arm_names, captions as sentences, counts
from explorer.steering import PLAIN, STEERED, Arm, LaneJob, Request, Snapshot, build_lanes
from explorer.ui import cache
from explorer.ui.clicks import clicked, consume, note, poll
from explorer.ui.features import cache as feature_cache
from explorer.ui.frame import View
from explorer.ui.steering.count_desk import count_desk
from explorer.ui.steering.headline import draw_count_button, draw_headline, draw_how_counted, shown_counts, title_of
from explorer.ui.steering.lanes import LaneMarks, draw_lanes
from explorer.ui.steering.opening import recorded_request, recorded_run, recorded_snapshot, shows_recording
from explorer.ui.steering.vector_cache import class_signs, class_tokens, ingredients, norms, stability
from explorer.ui.style import page_style

POLL_SECONDS = 0.12
MAX_SEED = 9999
_SEEN = "recordings seen"
"""Pairs whose recording this session was shown: after an edit it stays, pale."""


@dataclass
class LaneDesk:
    """What one session has running, or has run last."""

    job: LaneJob | None = None
    """The job; None before the first, or where it could not be started."""
    request: Request | None = None
    """What it was asked."""
    error: str = ""
    """Why the last request could not be started."""
    former: tuple[Request, Snapshot] | None = None
    """What was written before, and what had been asked: shown until the new text begins."""

    def start(self, request: Request) -> None:
        """Stop what is running and write what is asked for instead."""
        self.stop()
        if self.job is not None and self.request is not None and (before := self.job.snapshot()).tokens:
            self.former = self.request, before
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
    """What is read, buttons, status and lanes; polls while text is being written or counted. Loads no model."""
    page_style("steering")
    for key, act in (("generate", desk().start), ("fresh", desk().start), ("count", count_desk().start)):
        if clicked(key):
            with st.spinner(f"Loading {view.source} and {view.target} …"):
                consume(key, partial(act, request))
    counting = count_desk().look(request)
    busy = desk().running or (counting is not None and counting.busy)
    with st.container(key="bench", gap="small"):
        poll(busy, partial(_draw, view, request), POLL_SECONDS)


def _draw(view: View, request: Request) -> bool:
    mine = desk()
    for key, act in (("generate", mine.start), ("count", count_desk().start)):
        consume(key, partial(act, request))
    # Looked at once, before what was found is read: what has ended since is shown by the next draw.
    snapshot, counting = mine.snapshot(), count_desk().look(request)
    shown, asked, state, told = _shown(view, request, snapshot)
    draw_headline(view, request)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bench_buttons"):
        # Callbacks, and one rerun at the very end: what a fragment has not drawn when it reruns vanishes for a moment.
        writing, more = (snapshot.busy, snapshot.can_continue) if snapshot else (False, False)
        st.button(
            "Write it live", type="primary", key="generate", shortcut="Ctrl+Enter", on_click=note, args=("generate",)
        )
        st.button("Stop", key="stop", shortcut="Esc", disabled=not writing, on_click=mine.stop)
        st.button(
            "Continue", key="continue", shortcut="Alt+M", disabled=state != "live" or not more, on_click=mine.more
        )
        st.button("Fresh seed", key="fresh", shortcut="Alt+S", on_click=_fresh_seed)
        draw_count_button(request, counting)
    special = _special(request, shown)
    told += sentences.special(spelled(special, request.prompt))
    signs = class_signs(asked) if shown.tokens else frozenset[str]()
    watched = any(map(len, shown.pieces.values()))
    legend = f"<p class='fact quiet'>{counts.legend(title_of(view, asked), len(signs), watched)}</p>"
    st.html(
        f"<div class='told'><p class='fact' role='status'>{escape(told)}</p> {legend if shown.tokens else ''}</div>"
    )
    marks = LaneMarks(
        signs, special, shown_counts(view, request) if asked == request or state == "recorded" else {},
        counts.class_name(title_of(view, request)),
    )  # fmt: skip
    draw_lanes(
        (PLAIN, STEERED, *in_order(asked.arms)),
        (asked.source, asked.target),
        shown,
        view.palette,
        view.arm,
        state,
        marks,
    )
    draw_how_counted(view, request)
    _draw_facts(view, request)
    if clicked("fresh"):
        # The seed is a field of the page: its request is made by a run of the whole page.
        st.rerun()
    return (snapshot is not None and snapshot.busy) or (counting is not None and counting.busy)


def _shown(view: View, request: Request, snapshot: Snapshot | None) -> tuple[Snapshot, Request, str, str]:
    """What the lanes show, what had been asked for it, its state, and the line that says so."""
    mine = desk()
    if snapshot is not None and mine.request is not None:
        stale = mine.request != request
        told = sentences.status(snapshot, stale)
        if snapshot.tokens:
            return snapshot, mine.request, "stale" if stale else "live", told
        if mine.former is not None:
            return mine.former[1], mine.former[0], "stale", told
        if (run := recorded_run(view)) is not None and _pair(view) in st.session_state.get(_SEEN, ()):
            return recorded_snapshot(run), recorded_request(view, run), "stale", told
        return _nothing(request), request, "empty", told
    if (run := recorded_run(view)) is not None:
        seen = st.session_state.setdefault(_SEEN, set())
        pair = _pair(view)
        fits = shows_recording(view, request)
        if fits:
            seen.add(pair)
        if pair in seen:
            told = sentences.recorded(run, request.prompt, not fits)
            return recorded_snapshot(run), recorded_request(view, run), "recorded" if fits else "stale", told
    return _nothing(request), request, "empty", sentences.status(None, False)


def _pair(view: View) -> tuple[str, str, str]:
    return view.where, view.source, view.target


def _draw_facts(view: View, request: Request) -> None:
    """The dose in both units, and how stable a single contrast is; once the models are in memory."""
    if desk().job is None:
        return
    text = sentences.dose(request.dose, view.source, view.target, norms(request, request.sites[-1]))
    name = request.vectors[0].name
    if len(request.vectors) == 1 and name.feature is None and name.file is None:
        text += " " + sentences.stability(*stability(request.study, request.source, request.sites[-1], name))
    st.html(f"<p class='fact quiet'>{escape(text)}</p>")


def in_order(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Lanes of B from left to right: the untouched one, R beside it, the controls last."""
    return tuple(sorted(arms, key=list(arm_names.ARM_NAMES).index))


def _nothing(request: Request) -> Snapshot:
    return Snapshot(JobState.DONE, request.prompt, dict.fromkeys((PLAIN, STEERED, *request.arms), ""))


def _special(request: Request, shown: Snapshot) -> frozenset[str]:
    """The special tokens that a prompt may spell out; none for one without <, as the model would have to be loaded."""
    return feature_cache.special_tokens(request.study) if shown.pieces or "<" in request.prompt else frozenset()


def _fresh_seed() -> None:
    st.session_state["seed"] = (int(st.session_state.get("seed", 0)) + 1) % (MAX_SEED + 1)
    note("fresh")
