"""The card of the chosen feature: what it is, what becomes of it in the target, its contexts in both models."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from explorer.alignment import MAPS
from explorer.features import PER_QUARTER
from explorer.presentation.features import (
    captions as feature_sentences,
    card_json,
    card_svg,
    densities as figures_features,
)
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.features import cache as feature_cache
from explorer.ui.features.contexts import contexts_html
from explorer.ui.frame import KEPT, choice, kept
from explorer.ui.pages import PAGES

if TYPE_CHECKING:
    import pandas as pd

    from explorer.features import Context
    from explorer.ui.frame import View

FEW = 6
GROUPS = ("most in A", "most in B", "top quarter", "second", "third", "lowest")
"""Which contexts the card shows; quarters are of all chunks in which it fires in A, by its largest activation."""


def draw_card(table: pd.DataFrame, chosen: int, view: View) -> None:
    """The card: sentence, promoted tokens, every reading with its control, densities, contexts in both models."""
    place = (view.where, view.source, view.target, view.site.index)
    row = table.loc[chosen]
    said = feature_sentences.headline(table, chosen, view.arm, view.source, view.target)
    st.html(f"<p class='verdict'>{said}</p>")
    if not row["density"] > 0:
        return
    actions = st.container(horizontal=True, vertical_alignment="center", gap="small", key="card_actions")
    special = feature_cache.special_tokens(view.where)
    own = list(row["promoted"]), list(row["suppressed"])
    carried = feature_cache.tokens_in_target(*place, view.arm, chosen)
    heads = (view.source, f"{view.target}, {MAPS[view.arm].short}")
    st.html(tokens_html((own, carried), heads, special))
    rows = feature_sentences.readings(table, chosen)
    st.html(readings_html(rows, view))
    st.html(f"<p class='fact'>{feature_sentences.partner(table, chosen, view.target)}</p>")
    known = feature_cache.readings(*place)
    if known is not None:
        _draw_densities(known.loc[chosen], float(row["largest"]), view)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        groups = [g for g in GROUPS if g != GROUPS[1] or known is not None]
        group = choice("contexts", "Contexts", tuple(groups))
        more = st.toggle("all, in full", key="more", **KEPT)
    numbers = _chunks(row, known.loc[chosen] if known is not None else None, group, view.arm)
    found = feature_cache.contexts(*place, view.arm, chosen, tuple(numbers[: None if more else FEW]))
    st.html(contexts_html(found, more, view, MAPS[view.arm].short))
    with actions:
        _draw_actions(table, chosen, view, said, rows, found)


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


def _draw_actions(
    table: pd.DataFrame, chosen: int, view: View, said: str, rows: Sequence[tuple[str, ...]], found: list[Context]
) -> None:
    st.page_link(
        PAGES["steering"].script, label="Steer with it", icon=":material/explore:",
        query_params={**kept(), "vector": f"feature:{chosen}"},
    )  # fmt: skip
    with st.popover("Link", key="link"):
        st.caption("This view, exactly:")
        address = (st.context.url or "").split("?")[0]
        params = {**st.query_params.to_dict(), "feature": str(chosen)}
        st.code(f"{address}?{urlencode(params)}", language=None, wrap_lines=True)
    name = f"{view.study.file.name}-{view.source}-{view.site.label.replace(' ', '')}-{chosen}"
    partner = feature_sentences.partner(table, chosen, view.target)
    st.download_button(
        "JSON", card_json(table, chosen, view.study.file.name, (view.source, view.target), view.site, view.arm, found),
        f"{name}.json", "application/json", key="card_json", on_click="ignore", help="This card as data.",
    )  # fmt: skip
    st.download_button(
        "SVG", card_svg(said, partner, rows, found, (view.source, view.target), view.arm), f"{name}.svg",
        "image/svg+xml", key="card_svg", on_click="ignore", help="This card as a picture for a slide.",
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
