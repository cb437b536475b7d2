"""Lanes of text side by side: what each model writes, how often that reads as the class, and what the vector did."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import streamlit as st

from explorer.alignment import colour_of
from explorer.palette import Palette
from explorer.presentation.steering import captions as sentences
from explorer.steering import PLAIN, STEERED, ClassCount, Piece, Snapshot
from explorer.ui.steering.lane_text import marked, marked_pieces, outlined

FULL_KL = 4.0
"""KL, in nats, at which a token's bar is full."""
LEAST_HEIGHT = 4
"""Per cent of the bar's height that a token which did not move has: so that one sees how many there are."""


@dataclass(frozen=True)
class LaneMarks:
    """What is marked in the lanes of one text."""

    signs: Collection[str] = ()
    """Words, in small letters, that are signs of the class: underlined."""
    special: frozenset[str] = frozenset()
    """Special tokens: outlined, as they stand for no text."""
    counts: Mapping[str, ClassCount] = field(default_factory=dict)
    """How many fresh texts of a lane read as the class, where that is known."""
    name: str = ""
    """What the class is called."""


def draw_lanes(
    keys: Sequence[str],
    names: tuple[str, str],
    snapshot: Snapshot,
    palette: Palette,
    focus: str,
    state: str,
    marks: LaneMarks,
) -> None:
    """One column for each lane; `focus` is the lane of the frame's map. state: live, recorded, stale or empty."""
    titles = sentences.lane_titles(*names)
    columns = [_lane(key, titles, snapshot, palette, focus, marks) for key in keys]
    kind = f"lanes{' stale' if state == 'stale' else ''}{'' if marks.counts else ' uncounted'}"
    place = f"class='{kind}' data-state='{state}' data-tokens='{snapshot.tokens}' style='--lanes: {len(columns)}'"
    st.html(f"<div {place}>{''.join(columns)}</div>")


def _lane(
    key: str,
    titles: Mapping[str, tuple[str, str]],
    snapshot: Snapshot,
    palette: Palette,
    focus: str,
    marks: LaneMarks,
) -> str:
    title, what = titles[key]
    colour = palette.source if key in (PLAIN, STEERED) else palette.arm(colour_of(key))
    text, bars, under = "", "", ""
    if key in snapshot.texts:
        pieces = snapshot.pieces.get(key, ())
        end = "<span class='prompt'> (end)</span>" if key in snapshot.ended else ""
        prompt = outlined(snapshot.prompt, marks.special)
        text = f"<span class='prompt'>{prompt}</span>{_written(key, snapshot, marks.signs)}{end}"
        bars = _bars(pieces) if key not in (PLAIN, "none") else ""
        if key in snapshot.effects:
            under = sentences.lane_effect(snapshot.effects[key])
    kind = " ".join(k for k, yes in (("focus", key == focus), ("plain", key in (PLAIN, "none"))) if yes)
    group = "B" if key == "none" else ""
    return (
        f"<section class='{kind}' data-begins='{group}' style='--lane: {colour}' "
        f"aria-label='{escape(title)}'>"
        f"<h5>{escape(title)}</h5><p class='what'>{escape(what)}</p>{_count(marks.counts.get(key), marks.name)}"
        f"<div class='lane' data-lane='{escape(key)}'>{text}</div>"
        f"<div class='under'>{bars}<p>{escape(under)}</p></div></section>"
    )


def _written(key: str, snapshot: Snapshot, signs: Collection[str]) -> str:
    """What the lane wrote; pale as far as the untouched lane of its model wrote the same words."""
    text, pieces = snapshot.texts.get(key, ""), snapshot.pieces.get(key, ())
    unfinished = snapshot.busy and key not in snapshot.ended
    same = 0
    if key not in (PLAIN, "none"):
        same = _same_words(text, snapshot.texts.get(PLAIN if key == STEERED else "none", ""))
    if pieces:
        return marked_pieces(pieces, signs, unfinished, same)
    return marked(text, signs, unfinished, same)


def _same_words(text: str, untouched: str) -> int:
    """How many characters, in whole words, two texts begin alike with."""
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(text, untouched, strict=False)))
    if same == len(text):
        return same
    while same and (text[same - 1 : same + 1].isalnum()):
        same -= 1
    return same


def _count(count: ClassCount | None, name: str) -> str:
    if count is None:
        return "<p class='count'></p>"
    bar = f"<i style='width: {100 * count.share:.0f}%'></i>"
    words = f"<b>{count.counted}</b> of {count.texts}"
    title = f"fresh texts that read as {escape(name, quote=True)}"
    return f"<p class='count' title='{title}'><span>{words}</span><s>{bar}</s></p>"


def _bars(pieces: Sequence[Piece]) -> str:
    """How far each token moved: one thin bar for each, in their order."""
    if not pieces:
        return ""
    heights = (max(LEAST_HEIGHT, 100 * min(1.0, piece.kl / FULL_KL)) for piece in pieces)
    most = max(piece.kl for piece in pieces)
    label = f"KL from untouched, token by token; the largest is {most:.1f} nats"
    bars = "".join(f"<i style='height: {h:.0f}%'></i>" for h in heights)
    return f"<div class='kl' role='img' aria-label='{label}' title='{label}'>{bars}</div>"
