"""Lanes of text side by side. Plain text only: what a model writes is escaped and never read as Markdown or HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from explorer.alignment import colour_of
from explorer.palette import Palette
from explorer.presentation.steering import captions as sentences
from explorer.steering import PLAIN, STEERED, Piece, Snapshot

FULL_KL = 4.0
"""KL, in nats, at which the tint of a token is at its strongest."""


def draw_lanes(
    keys: Sequence[str],
    names: tuple[str, str],
    snapshot: Snapshot | None,
    palette: Palette,
    focus: str,
    stale: bool,
    special: frozenset[str] = frozenset(),
) -> None:
    """One column for each lane; `focus` is the lane of the frame's map, `stale` dims what no longer fits the inputs.

    `special` tokens are outlined: they stand for no text.
    """
    titles = sentences.lane_titles(*names)
    columns = [_lane(key, titles, snapshot, palette, focus, special) for key in keys]
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
) -> str:
    title, what = titles[key]
    colour = palette.source if key in (PLAIN, STEERED) else palette.arm(colour_of(key))
    text, under = "", ""
    if snapshot is not None and key in snapshot.texts:
        pieces = snapshot.pieces.get(key, ())
        written = (
            _tinted(pieces, palette, titled=not snapshot.busy) if pieces else escape(_printable(snapshot.texts[key]))
        )
        end = "<span class='prompt'> (end)</span>" if key in snapshot.ended else ""
        text = f"<span class='prompt'>{_outlined(snapshot.prompt, special)}</span>{written}{end}"
        if key in snapshot.effects:
            under = sentences.lane_effect(snapshot.effects[key])
    return (
        f"<section class='{'focus' if key == focus else ''}' style='--lane: {colour}' aria-label='{escape(title)}'>"
        f"<h5>{escape(title)}</h5><p class='what'>{escape(what)}</p>"
        f"<div class='lane' data-lane='{escape(key)}'>{text}</div><p class='under'>{escape(under)}</p></section>"
    )


def _outlined(text: str, special: frozenset[str]) -> str:
    """Text with the special tokens that it spells out in an outline; nothing is lost or added."""
    if not special:
        return escape(_printable(text))
    parts = re.split(f"({'|'.join(map(re.escape, sorted(special)))})", text)
    box = "<span class='chip special' title='special token: it stands for no text'>{}</span>"
    return "".join(box.format(escape(p)) if p in special else escape(_printable(p)) for p in parts)


def _tinted(pieces: Sequence[Piece], palette: Palette, titled: bool) -> str:
    """Tokens on a tint that grows with their KL; at rest, hovering shows what else it might be."""
    out = []
    for piece in pieces:
        opacity = min(1.0, piece.kl / FULL_KL) * 0.55
        style = f" style='background: rgba({palette.highlight}, {opacity:.2f})'" if opacity >= 0.02 else ""
        title = f" title='{escape(sentences.alternatives(piece), quote=True)}'" if titled else ""
        out.append(f"<span{style}{title}>{escape(_printable(piece.text))}</span>")
    return "".join(out)


def _printable(text: str) -> str:
    """Text without what no font shows: control characters, and a last character that still lacks bytes (U+FFFD)."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text.rstrip("\ufffd"))
