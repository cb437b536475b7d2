"""The right side of the Features page: the map of directions and the card of the chosen feature."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer import feature_sentences, figures_features
from explorer.feature_sentences import number
from explorer.ui import cache
from explorer.ui.feature_table import map_clicked
from explorer.ui.frame import choice

if TYPE_CHECKING:
    import pandas as pd

    from explorer.contexts import Context
    from explorer.ui.frame import View

FEW = 6
FRAME = ("study", "a", "b", "site", "map")
"""Query parameters of the frame: what a link to another page keeps."""
_STEERING = Path(__file__).resolve().parents[2] / "pages" / "steering.py"
_COLOURINGS = ("firing r", "label")


def draw_map(table: pd.DataFrame, shown: pd.DataFrame, chosen: int, view: View) -> None:
    """The map of decoder directions; a click on a dot or a box around some chooses."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"#### Directions of {view.source}, site {view.site.label}", width="content")
        colour = choice("colour", "Colour by", _COLOURINGS)
    by = "label" if colour == "label" else "r"
    if table["x"].isna().all():
        st.info("This study has no map of its directions; the table lists them all.")
        return
    frame = figures_features.map_frame(table, by)
    across, down = frame.place(table.loc[chosen, "x"], table.loc[chosen, "y"])
    edge = figures_features.EDGE
    with st.container(key="directions"):
        st.plotly_chart(
            figures_features.feature_map(table, shown.index, view.arm, by, frame, view.palette),
            key="map of features", theme=None, on_select=map_clicked, selection_mode=("points", "box"),
            config=figures_features.MAP_CONFIG,
            alt=f"Map of {len(table)} dictionary directions of {view.source}; the table lists the same features.",
        )  # fmt: skip
        left = f"calc({edge}px + (100% - {2 * edge}px) * {across:.4f})"
        st.html(f"<div class='ring' style='left:{left};top:{down:.1f}px'></div>")


def draw_card(table: pd.DataFrame, chosen: int, view: View) -> None:
    """The card: sentence, contexts in both models, promoted tokens, every reading with its control."""
    place = (view.where, view.source, view.target, view.site.index)
    row = table.loc[chosen]
    st.html(f"<p class='verdict'>{feature_sentences.headline(table, chosen, view.arm, view.source, view.target)}</p>")
    if not row["density"] > 0:
        return
    left, right = st.columns([0.4, 0.6], gap="medium")
    with left:
        st.html(_promoted(list(row["promoted"]), view.source, "source"))
        carried = cache.promoted_in_target(*place, view.arm, chosen)
        st.html(_promoted(carried, f"{view.target}, {feature_sentences.READ[view.arm]}", "target"))
        kept = {key: st.query_params[key] for key in FRAME if key in st.query_params}
        st.page_link(
            _STEERING, label="Steer with it", icon=":material/explore:",
            query_params={**kept, "vector": f"feature:{chosen}"},
        )  # fmt: skip
    numbers = right.empty()
    numbers.html(_readings(feature_sentences.readings(table, chosen, None), view))
    right.html(f"<p class='fact quiet'>{feature_sentences.beside_null(table, chosen, view.arm)}</p>")
    st.html(f"<p class='fact'>{feature_sentences.partner(table, chosen, view.target)}</p>")
    more = st.toggle("all contexts, in full", key="more", bind="query-params", persist_state="session")
    found = cache.contexts(*place, view.arm, chosen)
    st.html(contexts_html(found if more else found[:FEW], more, view))
    # Last, as the first visit to a pair reads the whole test text.
    f1 = {arm: float(scores[chosen]) for arm, scores in cache.label_f1(*place).items()}
    numbers.html(_readings(feature_sentences.readings(table, chosen, f1), view))


def _promoted(words: Sequence[str], where: str, side: str) -> str:
    chips = "".join(f"<span class='chip'>{html.escape(w)}</span>" for w in feature_sentences.tokens(words))
    return f"<p class='fact promoted {side}'><span class='quiet'>promotes in {html.escape(where)}</span><br>{chips}</p>"


def _readings(rows: Sequence[tuple[str, ...]], view: View) -> str:
    body = ""
    for arm, r, f1, density in rows:
        kind = "chosen" if arm == view.arm else "null" if arm in ("shuffled", "random") else ""
        title = f"{html.escape(view.source)} itself" if arm == "source" else f"{html.escape(view.target)} {arm}"
        body += f"<tr class='{kind}'><th scope='row'>{title}</th><td>{r}</td><td>{f1}</td><td>{density}</td></tr>"
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("read from", "firing r", "label F1", "density"))
    return f"<table class='readings'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def contexts_html(found: Sequence[Context], full: bool, view: View) -> str:
    """Contexts side by side, the same text in both models, as HTML: text is data, so every piece is escaped."""
    if not found:
        return "<p class='fact quiet'>It fires in none of its stored contexts.</p>"
    top = max(max(v for v in c.source if v == v) for c in found)
    heads = (view.source, f"{view.target}, {feature_sentences.READ[view.arm]}")
    cells = "".join(f"<div class='side'>{html.escape(h)}<span class='value'>at the peak</span></div>" for h in heads)
    for context in found:
        for values in (context.source, context.target):
            cells += _context(context, values, top, full, view.palette.highlight)
    return f"<div class='contexts tokens'>{cells}</div>"


def _context(context: Context, values: Sequence[float], top: float, full: bool, hue: str) -> str:
    shown = range(len(context.pieces)) if full else context.window()
    out = ["<span class='quiet'>…</span>"] if shown.start > 0 or not context.first else []
    for i in shown:
        text, value = context.pieces[i], values[i]
        piece = html.escape(text)
        if value != value:
            out.append(f"<span class='unscored' title='first token of a chunk: not scored'>{piece}</span>")
        elif value > 0 or i == context.peak:
            shade = min(1.0, 0.12 + 0.68 * value / top) if value > 0 else 0.0
            peak = " class='peak'" if i == context.peak else ""
            # The space before a word stays outside, so that no shade hangs at the end of a line.
            word = text.lstrip(" ") or text
            look = f"style='background:rgba({hue},{shade:.2f})' title='{number(value)}'"
            mark = f"<mark{peak} {look}>{html.escape(word)}</mark>"
            out.append(" " * (len(text) - len(word)) + mark)
        else:
            out.append(piece)
    if shown.stop < len(context.pieces):
        out.append("<span class='quiet'>…</span>")
    return f"<div class='context'><span class='value'>{number(values[context.peak])}</span>{''.join(out)}</div>"
