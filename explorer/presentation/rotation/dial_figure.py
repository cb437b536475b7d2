"""The dial: clouds that turn into each other while explained variance moves along its curve, all in the browser."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from explorer.alignment import DialCurve
from explorer.number_text import number
from explorer.palette import Palette
from explorer.presentation.rotation.sites import base_layout

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
    t = list(curve.t)
    a, b = (np.round(cloud.astype(float), 2) for cloud in thinned(source_cloud, target_cloud))
    colours = [_mix(palette.raw, palette.rotated, x) for x in t]
    figure.add_trace(
        go.Scatter(
            x=a[:, 0],
            y=a[:, 1],
            mode="markers",
            name=names[0],
            hoverinfo="skip",
            marker={"color": palette.source, "size": 9, "symbol": "circle-open", "line": {"width": 1.4}},
        ),
        row=1,
        col=1,
    )
    figure.add_trace(
        go.Scatter(
            x=b[start, :, 0],
            y=b[start, :, 1],
            mode="markers",
            name=names[1],
            hoverinfo="skip",
            marker={"color": colours[start], "size": 6, "symbol": "diamond", "opacity": 0.65},
        ),
        row=1,
        col=1,
    )
    line = {"mode": "lines", "hovertemplate": "turned %{x:.0%}: %{y:.2f}<extra></extra>"}
    figure.add_trace(
        go.Scatter(x=t, y=curve.shuffled, line={"color": palette.null, "dash": "dot", "width": 2.5}, **line),
        row=1,
        col=2,
    )
    figure.add_trace(
        go.Scatter(x=t, y=curve.direct, line={"color": palette.affine, "dash": "dash", "width": 2.5}, **line),
        row=1,
        col=2,
    )
    figure.add_trace(
        go.Scatter(x=t, y=curve.dictionary, line={"color": palette.rotated, "width": 3.5}, **line), row=1, col=2
    )
    figure.add_trace(_needle(curve, start, colours[start], palette), row=1, col=2)
    figure.frames = [
        go.Frame(
            name=str(i),
            traces=[1, 5],
            data=[
                go.Scatter(
                    x=b[i, :, 0],
                    y=b[i, :, 1],
                    marker={"color": colours[i], "size": 6, "symbol": "diamond", "opacity": 0.65},
                ),
                _needle(curve, i, colours[i], palette),
            ],
        )
        for i in range(len(t))
    ]
    base_layout(figure, palette, 470)
    reach = 1.3 * float(max(np.quantile(np.abs(a), 0.985), np.quantile(np.abs(b), 0.985)))
    figure.update_xaxes(row=1, col=1, visible=False, range=[-reach, reach])
    figure.update_yaxes(row=1, col=1, visible=False, range=[-reach, reach], scaleanchor="x", scaleratio=1)
    figure.update_xaxes(row=1, col=2, tickvals=[0, 0.5, 1], ticktext=["raw", "half way", "R"], range=[-0.03, 1.03])
    low = min(min(curve.dictionary), min(curve.direct), min(curve.shuffled), 0.0)
    figure.update_yaxes(row=1, col=2, title="explained variance", range=[low - 0.1, 1.1])
    figure.add_hline(y=curve.ceiling, row=1, col=2, line={"color": palette.ink, "width": 2.5})
    figure.add_hline(y=0, row=1, col=2, line={"color": palette.ink, "width": 1})
    _curve_labels(figure, curve, names, palette)
    settings = {"mode": "immediate", "transition": {"duration": 0}}
    figure.update_layout(
        margin={"l": 12, "r": 128, "t": 40, "b": 106},
        sliders=[
            {
                "active": start,
                "x": 0.34,
                "len": 0.66,
                "y": -0.06,
                "pad": {"t": 34},
                "tickcolor": palette.ink,
                "currentvalue": {"visible": False},
                "bgcolor": palette.faint,
                "activebgcolor": palette.rotated,
                "bordercolor": palette.null,
                "font": {"size": 14, "color": palette.ink},
                "steps": [
                    {
                        "method": "animate",
                        "label": "",
                        "args": [[str(i)], {**settings, "frame": {"duration": 0, "redraw": False}}],
                    }
                    for i in range(len(t))
                ],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "x": 0,
                "y": -0.06,
                "xanchor": "left",
                "yanchor": "top",
                "pad": {"t": 30},
                "showactive": False,
                "bgcolor": palette.paper,
                "bordercolor": palette.null,
                "font": {"size": 15, "color": palette.ink},
                "buttons": [
                    {
                        "label": "Turn the dial",
                        "method": "animate",
                        "args": [
                            [str(i) for i in range(len(t))],
                            {**settings, "frame": {"duration": 90, "redraw": False}, "fromcurrent": False},
                        ],
                    }
                ],
            }
        ],
    )
    # Not the labels of the slider's steps: plotly leaves out those that do not fall on a multiple of its stride.
    for x, shift, text in ((0.34, 10, "raw"), (1, -10, "R")):
        figure.add_annotation(
            x=x, y=-0.06, xref="paper", yref="paper", xshift=shift, yshift=-62, text=text, showarrow=False,
            xanchor="center", yanchor="top", font={"size": 14, "color": palette.ink},
        )  # fmt: skip
    return figure


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
    span = 1.2 - min(min(curve.dictionary), min(curve.direct), min(curve.shuffled), 0.0)
    above = float("inf")
    for y, text, colour in ends:
        above = min(y, above - 0.13 * span)
        figure.add_annotation(
            xref="x2 domain",
            yref="y2",
            x=1.02,
            y=above,
            text=text,
            xanchor="left",
            align="left",
            showarrow=False,
            font={"size": 14, "color": colour},
        )
    figure.add_annotation(
        row=1,
        col=2,
        x=0.0,
        y=curve.ceiling,
        yshift=13,
        xanchor="left",
        showarrow=False,
        font={"size": 14},
        text=f"ceiling {curve.ceiling:.2f}",
    )
    marks = ((palette.source, f"○ {names[0]}"), (palette.rotated, f"◆ {names[1]}, turned"))
    text = "   ".join(f"<span style='color:{colour}'>{words}</span>" for colour, words in marks)
    figure.add_annotation(
        xref="paper", yref="paper", x=0, y=1.08, xanchor="left", text=text, showarrow=False, font={"size": 15}
    )


def _mix(a: str, b: str, share: float) -> str:
    pairs = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)
