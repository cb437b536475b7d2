"""What the Features page's table shows: search, filters and order, all in the link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.features import FATES, PLACES, Query, feature_table as atlas
from explorer.presentation.features import captions as feature_sentences
from explorer.ui.frame import KEPT, choice
from explorer.ui.notices import plain

if TYPE_CHECKING:
    import pandas as pd

    from explorer.ui.frame import View

BOXED = "features in the box"
_DENSITIES = {"0": 0.0, "0.01 %": 1e-4, "0.1 %": 1e-3, "1 %": 1e-2, "10 %": 0.1, "100 %": 1.0}
_FULL = (-1.0, 1.0)
_RANGES = ("dense", "rbefore", "rafter", "cosbefore", "cosafter")
ALL = "all"


def after(arm: str) -> str:
    """The map that counts as after: the one in the bar, or R where that is the raw reading itself."""
    return "rotated" if arm == "raw" else arm


def query(table: pd.DataFrame, view: View) -> Query:
    """Draw the search, what becomes of the features, and the filters, and return what they ask."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="search_row"):
        text = st.text_input(
            "Search", key="find", placeholder="ship, letter, 417", max_chars=100,
            help="A feature number, or words: of a label, of what it fires on, or of a token that it promotes.",
            **KEPT,
        )  # fmt: skip
        places = [p for p in PLACES if p != "label" or atlas.has_labels(table)]
        place = st.selectbox("in", places, key="findin", width=118, **KEPT)
    fate = choice("fate", f"What becomes of it in {plain(view.target)}", (ALL, *FATES))
    st.html(f"<p class='fact quiet small'>{feature_sentences.fates(table, view.arm)}</p>")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="filter_row"):
        with st.popover(_title(), key="filters"):
            alive = st.checkbox("alive only", True, key="alive", help="Only features that ever fire in A.", **KEPT)
            mutual = atlas.has_partners(table) and st.checkbox(
                "mutual only", False, key="mutual",
                help="Only features that are the nearest of their nearest partner in B's own dictionary.", **KEPT,
            )  # fmt: skip
            ranges = _ranges(table, view)
        orders = _orders(table, view)
        with st.popover("Sort", key="order"):
            sort = st.selectbox("Sort by", list(orders), key="sort", **KEPT)
            rising = st.checkbox("smallest first", False, key="rising", **KEPT)
    boxed = st.session_state.get(BOXED)
    if boxed is not None:
        st.button(f"only the {len(boxed)} chosen on the map · clear", key="unbox", on_click=_unbox, type="tertiary")
    chosen_fate = "" if fate == ALL else fate
    return Query(
        text or "", place, alive, mutual, boxed, ranges, orders.get(sort, "worth"), rising, chosen_fate, view.arm
    )


def show_all() -> None:
    """Take every filter off: a callback."""
    state = st.session_state
    state[BOXED] = None
    state["find"], state["fate"], state["alive"], state["mutual"] = "", ALL, True, False
    for key in _RANGES:
        if key in state:
            state[key] = (next(iter(_DENSITIES)), list(_DENSITIES)[-1]) if key == "dense" else _FULL


def _ranges(table: pd.DataFrame, view: View) -> dict[str, tuple[float, float]]:
    """Sliders; one that stands at its full range asks nothing, so that features without that value stay."""
    out: dict[str, tuple[float, float]] = {}
    names = list(_DENSITIES)
    low, high = st.select_slider("Density in A", names, (names[0], names[-1]), key="dense", width=330, **KEPT)
    if (low, high) != (names[0], names[-1]):
        out["density"] = _DENSITIES[low], _DENSITIES[high]
    arm = after(view.arm)
    sliders = [("rbefore", "Firing r, raw", "r_raw"), ("rafter", f"Firing r, {arm}", f"r_{arm}")]
    if atlas.has_partners(table):
        sliders += [("cosbefore", "Cosine, raw", "cosine_raw"), ("cosafter", f"Cosine, {arm}", f"cosine_{arm}")]
    for key, label, column in sliders:
        chosen = st.slider(label, *_FULL, _FULL, 0.05, key=key, width=330, **KEPT)
        if tuple(chosen) != _FULL:
            out[column] = float(chosen[0]), float(chosen[1])
    return out


def _title() -> str:
    """The filters' button says how many are set: they are folded away."""
    full: dict[str, tuple[Any, Any]] = {"dense": (next(iter(_DENSITIES)), list(_DENSITIES)[-1])}
    count = int(bool(st.session_state.get("mutual"))) + int(st.session_state.get("alive") is False)
    for k in _RANGES:
        whole: tuple[Any, Any] = full.get(k, _FULL)
        count += tuple(st.session_state.get(k) or whole) != whole
    return f"Filters: {count}" if count else "Filters"


def _orders(table: pd.DataFrame, view: View) -> dict[str, str]:
    """What the table can be sorted by: words for people, and the column."""
    arm = after(view.arm)
    found = {
        "worth opening": "worth",
        "number": "feature",
        "density": "density",
        f"r {arm}": f"r_{arm}",
        "r raw": "r_raw",
        "r shuffled": "r_shuffled",
        "F1 in A": "f1",
        "F1 in B": f"f1_{view.arm}",
        f"cosine {arm}": f"cosine_{arm}",
        "cosine raw": "cosine_raw",
        "partner's r": "partner_r",
        "one-to-one cosine": "one_to_one_cosine",
        "one-to-one r": "one_to_one_r",
    }
    if not atlas.has_labels(table):
        found = {k: v for k, v in found.items() if not v.startswith("f1")}
    return {k: v for k, v in found.items() if v in table or v == "feature"}


def _unbox() -> None:
    st.session_state[BOXED] = None
