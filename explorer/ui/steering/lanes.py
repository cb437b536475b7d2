"""Lanes of text side by side: what each model writes, and under it what the vector did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

import streamlit as st

from explorer.alignment import colour_of
from explorer.palette import Palette
from explorer.presentation.steering import captions as sentences
from explorer.steering import PLAIN, STEERED, Snapshot
from explorer.ui.steering.lane_text import marked, marked_pieces, outlined


def draw_lanes(
    keys: Sequence[str],
    names: tuple[str, str],
    snapshot: Snapshot | None,
    palette: Palette,
    focus: str,
    stale: bool,
    special: frozenset[str] = frozenset(),
    signs: Collection[str] = (),
) -> None:
    """One column for each lane; `focus` is the lane of the frame's map, `stale` dims what no longer fits the inputs.

    `special` tokens are outlined: they stand for no text. Words that are `signs` of the class are underlined.
    """
    titles = sentences.lane_titles(*names)
    columns = [_lane(key, titles, snapshot, palette, focus, special, signs) for key in keys]
    kind, count = "lanes stale" if stale else "lanes", snapshot.tokens if snapshot else 0
    place = f"class='{kind}' data-tokens='{count}' style='--lanes: {len(columns)}'"
    st.html(f"<div {place}>{''.join(columns)}</div>")


def _lane(
    key: str,
    titles: Mapping[str, tuple[str, str]],
    snapshot: Snapshot | None,
    palette: Palette,
    focus: str,
    special: frozenset[str],
    signs: Collection[str],
) -> str:
    title, what = titles[key]
    colour = palette.source if key in (PLAIN, STEERED) else palette.arm(colour_of(key))
    text, under = "", ""
    if snapshot is not None and key in snapshot.texts:
        pieces = snapshot.pieces.get(key, ())
        unfinished = snapshot.busy and key not in snapshot.ended
        written = marked_pieces(pieces, signs, unfinished) if pieces else marked(snapshot.texts[key], signs, unfinished)
        end = "<span class='prompt'> (end)</span>" if key in snapshot.ended else ""
        text = f"<span class='prompt'>{outlined(snapshot.prompt, special)}</span>{written}{end}"
        if key in snapshot.effects:
            under = sentences.lane_effect(snapshot.effects[key])
    return (
        f"<section class='{'focus' if key == focus else ''}' style='--lane: {colour}' aria-label='{escape(title)}'>"
        f"<h5>{escape(title)}</h5><p class='what'>{escape(what)}</p>"
        f"<div class='lane' data-lane='{escape(key)}'>{text}</div><p class='under'>{escape(under)}</p></section>"
    )
