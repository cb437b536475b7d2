"""The dial: clouds that turn into each other while a number moves along its curve, all in the browser."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from explorer.alignment import DialCurve, DialLines
from explorer.number_text import number
from explorer.palette import Palette, mixed
from explorer.presentation.plots import base_layout, motion, text_at
from explorer.presentation.rotation.dictionary_bars import NAMES, TITLES

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
    lines: DialLines,
    source_cloud: Float[np.ndarray, "n 2"],
    target_cloud: Float[np.ndarray, "t n 2"],
    names: tuple[str, str],
    palette: Palette,
    start: int = 0,
) -> go.Figure:
    """The dial: the target's cloud turns from raw to rotated in the source's frame, and `lines` say what it brings.

    The animation runs in the browser from frames in the figure; no server is asked while the dial turns.
    """
    figure = make_subplots(cols=2, rows=1, column_widths=[0.44, 0.56], horizontal_spacing=0.15)
    base_layout(figure, palette, 520)
    a, b = (np.round(cloud.astype(float), 2) for cloud in thinned(source_cloud, target_cloud))
    colours = [mixed(palette.raw, palette.rotated, t) for t in curve.t]
    _clouds(figure, a, b[start], colours[start], names, palette)
    _curves(figure, curve, lines, palette)
    figure.add_trace(_needle(curve.t[start], lines.true[start], colours[start], palette), row=1, col=2)
    figure.frames = [
        go.Frame(
            name=str(i),
            traces=[1, len(figure.data) - 1],
            data=[
                go.Scatter(x=b[i, :, 0], y=b[i, :, 1], marker=_turned(colours[i])),
                _needle(t, lines.true[i], colours[i], palette),
            ],
        )
        for i, t in enumerate(curve.t)
    ]
    reach = 1.3 * float(max(np.quantile(np.abs(a), 0.985), np.quantile(np.abs(b), 0.985)))
    figure.update_xaxes(row=1, col=1, visible=False, range=[-reach, reach], constrain="domain")
    figure.update_yaxes(row=1, col=1, visible=False, range=[-reach, reach], scaleanchor="x", constrain="domain")
    _curve_labels(figure, _drawn(curve, lines, palette), lines, palette)
    marks = ((palette.source, f"○ {names[0]}"), (palette.raw, f"◆ {names[1]}, as it is"), (palette.rotated, "◆ turned"))
    text = "   ".join(f"<span style='color:{colour}'>{words}</span>" for colour, words in marks)
    text_at(figure, text, 0, 1, size=15, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=46)
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


class _Line(NamedTuple):
    """One line along the dial."""

    values: tuple[float, ...]
    name: str
    colour: str
    dash: str
    width: float


def _drawn(curve: DialCurve, lines: DialLines, palette: Palette) -> list[_Line]:
    """Shuffled pairs, true pairs, and the rows themselves where the scale is EV."""
    found = [
        _Line(lines.shuffled, "shuffled pairs", palette.null, "dot", 2.5),
        _Line(lines.true, "true pairs", palette.rotated, "solid", 3.5),
    ]
    if lines.scale == "EV":
        found.append(_Line(curve.direct, "the rows themselves", palette.affine, "dash", 2.5))
    return found


def _curves(figure: go.Figure, curve: DialCurve, lines: DialLines, palette: Palette) -> None:
    """Traces 2 and more: what the lines say along the dial, with what the dictionary does at home above."""
    drawn = _drawn(curve, lines, palette)
    for line in drawn:
        style = {"color": line.colour, "dash": line.dash, "width": line.width}
        hover = "turned %{x:.0%}: %{y:.2f}<extra></extra>"
        figure.add_trace(
            go.Scatter(x=list(curve.t), y=line.values, mode="lines", line=style, hovertemplate=hover), row=1, col=2
        )
    figure.update_xaxes(row=1, col=2, tickvals=[0, 0.5, 1], ticktext=["raw", "half way", "R"], range=[-0.03, 1.03])
    figure.update_yaxes(
        row=1,
        col=2,
        range=[_lowest(drawn) - 0.12 * (lines.top - _lowest(drawn)), lines.top + 0.2],
    )
    figure.add_hline(y=lines.top, row=1, col=2, line={"color": palette.ink, "width": 2.5})
    figure.add_hline(y=0, row=1, col=2, line={"color": palette.ink, "width": 1})


def _lowest(drawn: list[_Line]) -> float:
    return min(0.0, *(value for line in drawn for value in line.values))


def _slider(figure: go.Figure, stops: int, start: int, palette: Palette) -> None:
    """The slider and the button, which show the frames without asking the server."""
    motion(
        figure, "Turn the dial", [""] * stops, start, palette, 90, redraw=False,
        x=0, y=-0.06, pad={"t": 30}, tickcolor=palette.ink,
    )  # fmt: skip
    # Beneath the slider, not beside it: on a phone it would lie over it.
    figure.layout.updatemenus[0].pad.t = 86
    figure.update_layout(margin={"l": 12, "r": 12, "t": 82, "b": 150})
    # Not the labels of the slider's steps: plotly leaves out those that do not fall on a multiple of its stride.
    for x, shift, text in ((0, 12, "raw"), (1, -10, "R")):
        text_at(figure, text, x, -0.06, xref="paper", yref="paper", yanchor="top", xshift=shift, yshift=-58)


def _needle(t: float, y: float, colour: str, palette: Palette) -> go.Scatter:
    return go.Scatter(
        x=[t],
        y=[y],
        mode="markers+text",
        text=[f"<b>{number(y)}</b>"],
        hoverinfo="skip",
        textposition="bottom right" if t < 0.5 else "bottom left",
        textfont={"size": 20, "color": palette.ink},
        marker={"size": 18, "color": colour, "line": {"width": 2.5, "color": palette.ink}},
        cliponaxis=False,
    )


def _curve_labels(figure: go.Figure, drawn: list[_Line], lines: DialLines, palette: Palette) -> None:
    # Labels stand at the ends of their lines, inside: the highest above its line, the others below; apart where lines
    # end together.
    span = lines.top + 0.3 - _lowest(drawn)
    place: dict[str, Any] = {"xref": "x2", "yref": "y2", "xanchor": "right"}
    first, *others = sorted(drawn, key=lambda line: line.values[-1], reverse=True)
    text_at(figure, first.name, 1, first.values[-1], first.colour, yanchor="bottom", yshift=5, **place)
    above = first.values[-1]
    for line in others:
        above = min(line.values[-1], above - 0.1 * span)
        text_at(figure, line.name, 1, above, line.colour, yanchor="top", yshift=-5, **place)
    home = f"at home {number(lines.top)}"
    text_at(figure, home, 0, lines.top, xref="x2", yref="y2", yshift=13, xanchor="left")
    # Above its axis, not beside it: on a phone it would lie over the cloud.
    scale = f"{TITLES[lines.scale]}, {NAMES[lines.reading]}"
    text_at(figure, scale, 0, 1, xref="x2 domain", yref="y2 domain", xanchor="left", yanchor="bottom", yshift=4)
