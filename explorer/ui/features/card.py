"""The card of the chosen feature: what it is, what becomes of it in the target, its contexts in both models."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from explorer.alignment import MAPS, colour_of
from explorer.features import PER_QUARTER
from explorer.number_text import number
from explorer.presentation.features import (
    captions as feature_sentences,
    card_json,
    card_svg,
    densities as figures_features,
    stand_in,
)
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.features import cache as feature_cache
from explorer.ui.features.contexts import contexts_html
from explorer.ui.features.filters import show_all
from explorer.ui.features.own_text import draw_text
from explorer.ui.features.stars import star_button
from explorer.ui.features.steer import draw_steering
from explorer.ui.frame import KEPT, choice, kept
from explorer.ui.pages import PAGES
from explorer.ui.share import keep

if TYPE_CHECKING:
    import pandas as pd

    from explorer.features import Context
    from explorer.ui.features.table import Chosen
    from explorer.ui.frame import View

FEW = 6
GROUPS = ("most in A", "most in B", "top quarter", "second", "third", "lowest")
"""Which contexts the card shows; quarters are of all chunks in which it fires in A, by its largest activation."""
PANELS = ("contexts", "steer both", "your text", "numbers")
"""What stands under the card's sentence, one at a time."""


def draw_card(table: pd.DataFrame, listed: Chosen, view: View) -> None:
    """The card: sentence, firing r under the maps with the control, and one panel of more."""
    if listed.feature is None:
        st.info("The search and the filters leave no feature, so that there is no card. Take a filter off at the left.")
        return
    chosen = listed.feature
    row = table.loc[chosen]
    if listed.is_hidden:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="hidden"):
            said = f"Feature {chosen} is not in the list: the search or a filter leaves it out."
            st.html(f"<p class='fact small' role='status'>{said}</p>", width="stretch")
            if not listed.shown.empty:  # beside an empty list the same button stands there
                st.button("Show all", key="show_all", on_click=show_all)
    said = feature_sentences.headline(table, chosen, view.arm, view.source, view.target)
    keep("sentence", said)
    st.html(f"<p class='verdict'>{said}</p>")
    if not row["density"] > 0:
        return
    st.html(bars_html(feature_sentences.bars(table, chosen, view.arm), view))
    _draw_actions(table, chosen, view, said)
    panel = choice("panel", "More of this feature", PANELS)
    if panel == PANELS[1]:
        draw_steering(table, chosen, view)
    elif panel == PANELS[2]:
        draw_text(table, chosen, view)
    elif panel == PANELS[3]:
        _draw_numbers(table, chosen, view)
    else:
        _draw_contexts(table, chosen, view)


def _draw_contexts(table: pd.DataFrame, chosen: int, view: View) -> None:
    known = feature_cache.readings(view.where, view.source, view.target, view.site.index)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="contexts_row"):
        groups = [g for g in GROUPS if g != GROUPS[1] or known is not None]
        group = str(st.selectbox("Where it fires", groups, key="contexts", width=150, **KEPT))
        more = st.toggle("all, in full", key="more", **KEPT)
    found = _contexts(table, chosen, view, group, more)
    st.html(contexts_html(found, more, view, MAPS[view.arm].short))


def _contexts(table: pd.DataFrame, chosen: int, view: View, group: str, more: bool) -> list[Context]:
    """The contexts of a group; few of them unless all are asked for."""
    place = (view.where, view.source, view.target, view.site.index)
    known = feature_cache.readings(*place)
    numbers = _chunks(table.loc[chosen], known.loc[chosen] if known is not None else None, group, view.arm)
    return feature_cache.contexts(*place, view.arm, chosen, tuple(numbers[: None if more else FEW]))


def _draw_numbers(table: pd.DataFrame, chosen: int, view: View) -> None:
    place = (view.where, view.source, view.target, view.site.index)
    row = table.loc[chosen]
    st.html(readings_html(feature_sentences.readings(table, chosen), view))
    st.html(f"<p class='fact'>{feature_sentences.partner(table, chosen, view.target)}</p>")
    if said := stand_in.line(cache.substitution(*place[:3]), view.site.name, chosen, view.target):
        st.html(f"<p class='fact'>{said}</p>")
    own = list(row["promoted"]), list(row["suppressed"])
    carried = feature_cache.tokens_in_target(*place, view.arm, chosen)
    heads = (view.source, f"{view.target}, {MAPS[view.arm].short}")
    st.html(tokens_html((own, carried), heads, feature_cache.special_tokens(view.where)))
    known = feature_cache.readings(*place)
    if known is not None:
        _draw_densities(known.loc[chosen], float(row["largest"]), view)


def bars_html(found: Sequence[tuple[str, float]], view: View) -> str:
    """Firing r of one feature as bars from 0 to 1, one for each map, named at the bar and with its number."""
    out = ""
    for arm, r in found:
        colour, share = view.palette.arm(colour_of(arm)), 0.0 if r != r else max(0.0, min(1.0, r))
        kind = " null" if MAPS[arm].is_control else ""
        out += (
            f"<span class='name{kind}'>r {html.escape(arm)}</span>"
            f"<span class='track' aria-hidden='true' style='--mark: {colour}'>"
            f"<b style='width:{100 * share:.1f}%;min-width:{2 * (r == r)}px'></b></span>"
            f"<span class='value'>{number(r)}</span>"
        )
    return f"<div class='bars'>{out}</div>"


def _chunks(row: pd.Series, known: pd.Series | None, group: str, arm: str) -> list[int]:
    """Chunk numbers of a group of contexts."""
    if group == GROUPS[1] and known is not None:
        numbers = known[f"contexts_{arm}"]
    elif group in GROUPS[2:]:
        start = PER_QUARTER * GROUPS[2:].index(group)
        numbers = row["quarters"][start : start + PER_QUARTER]
    else:
        numbers = row["contexts"]
    return [int(n) for n in numbers if n >= 0]


def _draw_densities(known: pd.Series, largest: float, view: View) -> None:
    arms = list(dict.fromkeys(("source", view.arm, "raw", "shuffled")))
    counts = {arm: np.asarray(known[f"histogram_{arm}"]) for arm in arms}
    names = {arm: f"{view.target} {arm}" for arm in arms} | {"source": f"{view.source} itself"}
    rows = int(cache.test_chunks(view.where).scored.sum())
    chart(
        figures_features.densities(counts, largest, rows, names, view.palette),
        "densities",
        "How often the feature fires how strongly, in A and in B; shares of test tokens by activation.",
    )


def _draw_actions(table: pd.DataFrame, chosen: int, view: View, said: str) -> None:
    """Keep it, steer with it, take it along; what is taken is written when it is asked for."""
    name = f"{view.study.file.name}-{view.source}-{view.site.label.replace(' ', '')}-{chosen}"
    pair, rows = (view.source, view.target), feature_sentences.readings(table, chosen)
    partner = feature_sentences.partner(table, chosen, view.target)
    group, more = st.session_state.get("contexts"), st.session_state.get("more")

    def found() -> list[Context]:
        return _contexts(table, chosen, view, str(group or GROUPS[0]), bool(more))

    def data() -> bytes:
        return card_json(table, chosen, view.study.file.name, pair, view.site, view.arm, found())

    def picture() -> bytes:
        return card_svg(said, partner, rows, found(), pair, view.arm)

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="card_actions"):
        star_button(table, chosen, view)
        st.page_link(
            PAGES["steering"].script, label="Steer with it", icon=":material/explore:",
            query_params={**kept(), "vector": f"feature:{chosen}"},
        )  # fmt: skip
        with st.popover("Take along", key="link"):
            st.caption("This view, exactly:")
            address = (st.context.url or "").split("?")[0]
            params = {**st.query_params.to_dict(), "feature": str(chosen)}
            st.code(f"{address}?{urlencode(params)}", language=None, wrap_lines=True)
            st.download_button(
                "JSON", data, f"{name}.json", "application/json", key="card_json", on_click="ignore",
                help="This card as data.",
            )  # fmt: skip
            st.download_button(
                "SVG", picture, f"{name}.svg", "image/svg+xml", key="card_svg", on_click="ignore",
                help="This card as a picture for a slide.",
            )  # fmt: skip


def tokens_html(words: Sequence[tuple[list[str], list[str]]], heads: tuple[str, str], special: frozenset[str]) -> str:
    """Promoted and suppressed tokens of both models, side by side."""
    cells = ""
    for i, what in enumerate(("promotes", "suppresses")):
        for found, head, side in zip(words, heads, ("source", "target"), strict=True):
            name = f"<span class='quiet'>{what} in {html.escape(head)}</span>"
            cells += f"<p class='fact {what} {side}'>{name}<br>{feature_sentences.chips(found[i], special)}</p>"
    return f"<div class='pairs'>{cells}</div>"


def readings_html(rows: Sequence[tuple[str, ...]], view: View) -> str:
    """The table of readings; columns without a value in any row are left out."""
    heads = feature_sentences.READINGS
    used = [i for i in range(1, len(heads)) if any(row[i] for row in rows)]
    body = ""
    for row in rows:
        arm = row[0]
        kind = "chosen" if arm == view.arm else "null" if arm in MAPS and MAPS[arm].is_control else ""
        title = f"{html.escape(view.source)} itself" if arm == "source" else f"{html.escape(view.target)} {arm}"
        cells = "".join(f"<td>{row[i]}</td>" for i in used)
        body += f"<tr class='{kind}'><th scope='row'>{title}</th>{cells}</tr>"
    head = "".join(f"<th scope='col'>{heads[i]}</th>" for i in (0, *used))
    return f"<table class='readings'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
