"""What the figures of the talk are made of: text for the last row, clouds, matrices side by side. Imports no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at

SMALLEST = 20
"""Pixels of the smallest text: what the last row of a lecture hall can read."""
LARGE = 24
HEIGHT = 500
"""What is left of 720 pixels between the sentence and the bar; the page stretches it on taller screens."""


def staged(figure: go.Figure, palette: Palette) -> go.Figure:
    """A figure for the stage: every text at least 20 px, room for it, no height of its own."""
    base_layout(figure, palette, HEIGHT)
    figure.layout.height = None
    figure.update_layout(font={"size": SMALLEST}, hoverlabel={"font": {"size": SMALLEST}})
    figure.update_xaxes(tickfont={"size": SMALLEST}, title={"font": {"size": SMALLEST}})
    figure.update_yaxes(tickfont={"size": SMALLEST}, title={"font": {"size": SMALLEST}})
    for note in figure.layout.annotations:
        note.font.size = max(SMALLEST, note.font.size or 0)
    return figure


def fill(figure: go.Figure, column: int, a: NDArray[np.float16], b: NDArray[np.float16]) -> None:
    """Axes of a cloud: hidden, equally scaled, reaching over nearly every point of every step."""
    clouds = [x.astype(float).reshape(-1, 2) for x in (a, b)]
    ends = np.array([np.quantile(x, (0.006, 0.994), axis=0) for x in clouds])
    low, high = ends[:, 0].min(0), ends[:, 1].max(0)
    pad = 0.14 * (high - low)
    figure.update_xaxes(row=1, col=column, visible=False, range=[low[0] - pad[0], high[0] + pad[0]])
    figure.update_yaxes(
        row=1,
        col=column,
        visible=False,
        range=[low[1] - pad[1], high[1] + pad[1]],
        scaleanchor="x" if column == 1 else f"x{column}",
    )


def side_by_side(
    values: Sequence[NDArray[np.float64]],
    titles: Sequence[str],
    limits: tuple[float, float],
    colours: Sequence[str],
    palette: Palette,
) -> go.Figure:
    """Matrices as squares of equal size, each with its title above."""
    figure = make_subplots(cols=len(values), rows=1, horizontal_spacing=0.1)
    scale = [[i / (len(colours) - 1), colour] for i, colour in enumerate(colours)]
    for column, (matrix, title) in enumerate(zip(values, titles, strict=True), 1):
        figure.add_trace(
            go.Heatmap(
                z=np.round(matrix, 3).astype(np.float32), name=title, colorscale=scale, showscale=False,
                zmin=limits[0], zmax=limits[1],
            ),
            row=1, col=column,
        )  # fmt: skip
    staged(figure, palette)
    for column, title in enumerate(titles, 1):
        axis = "" if column == 1 else str(column)
        figure.update_xaxes(row=1, col=column, constrain="domain", showticklabels=False)
        figure.update_yaxes(
            row=1, col=column, scaleanchor=f"x{axis}", autorange="reversed", constrain="domain", showticklabels=False
        )
        xref, yref = f"x{axis} domain", f"y{axis} domain"
        text_at(figure, title, 0.5, 1, size=LARGE, xref=xref, yref=yref, yanchor="bottom", yshift=8)
    figure.update_layout(margin={"l": 64, "r": 24, "t": 52, "b": 60})
    return figure


def heading(figure: go.Figure, x: float, text: str) -> None:
    """A line of text above the figure, from `x` (share of its width) on."""
    text_at(figure, text, x, 1, None, SMALLEST, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=14)


def hatch(shape: str | list[str], palette: Palette) -> dict[str, object]:
    """A pattern over a colour: the second channel of bars."""
    return {"shape": shape, "fgcolor": palette.paper, "fillmode": "overlay", "size": 12, "solidity": 0.2}


def spot(colour: str, mark: str) -> str:
    """A mark in its colour, for a heading."""
    return f"<span style='color:{colour}'>{mark}</span>"
