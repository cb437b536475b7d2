"""What the page opens with: the recorded generation of the pair, at its vector, site, dose and prompt."""

from __future__ import annotations

from types import MappingProxyType

import streamlit as st

from explorer.jobs import JobState
from explorer.steering import (
    PLAIN,
    STEERED,
    Arm,
    Positions,
    Request,
    Sampling,
    Snapshot,
    Suggestion,
    VectorSpec,
    Weighted,
    suggest,
)
from explorer.study import RecordedRun
from explorer.ui import cache
from explorer.ui.frame import SITE_LINKED, View, open_site_next


def recorded_run(view: View) -> RecordedRun | None:
    """The steered generation that was recorded of the pair; None where none was."""
    return cache.recorded_run(view.where, view.source, view.target)


def recorded_vector(view: View) -> str | None:
    """The vector of the recorded generation, as links write it."""
    run = recorded_run(view)
    return None if run is None else f"contrast:{run.contrast}"


def suggestion(view: View, chips: tuple[str, ...]) -> Suggestion:
    """Where and how strongly the chosen vectors are suggested to steer."""
    shares = cache.reading_shares(view.where, view.source, view.target)
    return suggest(chips, view.site.name, shares, cache.responses(view.where, view.source, view.target))


def open_at_suggestion(view: View, chips: tuple[str, ...]) -> None:
    """At the first visit: the dose and the site of the recording, or those that are suggested, unless the link names
    others; and a seed of which nothing is recorded, so that what is written live is new.
    """
    state, run = st.session_state, recorded_run(view)
    if "dose" in state or "dose" in st.query_params:
        return
    if run is not None and chips == (recorded_vector(view),):
        site, dose = run.site, run.dose
        if "seed" not in st.query_params:
            state.setdefault("seed", run.seed + 1)
    else:
        found = suggestion(view, chips)
        site, dose = found.site, found.dose
    if site != view.site.name and not state.get(SITE_LINKED):
        open_site_next(view.study.site(site).label)
        st.rerun()
    if site == view.site.name:
        state["dose"] = dose


def shows_recording(view: View, request: Request) -> bool:
    """Whether the recorded generation is one of what is asked for, however its tokens are sampled. A prompt that stops
    within a sentence stands for the ready one, which ends it.
    """
    run = recorded_run(view)
    return run is not None and (
        request.vectors == (Weighted(VectorSpec(contrast=run.contrast)),)
        and request.sites == (view.study.site(run.site).index,)
        and abs(request.dose - run.dose) < 1e-9
        and request.prompt in (run.prompt, f"{run.prompt}.")
        and request.positions == Positions.ALL
    )


def recorded_request(view: View, run: RecordedRun) -> Request:
    """What the recorded generation was asked."""
    arms: tuple[Arm, ...] = tuple(lane for lane in run.written if lane not in (PLAIN, STEERED))  # type: ignore[misc]
    length = max(map(len, run.written.values()))
    return Request(
        view.where, view.source, view.target, (view.study.site(run.site).index,),
        (Weighted(VectorSpec(contrast=run.contrast)),), run.dose, run.prompt, arms,
        Sampling(run.temperature, run.seed, length),
    )  # fmt: skip


def recorded_snapshot(run: RecordedRun) -> Snapshot:
    """The recorded generation as lanes show it."""
    texts = {lane: "".join(token.text for token in tokens) for lane, tokens in run.written.items()}
    return Snapshot(JobState.DONE, run.prompt, MappingProxyType(texts), tokens=sum(map(len, run.written.values())))
