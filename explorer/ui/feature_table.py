"""The left third of the Features page: search, filters, the table; and the one place where the chosen feature lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import atlas, feature_sentences
from explorer.atlas import Query
from explorer.results import ARMS

if TYPE_CHECKING:
    import pandas as pd

    from explorer.ui.frame import View

_SHOWN, _WRITTEN = "feature ids in the table", "rows written to the table"
_DICTIONARY, _BOXED, _CHOSEN = "feature's dictionary", "features in the box", "chosen feature"


def settle(table: pd.DataFrame, view: View) -> None:
    """Keep the chosen feature across pages; choose one worth opening at first, and when the dictionary changes."""
    now = (view.where, view.source, view.site.index)
    changed = st.session_state.get(_DICTIONARY, now) != now
    if changed or _CHOSEN not in st.session_state:
        st.session_state[_CHOSEN] = atlas.exemplar(table)
    if changed:
        st.session_state[_BOXED] = None
    if changed or (st.session_state.get("feature") is None and "feature" not in st.query_params):
        st.session_state["feature"] = st.session_state[_CHOSEN]
    st.session_state[_DICTIONARY] = now


def controls(table: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """Draw the number, the search and the filters; return the chosen feature and the rows that the search leaves."""
    last = st.session_state[_CHOSEN]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input(
            "Search", key="find", bind="query-params", persist_state="session",
            placeholder="ship, genre=letter, 417", help="A feature number, a part of a label, or a promoted token.",
        )  # fmt: skip
        chosen = st.number_input(
            "Feature",
            min_value=0,
            max_value=len(table) - 1,
            value=None,
            step=1,
            placeholder=str(last),
            key="feature",
            bind="query-params",
            persist_state="session",
            width=150,
        )
    with st.container(horizontal=True, gap="medium"):
        alive = st.checkbox("alive only", True, key="alive", bind="query-params", persist_state="session")
        mutual = atlas.has_partners(table) and st.checkbox(
            "mutual nearest only", False, key="mutual", bind="query-params", persist_state="session",
            help="Only features that are the nearest of their nearest partner in B's own dictionary.",
        )  # fmt: skip
        boxed = st.session_state.get(_BOXED)
        if boxed is not None:
            st.button(f"only the {len(boxed)} in the box · clear", key="unbox", on_click=_unbox, type="tertiary")
    # An emptied number, and one that the browser's Back lost, mean the last one.
    st.session_state[_CHOSEN] = last if chosen is None else int(chosen)
    return st.session_state[_CHOSEN], atlas.search(table, Query(text or "", alive, mutual, boxed))


def _unbox() -> None:
    st.session_state[_BOXED] = None


def draw_table(table: pd.DataFrame, shown: pd.DataFrame, chosen: int, view: View, height: int = 560) -> None:
    """The table of correspondences; a click on a row chooses its feature."""
    st.html(f"<p class='fact quiet'>{feature_sentences.counts(table, shown, view.arm)}</p>")
    if shown.empty:
        st.info("No feature matches. Shorten the search, or take a filter off.")
        return
    ids = shown.index.tolist()
    st.session_state[_SHOWN] = ids
    # The table shows what is chosen, wherever it was chosen: its selection is written, never remembered.
    rows = [ids.index(chosen)] if chosen in ids else []
    st.session_state["table"] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.session_state[_WRITTEN] = rows
    others = [f"r_{arm}" for arm in ("rotated", "raw", "shuffled") if arm != view.arm]
    columns = [
        "label",
        "f1",
        f"r_{view.arm}",
        *others,
        "cosine_rotated",
        "cosine_raw",
        "density",
        "partner",
        "partner_r",
        "mutual",
    ]
    words = shown["label"].map(feature_sentences.short_label)
    listed = shown[[c for c in columns if c in shown]].assign(label=words).reset_index()
    st.dataframe(
        listed,
        key="table",
        hide_index=True,
        on_select=_row_clicked,
        selection_mode="single-row",
        height=height,
        row_height=30,
        column_config=_columns(view.arm, view.palette.arm(view.arm)),
        placeholder="n/a",
        alt="Features of the source with their label, firing correlations, cosines and partners.",
    )


def _row_clicked() -> None:
    rows = st.session_state["table"]["selection"]["rows"]
    ids = st.session_state[_SHOWN]
    # The browser also reports back the selection that was written: that is nobody's click.
    if rows and rows != st.session_state[_WRITTEN] and rows[0] < len(ids):
        st.session_state["feature"] = int(ids[rows[0]])


def map_clicked() -> None:
    """Callback of the map: one dot chooses its feature; a box lists its features in the table and opens the first."""
    points = st.session_state["map of features"]["selection"]["points"]
    ids = [int(p["customdata"][0]) for p in points if p.get("customdata")]
    st.session_state[_BOXED] = tuple(ids) if len(ids) > 1 else None
    listed = [i for i in st.session_state.get(_SHOWN, ()) if i in ids] or ids
    if listed:
        st.session_state["feature"] = int(listed[0])


def _columns(arm: str, colour: str) -> dict[str, Any]:
    column = st.column_config
    config: dict[str, Any] = {
        "feature": column.NumberColumn(
            "#", width=50, pinned=True, format="%d", help="Number of the feature in A's dictionary."
        ),
        "label": column.TextColumn("label", width=112, help="The latent label that the feature detects best."),
        "f1": column.NumberColumn(
            "F1", width=46, format="%.2f", help="F1 of that label in A. Below 0.3 take it as no label."
        ),
        "cosine_raw": column.NumberColumn(
            "cos raw", width=70, format="%.2f", help="Largest cosine with a direction of B's dictionary."
        ),
        "cosine_rotated": column.NumberColumn(
            "cos rotated", width=90, format="%.2f", help="The same after B's dictionary is carried through R."
        ),
        "density": column.NumberColumn(
            "density", width=76, format="percent", help="Share of test tokens at which it fires in A."
        ),
        "partner": column.NumberColumn(
            "partner",
            width=70,
            format="%d",
            help="The feature of B's own dictionary whose direction is nearest after R.",
        ),
        "partner_r": column.NumberColumn(
            "its r", width=56, format="%.2f", help="Firing correlation with that partner."
        ),
        "mutual": column.CheckboxColumn("mutual", width=64, help="Each is the other's nearest."),
    }
    for name in ARMS:
        config[f"r_{name}"] = column.NumberColumn(
            f"r {name}", width=78, format="%.2f", help="Firing correlation of A's feature in A and in B."
        )
    config[f"r_{arm}"] = column.ProgressColumn(
        f"r {arm}", width=92, format="%.2f", min_value=0, max_value=1, color=colour,
        help="Firing correlation of A's feature in A and in B, under the map chosen in the bar.",
    )  # fmt: skip
    return config
