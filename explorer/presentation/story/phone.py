"""The scenes' figures for a phone of 390 pixels: drawn anew as SVG, with a text size of their own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from explorer.alignment import HAAR_LEVEL, restored
from explorer.narrative import Story, cosine_family, matched
from explorer.number_text import number, percent
from explorer.palette import Palette
from explorer.presentation.story.figures import LIMITS, LOWEST, MATCHES, limit_of
from explorer.presentation.story.random_rows import ROWS
from explorer.study import RotationDraws

WIDE, ROW, TEXT = 360, 46, 15
"""Pixels of a figure, of a bar with its label, and of its text."""
LEFT, RIGHT = 6, 56
"""Room beside the bars; that on the right is for numbers."""


class _Bar(NamedTuple):
    """One bar with its label above."""

    label: str
    value: float
    told: str
    colour: str


def fails(story: Story, palette: Palette) -> str:
    """How much of the source's dictionary is there on its own model and on the sister as it is, at every site."""
    source, target, bars = story.sister.source, story.sister.target, []
    for site in story.sister.pair.sites:
        if site.dictionary is None:
            continue
        for name, arm, colour in ((source, "ceiling", palette.source), (target, "raw", palette.raw)):
            found = restored(site.dictionary, arm)
            if found is not None:
                bars.append(_Bar(f"{site.label}: on {name}", found.value, number(found.value), colour))
    return _bars(bars, palette, "0: shuffled pairs", "1: at home")


def cosine(story: Story, palette: Palette) -> str:
    """Share of decoder rows with a near copy in the other dictionary."""
    family = cosine_family(story)
    assert family is not None
    found = [(words.replace("<br>", " "), matched(family, case), colour) for case, words, colour, _ in MATCHES]
    bars = [
        _Bar(words, share, percent(share), palette.arm(colour)) for words, share, colour in found if share is not None
    ]
    return _bars(bars, palette, "none", "all rows: cosine > 0.5")


def limits(story: Story, palette: Palette) -> str:
    """How much of the source's rows each map predicts."""
    here = story.sister.here
    found = [(title, limit_of(here, key), palette.arm(colour)) for key, title, colour in LIMITS]
    found.append(("the token alone", here.token.lookup.value, palette.null))
    return _bars([_Bar(t, v, number(v), c) for t, v, c in found], palette, "0: the mean", "1: everything")


def random_rows(draws: RotationDraws, palette: Palette) -> str:
    """The p-values of every pair and site, a row for each law."""
    rows, marks = [law for law in ROWS if draws.of(law)], []
    for i, law in enumerate(rows):
        y = 24 + 110 * i
        marks.append(_text(LEFT, y, f"{ROWS[law][1]}: {len(draws.tests(law))} tests", palette))
        for pair in draws.of(law):
            for k, (site, test) in enumerate(zip(pair.sites, pair.tests, strict=True)):
                said = f"<title>{escape(pair.name)}, {escape(site)}: p = {test.p:.3f}</title>"
                marks.append(
                    f"<circle cx='{_x(test.p, 0, 1):.1f}' cy='{y + 16 + 13 * k}' r='5' fill='{palette.rotated}'>{said}</circle>"
                )
    high = 24 + 110 * len(rows)
    level = _x(HAAR_LEVEL, 0, 1)
    marks.append(f"<line x1='{level}' x2='{level}' y1='30' y2='{high}' stroke='{palette.ink}' stroke-dasharray='2 4'/>")
    for p in (0.05, 0.5, 1.0):
        marks.append(_text(_x(p, 0, 1), high + 18, f"{p:g}", palette, "middle"))
    return _svg(high + 26, marks, "p-values against random rotations")


def _bars(bars: Sequence[_Bar], palette: Palette, zero: str, one: str) -> str:
    """Bars below each other from 0 on, with lines at 0 and 1; what lies below the cut ends in an arrow."""
    low = max(LOWEST, min(0.0, *(bar.value for bar in bars)))
    high, marks = 28 + ROW * len(bars), []
    for at in (0, 1):
        x = _x(at, low, 1)
        marks.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='22' y2='{high}' stroke='{palette.ink}' stroke-width='1.5'/>")
    marks.append(_text(_x(0, low, 1), 15, zero, palette, "end" if low < -0.5 else "start"))
    marks.append(_text(_x(1, low, 1), 15, one, palette, "end"))
    for i, bar in enumerate(bars):
        y = 28 + ROW * i
        ends = sorted((_x(0, low, 1), _x(max(low, bar.value), low, 1)))
        cut = "◂ " if bar.value < low else ""
        marks.append(_text(LEFT, y + 14, bar.label, palette))
        marks.append(
            f"<rect x='{ends[0]:.1f}' y='{y + 20}' width='{max(1.5, ends[1] - ends[0]):.1f}' height='17' rx='2' fill='{bar.colour}'/>"
        )
        marks.append(_text(WIDE, y + 34, f"{cut}{bar.told}", palette, "end", "700"))
    return _svg(high + 4, marks, "; ".join(f"{bar.label} {bar.told}" for bar in bars))


def _x(value: float, low: float, top: float) -> float:
    return LEFT + (WIDE - LEFT - RIGHT) * (value - low) / (top - low)


def _text(x: float, y: float, words: str, palette: Palette, anchor: str = "start", weight: str = "400") -> str:
    return f"<text x='{x:.1f}' y='{y}' font-size='{TEXT}' font-weight='{weight}' text-anchor='{anchor}' fill='{palette.ink}'>{escape(words)}</text>"


def _svg(high: float, marks: Sequence[str], words: str) -> str:
    """An image, because Streamlit takes SVG out of HTML; `words` say what it shows."""
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDE} {high}' font-family='sans-serif'>{''.join(marks)}</svg>"
    return f"<img class='phone' src='data:image/svg+xml,{quote(svg)}' alt='{escape(words, quote=True)}'>"
