"""The picture with which Rotation opens: what comes back of the dictionary at every site, between a null and a ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from explorer.alignment import MAPS, ROTATION, PairResult, colour_of, restored, rotation_nulls
from explorer.estimates import Estimate
from explorer.number_text import interval, number
from explorer.palette import DASHES, Palette
from explorer.presentation.plots import base_layout, text_at, whiskers

FEW = ("raw", "translated", "rotated", "affine")
"""Maps that the picture has, whichever is chosen."""
SYMBOLS = {"raw": "x", "translated": "triangle-up", "rotated": "circle", "affine": "diamond-open", "random": "cross"}
"""Marks, so that nobody needs their colour."""
WORDS = {
    "raw": "as it is",
    "translated": "mean moved",
    "rotated": "through R",
    "affine": "affine",
    "random": "random R",
}
"""What stands at the marks."""
GLYPHS = {"raw": "✕", "translated": "▲", "rotated": "●", "affine": "◇", "random": "✚"}
"""The same marks in a line of text."""
DODGE = {"rotated": -0.07, "affine": 0.07}
"""Shares of a site's room by which marks that lie close stand apart."""
MOST_IN_LINE, LEFT = 4, 44
"""Maps named in one line; pixels left of the axis."""
LOWEST = -0.5
"""Where the axis ends: what lies lower stands at its edge with its number."""


@dataclass(frozen=True)
class _Line:
    """One value at every site."""

    arm: str
    """The map."""
    words: str
    """What stands beside it."""
    found: Sequence[Estimate | None]
    """The values."""


def opening(result: PairResult, chosen: str, site: str, palette: Palette) -> go.Figure:
    """*Restored*, faithful, at every site under a few maps: 0 is what shuffled pairs give, 1 the dictionary at home.

    A study without dictionaries shows the direct fit of the rows instead: R with one scale, the affine map, and the
    largest null of R, where 0 is predicting the mean.
    """
    scored = [s for s in result.sites if s.dictionary is not None]
    if scored:
        arms = [
            a
            for a in (*FEW, *(a for a in (chosen,) if a not in (*FEW, "shuffled")))
            if a in (scored[0].dictionary or {})
        ]
        lines = [_Line(a, WORDS.get(a, MAPS[a].title), [restored(s.dictionary or {}, a) for s in scored]) for a in arms]
        ends = ("shuffled pairs", "at home")
        title = "restored, faithful"
    else:
        scored = list(result.sites)
        lines = [
            _Line("rotated", "R, one scale", [s.ladder[ROTATION] for s in scored]),
            _Line("affine", "affine", [s.ladder["affine"] for s in scored]),
            _Line("null", "largest null", [_alone(rotation_nulls(s).gate) for s in scored]),
        ]
        ends = ("predicting the mean", "all of it")
        title = "explained variance of A's rows"
    labels = [f"<b>{s.label}</b>" if s.site == site else s.label for s in scored]
    figure = go.Figure()
    for line in lines:
        _draw(figure, line, chosen, palette)
    _axes(figure, ends, labels, lines, palette)
    _legend(figure, title, lines, palette)
    return figure


def _alone(value: float) -> Estimate:
    return Estimate(value, float("nan"), float("nan"))


def _draw(figure: go.Figure, line: _Line, chosen: str, palette: Palette) -> None:
    """Marks joined by a thin line; what lies below the axis at its edge; numbers at R and at the chosen map."""
    colour = _colour(line, palette)
    told = line.arm in ("rotated", chosen)
    kept = [None if e is None or e.value < LOWEST else e for e in line.found]
    at = [i + DODGE.get(line.arm, 0.0) for i in range(len(kept))]
    figure.add_trace(
        go.Scatter(
            name=line.words,
            x=at,
            y=[None if e is None else e.value for e in kept],
            mode="lines+markers+text",
            text=[f"<b>{number(e.value)}</b>" if e is not None and told else "" for e in kept],
            textposition="top center" if line.arm == "rotated" else "bottom center",
            textfont={"size": 15, "color": colour},
            line={"color": colour, "width": 1.5, "dash": DASHES.get(line.arm, "dot")},
            marker={
                "size": 14 if told else 11,
                "symbol": SYMBOLS.get(line.arm, "line-ew-open"),
                "color": colour,
                "line": {"width": 2, "color": palette.ink if line.arm == chosen else colour},
            },
            error_y=whiskers(kept, palette),
            customdata=["" if e is None else interval(e) for e in kept],
            hovertemplate=f"{line.words}: %{{customdata}}<extra></extra>",
            connectgaps=False,
            cliponaxis=False,
        )
    )
    for i, e in enumerate(line.found):
        if e is None or e.value >= LOWEST:
            continue
        figure.add_trace(
            go.Scatter(
                name=f"{line.words}, {number(e.value)}", x=[i], y=[LOWEST], mode="markers+text", text=[number(e.value)],
                textposition="top center", textfont={"size": 14, "color": colour}, customdata=[e.value],
                marker={"size": 13, "symbol": "triangle-down", "color": colour}, cliponaxis=False,
                hovertemplate=f"{line.words}: {interval(e)}<extra></extra>",
            )
        )  # fmt: skip


def _colour(line: _Line, palette: Palette) -> str:
    return palette.arm(colour_of(line.arm))


def _axes(
    figure: go.Figure, ends: tuple[str, str], labels: Sequence[str], lines: Sequence[_Line], palette: Palette
) -> None:
    base_layout(figure, palette, 400)
    low = min([0.0, *(e.value for line in lines for e in line.found if e is not None)])
    for y, words, width, dash in ((1.0, ends[1], 3, "solid"), (0.0, ends[0], 2, "dash")):
        colour = palette.ink if y else palette.null
        figure.add_hline(y=y, line={"color": colour, "width": width, "dash": dash})
        text_at(
            figure, f"{y:.0f} = {words}", 1, y, None if y else palette.null, xref="paper", xanchor="right", yshift=11
        )
    figure.update_yaxes(title="", range=[max(LOWEST, low) - 0.08, 1.14], tickvals=[-0.5, 0, 0.25, 0.5, 0.75, 1])
    places = list(range(len(labels)))
    figure.update_xaxes(range=[-0.45, len(labels) - 0.55], tickangle=0, tickvals=places, ticktext=list(labels))
    figure.update_layout(margin={"l": LEFT, "r": 12, "t": 76 if len(lines) > MOST_IN_LINE else 56, "b": 36})


def _legend(figure: go.Figure, title: str, lines: Sequence[_Line], palette: Palette) -> None:
    """The scale, and the maps in the colours of their marks, above the picture."""
    words = [
        f"<span style='color:{_colour(line, palette)}'>{GLYPHS.get(line.arm, '–')} {line.words}</span>"
        for line in lines
    ]
    parts = [title, "  ".join(words[:MOST_IN_LINE]), "  ".join(words[MOST_IN_LINE:])]
    place: dict[str, Any] = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "align": "left"}
    text_at(figure, "<br>".join(part for part in parts if part), 0, 1.0, xshift=-LEFT + 4, yshift=4, **place)
