"""The left of the Features page: the table, its neighbours, and the one place where the chosen feature lives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.alignment import arms, colour_of
from explorer.features import feature_search, feature_table as atlas
from explorer.presentation.features import captions as feature_sentences
from explorer.ui.features import cache as feature_cache, filters as feature_filters
from explorer.ui.features.filters import BOXED
from explorer.ui.features.map_layer import ROW
from explorer.ui.links import refuse, tell

if TYPE_CHECKING:
    import pandas as pd

    from explorer.ui.frame import View

_SHOWN, _WRITTEN = "feature ids in the table", "rows written to the table"
_DICTIONARY, _CHOSEN, _LINKED = "feature's dictionary", "chosen feature", "feature in the link"
_ASKED, _NOTHING = "what the filters asked for", "feature that the filters left without a list"
_PARAMETER = "feature"


def settle(table: pd.DataFrame, view: View) -> None:
    """Keep the chosen feature across pages; choose one worth opening at first, and when the dictionary changes.

    The number is not bound to the link, as the browser's Back would empty its box: it writes its own parameter, and a
    new one in the link wins over what was chosen before.
    """
    now, state = (view.where, view.source, view.site.index), st.session_state
    changed = state.get(_DICTIONARY, now) != now
    linked = st.query_params.get(_PARAMETER, "")
    if linked.isdecimal() and linked != state.get(_LINKED) and int(linked) < len(table):
        state["feature"] = int(linked)
    elif linked and linked != state.get(_LINKED):
        refuse(_PARAMETER, linked)
        state["feature"] = atlas.exemplar(table)
    elif changed or _CHOSEN not in state:
        state["feature"] = atlas.exemplar(table)
    elif "feature" not in state:
        state["feature"] = state[_CHOSEN]
    if changed:
        state[BOXED] = None
    state[_DICTIONARY] = now
    tell(_PARAMETER, "feature", str(state["feature"]), [f"0 to {len(table) - 1}"])


def choose(feature: int) -> None:
    """Make a feature the chosen one; for callbacks, which run before the page is drawn."""
    st.session_state["feature"] = int(feature)


@dataclass(frozen=True)
class Chosen:
    """What the list says: the feature of the card, and the features that are listed."""

    feature: int | None
    """The chosen feature; None where the filters leave none and nobody has asked for one since."""
    shown: pd.DataFrame
    """The rows of the list, in its order."""

    @property
    def is_hidden(self) -> bool:
        """Whether the filters leave the chosen feature out of the list."""
        return self.feature is not None and self.feature not in self.shown.index


def controls(table: pd.DataFrame, view: View) -> Chosen:
    """Draw search, filters, number and neighbours; return what they choose."""
    asked = feature_filters.query(table, view)
    contexts = None
    if asked.place == "contexts" and asked.text.strip():
        contexts = feature_cache.context_words(view.where, view.source, view.target, view.site.index)
    shown = feature_search.search(table, asked, contexts)
    _follow(shown, (view.where, view.source, view.site.index, replace(asked, sort="", rising=False)))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="number_row"):
        now = int(st.number_input("Feature", 0, len(table) - 1, step=1, key="feature", width=100))
        st.session_state[_CHOSEN], st.session_state[_LINKED] = now, str(now)
        if st.query_params.get(_PARAMETER) != str(now):
            st.query_params[_PARAMETER] = str(now)
        for step, name, key, word in ((-1, "Prev", "p", "before"), (1, "Next", "n", "after")):
            other = atlas.neighbour(shown, now, step)
            st.button(
                name, key=f"go_{key}", shortcut=key, on_click=choose, args=(other if other is not None else now,),
                disabled=other is None, help=f"The feature {word} this one in the list below.",
            )  # fmt: skip
    nothing = shown.empty and st.session_state.get(_NOTHING) == now
    return Chosen(None if nothing else now, shown)


def _follow(shown: pd.DataFrame, asked: tuple[object, ...]) -> None:
    """The card follows the list: what a new filter leaves out gives way to the first feature that it leaves.

    A feature that a person asks for by its number, or by a link, stays, and the page says that the list is without it.
    """
    state = st.session_state
    before, state[_ASKED] = state.get(_ASKED), asked
    if before in (None, asked) or state["feature"] in shown.index:
        return
    if shown.empty:
        state[_NOTHING] = state["feature"]
    else:
        choose(int(shown.index[0]))


def draw_table(table: pd.DataFrame, chosen: Chosen, view: View) -> None:
    """The table of correspondences; a click on a row chooses its feature."""
    shown = chosen.shown
    said = " ".join((feature_sentences.counts(table, shown, view.arm) + ".", feature_sentences.found_said(shown)))
    st.html(f"<p class='fact quiet small count'>{said}</p>")
    if shown.empty:
        st.info("No feature matches. Shorten the search, or take a filter off.")
        st.button("Show all", key="show_all", on_click=feature_filters.show_all)
        return
    ids = shown.index.tolist()
    st.session_state[_SHOWN] = ids
    # The table shows what is chosen, wherever it was chosen: its selection is written, never remembered.
    rows = [ids.index(chosen.feature)] if chosen.feature in ids else []
    st.session_state["table"] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.session_state[_WRITTEN] = rows
    with st.container(key="list"):
        st.dataframe(
            listing(table, shown, view.arm),
            key="table",
            hide_index=True,
            on_select=_row_clicked,
            selection_mode="single-row",
            height="stretch",
            row_height=ROW,
            column_config=_columns(view.arm, view.palette.arm(colour_of(view.arm))),
            placeholder="n/a",
            alt="Features of the source with what they fire on, label, firing correlations, cosines and partners.",
        )


def listing(table: pd.DataFrame, shown: pd.DataFrame, arm: str) -> pd.DataFrame:
    """The columns of the table, the chosen map's first."""
    others = [f"r_{other}" for other in ("rotated", "raw", "shuffled") if other != arm]
    labels = ["label", "f1", f"f1_{arm}"] if atlas.has_labels(table) else []
    after = feature_filters.after(arm)
    columns = [
        "fires_on",
        f"r_{arm}",
        "found",
        *labels,
        *others,
        f"cosine_{after}",
        "cosine_raw",
        "density",
        "partner",
        "partner_r",
        "mutual",
        "one_to_one",
        "one_to_one_cosine",
    ]
    words = shown["fires_on"].map(feature_sentences.spoken)
    names = shown["label"].map(feature_sentences.short_label)
    said = {"fires_on": words} | ({"label": names} if labels else {})
    if "found" in shown:
        said["found"] = shown["found"].map(feature_sentences.REASONS)
    return shown[[c for c in columns if c in shown]].assign(**said).reset_index()


def _row_clicked() -> None:
    rows = st.session_state["table"]["selection"]["rows"]
    ids = st.session_state[_SHOWN]
    # The browser also reports back the selection that was written: that is nobody's click.
    if rows and rows != st.session_state[_WRITTEN] and rows[0] < len(ids):
        choose(ids[rows[0]])


def select_group(features: list[int]) -> None:
    """Show only these features in the table and open the first of them that it lists; for callbacks."""
    st.session_state[BOXED] = tuple(features) if len(features) > 1 else None
    listed = [i for i in st.session_state.get(_SHOWN, ()) if i in set(features)] or features
    if listed:
        choose(listed[0])


def _columns(arm: str, colour: str) -> dict[str, Any]:
    column = st.column_config

    def number(name: str, width: int, words: str, form: str = "%.2f") -> Any:
        return column.NumberColumn(name, width=width, format=form, help=words)

    config: dict[str, Any] = {
        "feature": column.NumberColumn(
            "#", width=50, pinned=True, format="%d", help="Number of the feature in A's dictionary."
        ),
        "found": column.TextColumn("found as", width=84, help="Why the search found it; the best reason comes first."),
        "fires_on": column.TextColumn("fires on", width=132, help="Words at its peaks, most frequent first."),
        "label": column.TextColumn("label", width=112, help="The latent label that the feature detects best."),
        "f1": number("F1 in A", 62, "F1 of that label in A. Below 0.3 take it as no label."),
        f"f1_{arm}": number("F1 in B", 62, "F1 of the same detector on B's rows, under the map chosen in the bar."),
        "density": number("density", 76, "Share of test tokens at which it fires in A.", "percent"),
        "partner": number("partner", 70, "The feature of B's own dictionary that is nearest after R.", "%d"),
        "partner_r": number("its r", 56, "Firing correlation with that partner."),
        "mutual": column.CheckboxColumn("mutual", width=64, help="Each is the other's nearest."),
        "one_to_one": number("1:1", 56, "Its partner when no feature of B may serve twice (Hungarian).", "%d"),
        "one_to_one_cosine": number("1:1 cos", 68, "Cosine with the one-to-one partner, through R."),
    }
    for name in arms():
        config[f"r_{name}"] = number(f"r {name}", 78, "Firing correlation of A's feature in A and in B.")
        words = "Largest cosine with a direction of B's dictionary under this map."
        config[f"cosine_{name}"] = number(f"cos {name}", 90, words)
    config[f"r_{arm}"] = column.ProgressColumn(
        f"r {arm}", width=88, format="%.2f", min_value=0, max_value=1, color=colour,
        help="Firing correlation of A's feature in A and in B, under the map chosen in the bar.",
    )  # fmt: skip
    return config
