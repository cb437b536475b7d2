"""The dial: clouds that turn into each other while explained variance moves along its curve, all in the browser."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from explorer.alignment import DialCurve
from explorer.number_text import number
from explorer.palette import Palette, mixed
from explorer.presentation.plots import base_layout, motion, text_at

MOST_POINTS = 160
"""Points drawn of a cloud: more look the same, and marks are what a browser is slow at."""


def thinned(
    source_cloud: Float[np.ndarray, "n 2"], target_cloud: Float[np.ndarray, "t n 2"]
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "t m 2"]]:
    """The same points of both clouds, evenly left out until at most `MOST_POINTS` are there."""
    every = -(-len(source_cloud) // MOST_POINTS)
    return source_cloud[::every], target_cloud[:, ::every]


def dial(
    curve: DialCurve,
    source_cloud: Float[np.ndarray, "n 2"],
    target_cloud: Float[np.ndarray, "t n 2"],
    names: tuple[str, str],
    palette: Palette,
    start: int = 0,
) -> go.Figure:
    """The dial: the target's cloud turns from raw to rotated in the source's frame, and EV moves along its curve.

    The animation runs in the browser from frames in the figure; no server is asked while the dial turns.
    """
    figure = make_subplots(cols=2, rows=1, column_widths=[0.44, 0.56], horizontal_spacing=0.15)
    base_layout(figure, palette, 470)
    a, b = (np.round(cloud.astype(float), 2) for cloud in thinned(source_cloud, target_cloud))
    colours = [mixed(palette.raw, palette.rotated, t) for t in curve.t]
    _clouds(figure, a, b[start], colours[start], names, palette)
    _curves(figure, curve, palette)
    figure.add_trace(_needle(curve, start, colours[start], palette), row=1, col=2)
    figure.frames = [
        go.Frame(
            name=str(i),
            traces=[1, 5],
            data=[
                go.Scatter(x=b[i, :, 0], y=b[i, :, 1], marker=_turned(colours[i])),
                _needle(curve, i, colours[i], palette),
            ],
        )
        for i in range(len(curve.t))
    ]
    reach = 1.3 * float(max(np.quantile(np.abs(a), 0.985), np.quantile(np.abs(b), 0.985)))
    figure.update_xaxes(row=1, col=1, visible=False, range=[-reach, reach])
    figure.update_yaxes(row=1, col=1, visible=False, range=[-reach, reach], scaleanchor="x", scaleratio=1)
    _curve_labels(figure, curve, names, palette)
    _slider(figure, len(curve.t), start, palette)
    return figure


def _turned(colour: str) -> dict[str, object]:
    return {"color": colour, "size": 6, "symbol": "diamond", "opacity": 0.65}


def _clouds(
    figure: go.Figure,
    a: Float[np.ndarray, "m 2"],
    b: Float[np.ndarray, "m 2"],
    colour: str,
    names: tuple[str, str],
    palette: Palette,
) -> None:
    """Traces 0 and 1: the source's points, and the target's as the dial stands at first."""
    own = {"color": palette.source, "size": 9, "symbol": "circle-open", "line": {"width": 1.4}}
    for cloud, name, marker in ((a, names[0], own), (b, names[1], _turned(colour))):
        trace = go.Scatter(x=cloud[:, 0], y=cloud[:, 1], mode="markers", name=name, hoverinfo="skip", marker=marker)
        figure.add_trace(trace, row=1, col=1)


def _curves(figure: go.Figure, curve: DialCurve, palette: Palette) -> None:
    """Traces 2 to 4: explained variance along the dial, with the ceiling above."""
    for values, line in (
        (curve.shuffled, {"color": palette.null, "dash": "dot", "width": 2.5}),
        (curve.direct, {"color": palette.affine, "dash": "dash", "width": 2.5}),
        (curve.dictionary, {"color": palette.rotated, "width": 3.5}),
    ):
        hover = "turned %{x:.0%}: %{y:.2f}<extra></extra>"
        figure.add_trace(
            go.Scatter(x=list(curve.t), y=values, mode="lines", line=line, hovertemplate=hover), row=1, col=2
        )
    figure.update_xaxes(row=1, col=2, tickvals=[0, 0.5, 1], ticktext=["raw", "half way", "R"], range=[-0.03, 1.03])
    figure.update_yaxes(row=1, col=2, title="explained variance", range=[_lowest(curve) - 0.1, 1.1])
    figure.add_hline(y=curve.ceiling, row=1, col=2, line={"color": palette.ink, "width": 2.5})
    figure.add_hline(y=0, row=1, col=2, line={"color": palette.ink, "width": 1})


def _lowest(curve: DialCurve) -> float:
    return min(*curve.dictionary, *curve.direct, *curve.shuffled, 0.0)


def _slider(figure: go.Figure, stops: int, start: int, palette: Palette) -> None:
    """The slider and the button, which show the frames without asking the server."""
    motion(
        figure, "Turn the dial", [""] * stops, start, palette, 90, redraw=False,
        x=0.34, y=-0.06, pad={"t": 34}, tickcolor=palette.ink,
    )  # fmt: skip
    figure.update_layout(margin={"l": 12, "r": 128, "t": 40, "b": 106})
    # Not the labels of the slider's steps: plotly leaves out those that do not fall on a multiple of its stride.
    for x, shift, text in ((0.34, 10, "raw"), (1, -10, "R")):
        text_at(figure, text, x, -0.06, xref="paper", yref="paper", yanchor="top", xshift=shift, yshift=-62)


def _needle(curve: DialCurve, i: int, colour: str, palette: Palette) -> go.Scatter:
    y = curve.dictionary[i]
    return go.Scatter(
        x=[curve.t[i]],
        y=[y],
        mode="markers+text",
        text=[f"<b>{number(y)}</b>"],
        hoverinfo="skip",
        textposition="bottom right" if curve.t[i] < 0.5 else "bottom left",
        textfont={"size": 20, "color": palette.ink},
        marker={"size": 18, "color": colour, "line": {"width": 2.5, "color": palette.ink}},
        cliponaxis=False,
    )


def _curve_labels(figure: go.Figure, curve: DialCurve, names: tuple[str, str], palette: Palette) -> None:
    ends = sorted(
        [
            (curve.dictionary[-1], "dictionary,<br>true pairs", palette.rotated),
            (curve.shuffled[-1], "dictionary,<br>shuffled pairs", palette.null),
            (curve.direct[-1], "the rows<br>themselves", palette.affine),
        ],
        reverse=True,
    )
    # Labels stand at the ends of their lines; where lines end together, the labels move apart.
    span = 1.2 - _lowest(curve)
    above = float("inf")
    for y, text, colour in ends:
        above = min(y, above - 0.13 * span)
        text_at(figure, text, 1.02, above, colour, xref="x2 domain", yref="y2", xanchor="left", align="left")
    text_at(figure, f"ceiling {curve.ceiling:.2f}", 0, curve.ceiling, xref="x2", yref="y2", yshift=13, xanchor="left")
    marks = ((palette.source, f"○ {names[0]}"), (palette.rotated, f"◆ {names[1]}, turned"))
    text = "   ".join(f"<span style='color:{colour}'>{words}</span>" for colour, words in marks)
    text_at(figure, text, 0, 1.08, size=15, xref="paper", yref="paper", xanchor="left")
