"""The controls of the Steering page: vectors, dose, prompt and options, read into one request."""

from __future__ import annotations

from html import escape

import streamlit as st

from explorer.presentation.steering import arm_names, counts
from explorer.steering import AS_RAW, DEFAULT_LANES, LANES, MAX_DOSE, MAX_NEW_TOKENS, Arm, Positions, Request, Sampling
from explorer.study import Study
from explorer.ui.frame import KEPT, View
from explorer.ui.notices import plain
from explorer.ui.steering.lanes_panel import MAX_SEED
from explorer.ui.steering.opening import open_at_suggestion, suggestion
from explorer.ui.steering.vector_picker import FILE, LISTS, choose_vector, example_prompt, pick_vectors, weigh

MAX_PROMPT = 1000
"""Characters of a prompt; `prompt.check_prompt` limits its tokens."""

_OFFERED = "example prompts of this session"
IN_ORDER: tuple[Arm, ...] = tuple(arm for arm in arm_names.ARM_NAMES if arm in LANES)
"""Steered lanes of B as they stand beside the untouched one: R next to it, the controls last."""


def controls(view: View) -> Request:
    """Draw the controls; what they ask for. Raises InputError."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="steer_controls"):
        chips = pick_vectors(view)
        open_at_suggestion(view, chips)
        dose = st.slider(
            "Dose c, in median norms", -MAX_DOSE, MAX_DOSE, 0.3, 0.05, format="%+.2f", key="dose", width=220, **KEPT
        )
        example = _own_example(view.study, chips)
        prompt = st.text_input("Prompt", example, max_chars=MAX_PROMPT, key="prompt", **KEPT)
        with st.popover("Options", width=110):
            lanes, sites, positions = _where(view)
            sampling = _sampling()
    _own_and_suggested(view, chips, dose)
    vectors = weigh(chips, view)
    text = (prompt or "")[:MAX_PROMPT]
    return Request(view.where, view.source, view.target, sites, vectors, dose, text, lanes, sampling, positions)


def _own_and_suggested(view: View, chips: tuple[str, ...], dose: float) -> None:
    """Buttons for vectors of one's own, and where and how strongly the chosen vector is suggested to steer."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="steer_own"):
        st.button("My own prompts", key="own_lists", type="tertiary", on_click=choose_vector, args=(LISTS, ""))
        st.button("Upload a vector", key="own_file", type="tertiary", on_click=choose_vector, args=(FILE, ""))
        found = suggestion(view, chips)
        label = view.study.site(found.site).label
        st.html(f"<p class='fact quiet'>{escape(counts.suggestion(found, label))}</p>", width="content")
        if (found.site, round(found.dose, 2)) != (view.site.name, round(dose, 2)):
            st.button("Use it", key="use_suggested", on_click=set_place, args=(label, found.dose))


def set_place(site: str, dose: float) -> None:
    """Steer at a site (its label) with a dose: a callback, before widgets are drawn."""
    st.session_state["site"], st.session_state["dose"] = site, dose


def _own_example(study: Study, chips: tuple[str, ...]) -> str:
    """The study's example prompt; one that another study gave makes room for it, what a person wrote does not."""
    example, state = example_prompt(study, chips), st.session_state
    own = {example, *(p.prompt for p in study.corpus.contrasts())}
    offered: set[str] = state.setdefault(_OFFERED, set())
    if state.get("prompt") in offered - own:
        state["prompt"] = example
    offered |= own
    return example


def _where(view: View) -> tuple[tuple[Arm, ...], tuple[int, ...], Positions]:
    """Which lanes of B, at which sites and positions."""
    chosen = st.pills(
        f"Lanes of {plain(view.target)}", LANES, selection_mode="multi", default=DEFAULT_LANES, key="lanes",
        format_func=arm_names.ARM_NAMES.__getitem__, **KEPT
    )  # fmt: skip
    others = {site.label: site.index for site in view.study.sites if site != view.site}
    also = st.pills("Steer also at", list(others), selection_mode="multi", key="also", **KEPT)
    where = st.segmented_control(
        "Added to", [p.value for p in Positions], default=Positions.ALL.value, required=True, key="where", **KEPT
    )
    # The frame's map is always among the lanes: one switch drives every panel.
    shown = [lane for lane in IN_ORDER if lane in chosen or lane == view.arm]
    lanes: tuple[Arm, ...] = ("none", *shown, *((AS_RAW,) if view.arm == AS_RAW else ()))
    sites = tuple(sorted({view.site.index, *(others[label] for label in also if label in others)}))
    return lanes, sites, Positions(where or Positions.ALL)


def _sampling() -> Sampling:
    temperature = st.slider("Temperature (0: the likeliest token)", 0.0, 2.0, 0.8, 0.1, key="temperature", **KEPT)
    top_p = st.slider("Top-p", 0.1, 1.0, 1.0, 0.05, key="top_p", **KEPT)
    length = st.slider("Length, in tokens", 10, MAX_NEW_TOKENS, 60, 10, key="length", **KEPT)
    seed = st.number_input("Seed", 0, MAX_SEED, step=1, key="seed", **KEPT)
    return Sampling(temperature, int(seed), length, top_p)
