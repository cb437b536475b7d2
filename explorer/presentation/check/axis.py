"""The number on which a verdict rests, beside its references, on one axis."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from explorer.number_text import interval, number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, whiskers
from explorer.study import Mark


def verdict_axis(marks: Sequence[Mark], palette: Palette) -> go.Figure:
    """A row for each mark, the pair's own first, in full and with its interval."""
    figure = go.Figure()
    for i, mark in enumerate(marks):
        e, colour = mark.estimate, palette.arm(mark.colour)
        text = interval(e) if e is not None else number(mark.value)
        figure.add_trace(
            go.Scatter(
                name=mark.name,
                x=[mark.value],
                y=[mark.name],
                mode="markers+text",
                text=[f"  {number(mark.value)}"],
                textposition="middle right",
                textfont={"size": 14},
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
    figure.add_vline(x=0, line={"color": palette.ink, "width": 1})
    base_layout(figure, palette, 70 + 30 * len(marks))
    left = min(0.0, *(m.value if m.estimate is None else m.estimate.low for m in marks))
    figure.update_xaxes(title="explained variance of A's rows", range=[max(-1.0, left) - 0.04, 1.12], showgrid=True)
    figure.update_yaxes(categoryorder="array", categoryarray=[m.name for m in marks][::-1], showgrid=False)
    figure.update_layout(margin={"l": 260, "r": 24, "t": 10, "b": 48})
    return figure
