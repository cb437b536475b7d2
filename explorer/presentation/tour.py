"""The one-minute tour: a drawing of a model that shows where its sites are, and five sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import pairwise
from typing import Literal

from explorer.palette import Palette

Part = Literal["stream", "sites", "row", "turn", "scale"]
"""What a step points at."""
MOST_NAMED = 8
"""Sites that are named on the wire; of more, every other one, or fewer."""
_WIDE, _TOP, _GAP = 360, 34, 30


@dataclass(frozen=True)
class TourModel:
    """What the drawing is drawn from."""

    labels: tuple[str, ...]
    """Labels of the study's sites, input first."""
    site: str
    """Label of the site that is shown."""
    width: int
    """Numbers of a row."""
    names: tuple[str, str]
    """Source and target."""


@dataclass(frozen=True)
class Step:
    """One step of the tour."""

    part: Part
    """What the drawing points at."""
    sentence: str
    """What is said."""


def steps(model: TourModel) -> tuple[Step, ...]:
    """The five steps, in the words of the study that is shown."""
    a, b = model.names
    last = model.labels[-1]
    return (
        Step("stream", f"Every token runs through a model as a list of {model.width} numbers, the residual stream; each block reads it and adds to it."),
        Step("sites", f"A site is a place on that wire: {model.labels[0]} lies before the first block, {last} behind the last, and these pages look at {model.site}."),
        Step("row", "The list of one token at one site is a row, and a dictionary (SAE) takes it apart into a few features that can be named."),
        Step("turn", f"{b} was given the same text and holds other numbers there; one orthogonal map, R, turns its rows into those of {a} as well as turning can."),
        Step("scale", f"How well is told from 0, what shuffled pairs give, to 1, what the dictionary does at home on {a}: that number is called restored."),
    )  # fmt: skip


def drawing(model: TourModel, part: Part, palette: Palette) -> str:
    """The model as SVG in the colours of a palette, with what a step points at in full colour and the rest faint."""
    rows = [(y, label) for y, label in zip(_places(model), model.labels, strict=True)]
    bottom = rows[-1][0] + 40
    body = _words(bottom) + _wire(model, rows, bottom, part)
    if part in ("turn", "scale"):
        body += _other(model, rows, bottom, part)
    else:
        body += _beside(model, rows, part)
    for name, colour in asdict(palette).items():
        body = body.replace(f"var(--{name})", colour)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDE} {bottom + 32:.0f}' color='{palette.ink}' "
        f"font-family='system-ui, sans-serif' font-size='14' fill='currentColor'>{body}</svg>"
    )


def _places(model: TourModel) -> list[float]:
    """Height of each site on the wire: blocks stand between them, smaller where there are many."""
    step = 2.0 * _GAP if len(model.labels) <= MOST_NAMED else 2.0 * _GAP * MOST_NAMED / len(model.labels)
    return [_TOP + 26 + i * step for i in range(len(model.labels))]


def described(model: TourModel) -> str:
    """What the drawing shows, in words."""
    return f"A model as a wire from a word to the next word, with its sites {', '.join(model.labels)}."


def _words(bottom: float) -> str:
    return (
        f"<text x='92' y='18' text-anchor='middle'>a word</text>"
        f"<text x='92' y='{bottom + 24:.0f}' text-anchor='middle'>the next word</text>"
    )


def _wire(model: TourModel, rows: Sequence[tuple[float, str]], bottom: float, part: Part) -> str:
    lit = 1 if part == "stream" else 0.55
    out = [
        f"<path d='M92 26V{bottom:.0f}' stroke='var(--source)' stroke-width='{5 if part == 'stream' else 3}' opacity='{lit}'/>"
        f"<path d='M86 {bottom - 2:.0f}l6 9 6-9z' fill='var(--source)'/>"
    ]
    numbered = len(rows) <= MOST_NAMED
    for (y, _), (below, _) in pairwise(rows):
        size = (below - y) * 0.5
        out.append(
            f"<rect x='50' y='{y + size / 2:.1f}' width='84' height='{size:.1f}' rx='5' fill='var(--paper)' "
            f"stroke='currentColor' stroke-width='1.3' opacity='{1 if part == 'stream' else 0.6}'/>"
        )
    if numbered:
        out += [
            f"<text x='92' y='{(y + below) / 2 + 5:.1f}' text-anchor='middle' opacity='.8'>block {i}</text>"
            for i, ((y, _), (below, _)) in enumerate(pairwise(rows), 1)
        ]
    every = -(-len(rows) // MOST_NAMED)
    for i, (y, label) in enumerate(rows):
        here = label == model.site
        lit_site = here or part == "sites"
        out.append(
            f"<circle cx='92' cy='{y:.1f}' r='{8 if here else 5}' fill='var(--source)' stroke='var(--paper)' stroke-width='2'/>"
        )
        if here or i % every == 0 or i == len(rows) - 1:
            weight = " font-weight='650'" if here else ""
            out.append(
                f"<text x='150' y='{y + 5:.1f}'{weight} opacity='{1 if lit_site else 0.55}'>{escape(label)}</text>"
            )
    return "".join(out)


def _beside(model: TourModel, rows: Sequence[tuple[float, str]], part: Part) -> str:
    """To the right of the wire: nothing yet, or the row of one token and the features that it is made of."""
    if part != "row":
        return ""
    y = _at(model, rows)
    cells = "".join(
        f"<rect x='{230 + 10 * i}' y='{y - 9:.0f}' width='9' height='18' fill='var(--source)' opacity='{0.2 + 0.75 * ((7 * i * i + 3 * i) % 11) / 10:.2f}'/>"
        for i in range(11)
    )
    bars = "".join(
        f"<rect x='230' y='{y + 34 + 24 * i:.0f}' width='{w}' height='12' rx='2' fill='var(--rotated)'/>"
        for i, w in enumerate((74, 46, 22))
    )
    return (
        f"<path d='M206 {y:.0f}h18' stroke='currentColor'/>{cells}"
        f"<text x='230' y='{y - 16:.0f}'>one row</text>{bars}<text x='230' y='{y + 118:.0f}'>a few features</text>"
    )


def _other(model: TourModel, rows: Sequence[tuple[float, str]], bottom: float, part: Part) -> str:
    """The other model's wire and R between the two sites; or the scale from shuffled pairs to home."""
    y = _at(model, rows)
    if part == "turn":
        dots = "".join(
            f"<circle cx='300' cy='{place:.1f}' r='{8 if label == model.site else 5}' fill='var(--raw)' stroke='var(--paper)' stroke-width='2'/>"
            for place, label in rows
        )
        return (
            f"<path d='M300 26V{bottom:.0f}' stroke='var(--raw)' stroke-width='3' opacity='.6'/>{dots}"
            f"<text x='300' y='18' text-anchor='middle'>{escape(model.names[1])}</text>"
            f"<path d='M288 {y - 18:.0f}C260 {y - 34:.0f} 240 {y - 34:.0f} 214 {y - 18:.0f}' fill='none' stroke='var(--rotated)' stroke-width='3'/>"
            f"<path d='M216 {y - 27:.0f}l-9 11 14 1z' fill='var(--rotated)'/>"
            f"<text x='250' y='{y - 38:.0f}' text-anchor='middle' font-weight='650'>R</text>"
        )
    top, low = rows[0][0], rows[-1][0]
    return (
        f"<path d='M250 {top:.0f}V{low:.0f}' stroke='currentColor' stroke-width='2'/>"
        f"<path d='M240 {top:.0f}h20' stroke='currentColor' stroke-width='3'/><path d='M240 {low:.0f}h20' stroke='var(--null)' stroke-width='3'/>"
        f"<text x='268' y='{top + 5:.0f}'>1 at home</text><text x='268' y='{low + 5:.0f}'>0 shuffled</text>"
        f"<path d='M250 {low:.0f}V{(top + low) / 2:.0f}' stroke='var(--rotated)' stroke-width='7'/>"
        f"<text x='268' y='{(top + low) / 2 + 5:.0f}'>restored</text>"
    )


def _at(model: TourModel, rows: Sequence[tuple[float, str]]) -> float:
    return next((y for y, label in rows if label == model.site), rows[0][0])
