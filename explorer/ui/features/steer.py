"""The card steers both models: the chosen feature in A, carried to B, and a random direction, written side by side."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from explorer.alignment import colour_of
from explorer.presentation.features import steering_words as words
from explorer.steering import MAX_DOSE, PLAIN, STEERED, Request, Sampling, Snapshot, VectorSpec, Weighted
from explorer.ui.clicks import consume, note, poll
from explorer.ui.frame import KEPT
from explorer.ui.steering import LaneDesk

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from explorer.steering import Arm
    from explorer.ui.frame import View

POLL_SECONDS = 0.15
DOSE, NEW_TOKENS, TEMPERATURE = 0.5, 40, 0.8
OPENING = 2
"""Words of the example that its prompt takes."""
MAX_PROMPT = 300
_CLICK = "card_write"


@st.cache_resource(scope="session", on_release=LaneDesk.stop, show_spinner=False)
def _desk() -> LaneDesk:
    """This card's own desk: the Steering page keeps what it has written, and no other session reaches either."""
    return LaneDesk()


def draw_steering(table: pd.DataFrame, chosen: int, view: View) -> None:
    """Prompt, dose and one button; three lanes, and what both models write without any vector."""
    desk = _desk()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="card_steer_row"):
        prompt = st.text_input("Prompt", _prompt(view), max_chars=MAX_PROMPT, key="card_prompt", **KEPT)
        dose = st.slider(
            "Dose",
            -MAX_DOSE,
            MAX_DOSE,
            DOSE,
            0.1,
            format="%+.1f",
            key="card_dose",
            width=120,
            help="Length of what is added, in median norms of the rows of the model that is steered.",
            **KEPT,
        )
    ask = partial(_request, chosen, view, (prompt or "")[:MAX_PROMPT], float(dose))
    with st.spinner(f"Loading {view.source} and {view.target} …"):
        consume(_CLICK, lambda: desk.start(ask()))
    poll(desk.running, partial(_draw, table, chosen, view, ask), POLL_SECONDS)


def _prompt(view: View) -> str:
    """A few words after which any kind of text may follow: how the example's last sentence begins."""
    words_of = view.study.corpus.example.rstrip(".").split(". ")[-1].split()
    if len(words_of) > OPENING:
        return " ".join(words_of[:OPENING])
    return next((c.prompt for c in view.study.corpus.contrasts()), view.study.corpus.example)


def _request(chosen: int, view: View, prompt: str, dose: float) -> Request:
    """What one click asks: A's own lane comes by itself, then B as it is, under the bar's map, and random."""
    carried: Arm = "rotated" if view.arm == "random" else view.arm  # type: ignore[assignment]
    seed = int(st.session_state.get("card_seed", 0))
    vector = (Weighted(VectorSpec(feature=chosen)),)
    sampling = Sampling(TEMPERATURE, seed, NEW_TOKENS)
    arms: tuple[Arm, ...] = ("none", carried, "random")
    return Request(view.where, view.source, view.target, (view.site.index,), vector, dose, prompt, arms, sampling)


def _draw(table: pd.DataFrame, chosen: int, view: View, ask: Callable[[], Request]) -> bool:
    desk = _desk()
    # Asked anew: a second click on the same request has just asked for other chances.
    consume(_CLICK, lambda: desk.start(ask()))
    request = ask()
    snapshot = desk.snapshot()
    busy = snapshot.busy if snapshot else False
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="card_steer_buttons"):
        label = "Write again" if desk.request == request else "Steer both models"
        st.button(label, type="primary", key="card_write", on_click=_write, args=(desk.request == request,))
        st.button("Stop", key="card_stop", disabled=not busy, on_click=desk.stop)
        said = words.status(snapshot, desk.request is not None and desk.request != request)
        st.html(f"<p class='fact quiet small' role='status'>{escape(said)}</p>", width="stretch")
    asked = desk.request
    if snapshot is None or asked is None or asked.study != request.study:
        st.html(f"<p class='fact quiet'>{words.invitation(chosen, request.dose, view.source, view.target)}</p>")
        return busy
    feature = asked.vectors[0].name.feature
    # Another dictionary may have no feature of that number, or another one.
    same = (asked.source, asked.sites) == (request.source, request.sites) and feature in table.index
    signs = list(table.loc[feature, "fires_on"]) if same else []
    st.html(_lanes(asked, snapshot, signs, asked != request, view))
    return busy


def _write(again: bool) -> None:
    """Note the click; the same request again means other chances of the same lanes."""
    if again:
        st.session_state["card_seed"] = int(st.session_state.get("card_seed", 0)) + 1
    note(_CLICK)


def _lanes(asked: Request, snapshot: Snapshot, signs: list[str], stale: bool, view: View) -> str:
    """Three lanes one under the other, and what both models write without a vector (HTML; all text is escaped)."""
    feature, prompt = asked.vectors[0].name.feature or 0, escape(snapshot.prompt)
    out = ""
    for arm in (STEERED, *asked.arms[1:]):
        colour = view.palette.source if arm == STEERED else view.palette.arm(colour_of(arm))
        found = words.mark_signs(_printable(snapshot.texts.get(arm, "")), signs)
        title = escape(words.lane_title(arm, feature, asked.source, asked.target))
        under = escape(words.lane_count(found.signs, snapshot.effects.get(arm))) if not snapshot.busy else ""
        out += (
            f"<section style='--lane: {colour}' aria-label='{title}'>"
            f"<h5>{title} <span class='under'>{under}</span></h5>"
            f"<div class='lane' data-lane='{escape(arm)}'><span class='prompt'>{prompt}</span>{found.html}</div>"
            "</section>"
        )
    plain = {asked.source: PLAIN, asked.target: "none"}
    texts = {name: _printable(snapshot.texts.get(key, "")) for name, key in plain.items()}
    out += f"<p class='fact quiet small'>{words.untouched(texts, signs)}</p>"
    listed = escape(", ".join(f"“{s}”" for s in signs))
    if listed:
        out += f"<p class='fact quiet small'>Underlined: its words, those at its strongest activations ({listed}).</p>"
    return f"<div class='card-lanes{' stale' if stale else ''}' data-tokens='{snapshot.tokens}'>{out}</div>"


def _printable(text: str) -> str:
    """Text without what no font shows: control characters, and a last character that still lacks bytes (U+FFFD)."""
    return re.sub(r"[^\n\t -~\u00a0-\uffff]", "\ufffd", text.rstrip("\ufffd"))
