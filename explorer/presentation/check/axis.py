"""The number on which a verdict rests, with its null, its ceiling and what is asked of it, on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from explorer.alignment import SiteResult, decisive
from explorer.estimates import Estimate
from explorer.number_text import interval, number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at, whiskers
from explorer.study import Mark, Reference

ROW, LEVEL = 46, 19
"""Pixels of a row, and of a line of text above the axis."""
DASH = {"null": "dash", "ceiling": "solid", "asked": "dot"}


def verdict_axis(marks: Sequence[Mark], held_against: Sequence[Reference], palette: Palette) -> go.Figure:
    """A row for each mark, the pair's own first, in full and with its interval; the references as lines through all."""
    figure = go.Figure()
    for i, mark in enumerate(marks):
        _mark(figure, mark, i, palette)
        _name(figure, mark.name, i, palette.ink, palette)
    for level, reference in enumerate(held_against):
        colour = palette.null if reference.kind == "null" else palette.ink
        figure.add_vline(x=reference.value, line={"color": colour, "width": 2, "dash": DASH[reference.kind]})
        side = "left" if reference.value < 0.5 else "right"
        said = f"{reference.name} {number(reference.value)}"
        text_at(
            figure, said, reference.value, 1, colour, yref="paper", xanchor=side, yanchor="bottom", yshift=LEVEL * level
        )
    values = [m.value if m.estimate is None else m.estimate.low for m in marks]
    _axes(figure, [*values, *(r.value for r in held_against)], len(marks), len(held_against), palette)
    return figure


def sites_so_far(sites: Sequence[SiteResult], awaited: Sequence[str], palette: Palette) -> go.Figure:
    """A row for each site while a check runs: its number with its largest null and what the affine map reaches."""
    figure = go.Figure()
    for i, site in enumerate(sites):
        by, null = decisive(site), decisive(site).nulls.gate
        others = (
            (null, "line-ns", palette.null, "largest null"),
            (site.ladder["affine"].value, "diamond-open", palette.affine, "affine map"),
        )
        for value, symbol, colour, name in others:
            marker = {"size": 15, "symbol": symbol, "color": colour, "line": {"width": 3, "color": colour}}
            hover = f"{name}: {number(value)}<extra></extra>"
            figure.add_trace(
                go.Scatter(name=name, x=[value], y=[i], mode="markers", marker=marker, hovertemplate=hover)
            )
        _mark(figure, Mark(site.label, by.estimate.value, by.estimate, by.colour), 0, palette, at=i)
        said = f"{site.label}: {site.verdict.verdict}" if site.verdict is not None else site.label
        _name(figure, said, i, palette.ink, palette)
    for i, label in enumerate(awaited, len(sites)):
        _name(figure, f"{label}: not yet measured", i, palette.null, palette)
    words = (
        (palette.rotated, "● R with one scale"),
        (palette.null, "| largest null"),
        (palette.affine, "◇ affine map"),
    )
    told = "   ".join(f"<span style='color:{colour}'>{text}</span>" for colour, text in words)
    text_at(figure, told, 0, 1, xref="paper", yref="paper", xanchor="left", yanchor="bottom")
    _axes(figure, [decisive(s).estimate.low for s in sites], len(sites) + len(awaited), 1, palette)
    return figure


def _name(figure: go.Figure, text: str, row: float, colour: str, palette: Palette) -> None:
    """What a row is, at its left above the mark; nothing shines through it."""
    place: dict[str, Any] = {"xref": "paper", "xanchor": "left", "yanchor": "bottom", "bgcolor": palette.paper}
    text_at(figure, text, 0, row, colour, yshift=6, **place)


def _mark(figure: go.Figure, mark: Mark, i: int, palette: Palette, at: float | None = None) -> None:
    e: Estimate | None = mark.estimate
    colour = palette.arm(mark.colour)
    text = interval(e) if e is not None else number(mark.value)
    figure.add_trace(
        go.Scatter(
            name=mark.name,
            x=[mark.value],
            y=[i if at is None else at],
            mode="markers+text",
            text=[f"  <b>{number(mark.value)}</b>  " if i == 0 else f"  {number(mark.value)}  "],
            textposition="bottom center" if at is not None else "middle right" if mark.value < 0.9 else "middle left",
            textfont={"size": 15 if i == 0 else 14},
            cliponaxis=False,
            marker={
                "size": 15 if i == 0 else 12,
                "symbol": "circle" if i == 0 else "circle-open",
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            error_x=None if e is None else whiskers([e], palette),
            hovertemplate=f"{mark.name}: {text}<extra></extra>",
        )
    )


def _axes(figure: go.Figure, values: Sequence[float], rows: int, levels: int, palette: Palette) -> None:
    base_layout(figure, palette, 64 + ROW * rows + LEVEL * levels)
    figure.add_vline(x=0, line={"color": palette.ink, "width": 1})
    left = max(-1.0, min(0.0, *values))
    figure.update_xaxes(title="explained variance of A's rows", range=[left - 0.04, 1.06], showgrid=True)
    figure.update_yaxes(range=[rows - 0.55, -0.75], showticklabels=False, showgrid=False)
    figure.update_layout(margin={"l": 12, "r": 16, "t": 10 + LEVEL * levels, "b": 48})
