"""A feature's card as data (JSON) and as a picture (SVG), for papers and slides."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.alignment import arms
from explorer.features import has_labels, has_partners
from explorer.files import encode
from explorer.palette import LIGHT
from explorer.presentation.features.captions import READINGS

if TYPE_CHECKING:
    import pandas as pd

    from explorer.features import Context
    from explorer.models import Site

SCHEMA = 1
WIDTH, MARGIN, LINE, LETTER = 1200, 40, 26, 9.6
"""Pixels: of the picture, around it, between lines, and of one letter in the monospaced type that its contexts use."""
CONTEXTS = 4


def scale(found: Sequence[Context]) -> float:
    """The activation that is shaded most, in both models: the largest shown."""
    return max((v for c in found for v in (*c.source, *c.target) if v == v), default=0.0) or 1.0


def shade(value: float, top: float) -> float:
    """Opacity of a token's shade: text on the deepest can still be read (contrast 4.5 in both themes)."""
    return min(1.0, 0.1 + 0.45 * value / top) if value > 0 else 0.0


def card_json(
    table: pd.DataFrame,
    feature: int,
    study: str,
    models: tuple[str, str],
    site: Site,
    arm: str,
    found: Sequence[Context],
) -> bytes:
    """Everything that the card of a feature shows, as indented JSON; null where a value is not defined."""
    row = table.loc[feature]

    def numbers(columns: Sequence[str]) -> dict[str, float | None]:
        known = {c: float(row[c]) for c in columns if c in table}
        return {c: v if v == v else None for c, v in known.items()}

    maps = {a: numbers([f"r_{a}", f"cosine_{a}", f"f1_{a}", f"density_{a}"]) for a in arms() if f"r_{a}" in table}
    data = {
        "schema": SCHEMA,
        "study": study,
        "source": models[0],
        "target": models[1],
        "site": site.name,
        "feature": feature,
        **numbers(["density", "largest"]),
        "label": str(row["label"]) if has_labels(table) else None,
        **(numbers(["f1"]) if has_labels(table) else {}),
        "fires_on": [str(w) for w in row["fires_on"]],
        "promoted": [str(w) for w in row["promoted"]],
        "suppressed": [str(w) for w in row["suppressed"]],
        "maps": maps,
        "partners": None
        if not has_partners(table)
        else {
            "nearest": int(row["partner"]),
            "mutual": bool(row["mutual"]),
            "one_to_one": int(row["one_to_one"]),
            **numbers(["partner_r", "one_to_one_cosine", "one_to_one_r"]),
        },
        "map": arm,
        "contexts": [
            {
                "document": c.document,
                "tokens": c.pieces,
                "source": [v if v == v else None for v in c.source],
                "target": [v if v == v else None for v in c.target],
            }
            for c in found
        ],
    }
    return encode(data)


def card_svg(
    said: str,
    partner: str,
    rows: Sequence[tuple[str, ...]],
    found: Sequence[Context],
    models: tuple[str, str],
    arm: str,
) -> bytes:
    """The card as a picture: its sentences, its readings, its strongest contexts in both models."""
    out: list[str] = []
    y: float = MARGIN + 20
    for text, size, width in ((said, 22, 92), (partner, 16, 130)):
        for line in textwrap.wrap(html.unescape(re.sub("<[^>]+>", "", text)), width):
            out.append(_text(MARGIN, y, line, size))
            y += size + 8
        y += 10
    for row in (READINGS, *rows):
        name = f"{models[0]} itself" if row[0] == "source" else row[0] if row is READINGS else f"{models[1]} {row[0]}"
        weight = "bold" if row[0] == arm else "normal"
        out.append(_text(MARGIN, y, name, 16, weight))
        out += [_text(300 + 130 * i, y, cell, 16, weight, "end") for i, cell in enumerate(row[1:], 1)]
        y += LINE
    y += 16
    top = scale(found)
    half = (WIDTH - 3 * MARGIN) / 2
    for x, name in ((MARGIN, models[0]), (2 * MARGIN + half, f"{models[1]}, {arm}")):
        out.append(_text(x, y, name, 16, "bold"))
    y += LINE
    for context in found[:CONTEXTS]:
        sides = [
            _tokens(context, values, x, y, half, top)
            for x, values in ((MARGIN, context.source), (2 * MARGIN + half, context.target))
        ]
        out += [mark for marks, _ in sides for mark in marks]
        y = max(end for _, end in sides) + LINE * 1.4
    height = int(y + MARGIN / 2)
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}'>"
    return f"{head}<rect width='100%' height='100%' fill='{LIGHT.paper}'/>{''.join(out)}</svg>\n".encode()


def _text(x: float, y: float, text: str, size: int, weight: str = "normal", anchor: str = "start") -> str:
    look = (
        f"font-family='sans-serif' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' fill='{LIGHT.ink}'"
    )
    return f"<text x='{x:.1f}' y='{y:.1f}' {look}>{html.escape(text)}</text>"


def _tokens(
    context: Context, values: Sequence[float], x: float, y: float, width: float, top: float
) -> tuple[list[str], float]:
    """One context as monospaced words with their shades; returns the marks and the last line's place."""
    out, at = [], x
    for i in context.window():
        text = context.pieces[i].replace("\n", " ")
        length = len(text) * LETTER
        if at + length > x + width:
            at, y, text = x, y + LINE, text.lstrip()
            length = len(text) * LETTER
        value = values[i]
        if value == value and value > 0:
            lead = (len(text) - len(text.lstrip())) * LETTER
            out.append(
                f"<rect x='{at + lead:.1f}' y='{y - 17:.1f}' width='{length - lead:.1f}' height='23' rx='3' "
                f"fill='{LIGHT.source}' fill-opacity='{shade(value, top):.2f}'/>"
            )
        look = (
            f"font-family='monospace' font-size='16' fill='{LIGHT.ink}' xml:space='preserve' textLength='{length:.1f}'"
        )
        if text.strip():
            out.append(f"<text x='{at:.1f}' y='{y:.1f}' {look}>{html.escape(text)}</text>")
        at += length
    return out, y
