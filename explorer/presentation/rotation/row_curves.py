"""A curve over numbers of rows, with its name and its last value beside its end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from explorer.number_text import number
from explorer.palette import DASHES, Palette
from explorer.presentation.plots import text_at


def add_row_curve(
    figure: go.Figure,
    name: str,
    rows: Sequence[int],
    values: Sequence[float],
    arm: str,
    palette: Palette,
    below: bool = False,
) -> None:
    """Add a curve in the colour and the dash of an arm; its name stands above its end, or well below it."""
    figure.add_trace(
        go.Scatter(
            x=list(rows),
            y=list(values),
            mode="lines+markers",
            line={"color": palette.arm(arm), "dash": DASHES[arm], "width": 3},
            marker={"size": 8},
            hovertemplate=f"{name}, %{{x:,}} rows: %{{y:.3f}}<extra></extra>",
        )
    )
    text_at(
        figure,
        f"{name} {number(values[-1])}",
        math.log10(rows[-1]),
        values[-1],
        palette.arm(arm),
        xanchor="right",
        yanchor="top" if below else "bottom",
        yshift=-70 if below else 8,
    )
