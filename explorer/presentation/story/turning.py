"""Named groups of tokens that turn: the same words in both models joined by lines that shrink, or stay long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from explorer.narrative import Chapter, dials, turned
from explorer.number_text import number, percent
from explorer.palette import Palette, mixed
from explorer.presentation.plots import motion, text_at
from explorer.presentation.rotation import NAMES, TITLES
from explorer.presentation.story.stage import SMALLEST, heading, spot, staged

TURN_MILLISECONDS = 110
"""A step of the dial; points move all the time."""
WIDTHS, APART, PIXELS = (0.51, 0.3, 0.19), 0.06, (580, 430)
"""Shares of the three pictures and of what is between them, and the size of the first on a 1280 × 720 screen, for which
its names are placed.
"""
PLACES = ("middle right", "middle left", "top center", "bottom center", "top right", "top left", "bottom right",
          "bottom left")  # fmt: skip
LETTER, LINE, INWARD = 11.5, 26, 400
"""Pixels of a letter and of a line of a name, and how many of overlap a name into the crowd is as bad as."""


class _Side(NamedTuple):
    """One of the two pictures: the dial of R, or that of an R of shuffled pairs."""

    column: int
    paths: NDArray[np.float64]
    words: NDArray[np.float64]
    distance: list[float]
    colours: list[str]


def turning(chapter: Chapter, others: Sequence[Chapter], palette: Palette) -> go.Figure:
    """The groups along the dial, beside them the same for shuffled pairs, and how much of the dictionary comes back.

    It moves in the browser, from frames in the figure. Axes of the number span `others` too.
    """
    assert chapter.motion is not None and chapter.turned is not None and chapter.here.dial is not None
    points, said, ts = chapter.motion, chapter.turned, chapter.here.dial.t
    figure = make_subplots(cols=3, rows=1, column_widths=list(WIDTHS), horizontal_spacing=APART)
    staged(figure, palette)
    green = [mixed(palette.raw, palette.rotated, t) for t in ts]
    sides = (
        _Side(1, *_at(points.target, points.word_target), said.distance, green),
        _Side(
            2, *_at(points.wrong, points.word_wrong), said.shuffled, [mixed(palette.raw, palette.null, t) for t in ts]
        ),
    )
    own, own_words = _at(points.source, points.word_source)
    ranges = _ranges(own, own_words, sides)
    for side in sides:
        _still(figure, side, own, palette)
    _names(figure, said.groups, own, ranges, palette)
    moving = [_moving(side, own_words, ranges, 0, palette) for side in sides]
    first = len(figure.data)
    for side, traces in zip(sides, moving, strict=True):
        for trace in traces:
            figure.add_trace(trace, row=1, col=side.column)
    for needle in _needles(chapter, 0, green[0], palette):
        figure.add_trace(needle, row=1, col=3)
    figure.frames = [
        go.Frame(
            name=str(i),
            traces=list(range(first, len(figure.data))),
            data=[
                *(t for side in sides for t in _moving(side, own_words, ranges, i, palette)),
                *_needles(chapter, i, green[i], palette),
            ],
        )
        for i in range(len(ts))
    ]
    _axes(figure, ranges, chapter, others, palette)
    _controls(figure, len(ts), palette)
    marks = f"{spot(palette.source, '○')} {chapter.source}   {spot(palette.rotated, '◆')} {chapter.target}"
    heading(figure, 0.0, f"the same words in   {marks},  turned by R")
    heading(figure, WIDTHS[0] * (1 - 2 * APART) + APART, f"{spot(palette.null, '◆')} R of shuffled pairs")
    return figure


def _at(paths: NDArray[np.float16], words: NDArray[np.float16]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.round(paths.astype(float), 3), np.round(words.astype(float), 3)


def _ranges(
    own: NDArray[np.float64], own_words: NDArray[np.float64], sides: tuple[_Side, ...]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of both axes: what holds every point of both pictures, with room for names, in the proportions of the first."""
    every = [own, own_words, *(x.reshape(-1, 2) for s in sides for x in (s.paths, s.words))]
    low, high = np.min([x.min(0) for x in every], 0), np.max([x.max(0) for x in every], 0)
    middle, half = (low + high) / 2, (high - low) / 2
    reach = float(max(half[0] / PIXELS[0], half[1] / PIXELS[1])) * 1.12
    x, y = reach * PIXELS[0], reach * PIXELS[1]
    return (middle[0] - x, middle[0] + x), (middle[1] - y, middle[1] + y)


def _still(figure: go.Figure, side: _Side, own: NDArray[np.float64], palette: Palette) -> None:
    """What does not move: the paths of the target's groups, and the source's groups."""
    steps, groups, _ = side.paths.shape
    path = np.full((groups, steps + 1, 2), np.nan)
    path[:, :steps] = side.paths.transpose(1, 0, 2)
    x, y = path.reshape(-1, 2).T
    trail = go.Scatter(
        x=x, y=y, mode="lines", hoverinfo="skip", opacity=0.55, name="paths",
        line={"color": side.colours[-1], "width": 1.5, "dash": "dot" if side.column == 1 else "dash"},
    )  # fmt: skip
    figure.add_trace(trail, row=1, col=side.column)
    rings = go.Scatter(x=own[:, 0], y=own[:, 1], mode="markers", hoverinfo="skip", name="groups", marker=_ring(palette))
    if side.column > 1:
        figure.add_trace(rings, row=1, col=side.column)


def _ring(palette: Palette) -> dict[str, object]:
    return {"color": palette.source, "size": 17, "symbol": "circle-open", "line": {"width": 3.5}}


def _moving(
    side: _Side, own_words: NDArray[np.float64], ranges: tuple[tuple[float, float], ...], step: int, palette: Palette
) -> list[go.Scatter]:
    """What moves: lines from the source's tokens to the target's, the target's groups, and how long the lines are."""
    ends = np.full((len(own_words), 3, 2), np.nan)
    ends[:, 0], ends[:, 1] = own_words, side.words[step]
    x, y = ends.reshape(-1, 2).T
    now, colour = side.paths[step], side.colours[step]
    marker = {"color": colour, "size": 14, "symbol": "diamond", "line": {"width": 1, "color": palette.paper}}
    told = f"length of the lines <b>{percent(side.distance[step])}</b>"
    (left, _), (low, _) = ranges
    return [
        go.Scatter(x=x, y=y, mode="lines", hoverinfo="skip", name="lines", line={"color": colour, "width": 1.8},
                   opacity=0.75),
        go.Scatter(x=now[:, 0], y=now[:, 1], mode="markers", hoverinfo="skip", name="turned", marker=marker),
        go.Scatter(x=[left], y=[low], mode="text", text=[told], textposition="top right", hoverinfo="skip",
                   name="length", textfont={"size": SMALLEST, "color": palette.ink}, cliponaxis=False),
    ]  # fmt: skip


def _names(
    figure: go.Figure,
    names: list[str],
    own: NDArray[np.float64],
    ranges: tuple[tuple[float, float], ...],
    palette: Palette,
) -> None:
    """The source's groups with their names, each on the side where it hides least."""
    low, size = np.array([r[0] for r in ranges]), np.array([r[1] - r[0] for r in ranges])
    at = (own - low) / size * PIXELS
    figure.add_trace(
        go.Scatter(
            x=own[:, 0], y=own[:, 1], mode="markers+text", marker=_ring(palette), text=[f"<b>{n}</b>" for n in names], hoverinfo="skip", name="names",
            textposition=placed(at, names), textfont={"size": SMALLEST, "color": palette.ink}, cliponaxis=False,
        ),
        row=1, col=1,
    )  # fmt: skip


def placed(at: NDArray[np.float64], names: list[str]) -> list[str]:
    """Where each name stands beside its point, given in pixels: overlaps with names before it, points and edges are few."""
    taken = [(x - 10, y - 10, x + 10, y + 10) for x, y in at]
    found = [""] * len(names)
    away = at - at.mean(0)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    for i in np.argsort([-len(n) for n in names], kind="stable"):
        others = [box for j, box in enumerate(taken) if j != i]
        boxes = {place: _box(at[i], names[i], place) for place in PLACES}
        hidden = {place: _hidden(box, others) + INWARD * _inward(place, away[i]) for place, box in boxes.items()}
        found[i] = min(hidden, key=hidden.__getitem__)
        taken.append(boxes[found[i]])
    return found


_Box = tuple[float, float, float, float]


def _box(at: NDArray[np.float64], name: str, place: str) -> _Box:
    """The pixels of a name at a point; up is more."""
    x, y = at.tolist()
    wide, (up, side) = LETTER * len(name), place.split()
    left = {"right": x + 12, "left": x - 12 - wide, "center": x - wide / 2}[side]
    low = {"top": y + 10, "bottom": y - 10 - LINE, "middle": y - LINE / 2}[up]
    return left, low, left + wide, low + LINE


def _hidden(box: _Box, others: Sequence[_Box]) -> float:
    """Square pixels of a name that lie on others, and much more for what lies outside the picture."""
    outside = max(0.0, -box[0]) + max(0.0, box[2] - PIXELS[0]) + max(0.0, -box[1]) + max(0.0, box[3] - PIXELS[1])
    return sum(_overlap(box, other) for other in others) + 50 * outside


def _inward(place: str, away: NDArray[np.float64]) -> float:
    """How far a name stands on the side of its point where the others are."""
    up, side = place.split()
    to = {"right": 1, "left": -1, "center": 0}[side], {"top": 1, "bottom": -1, "middle": 0}[up]
    return max(0.0, -float(away @ to))


def _overlap(a: _Box, b: _Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _needles(chapter: Chapter, step: int, colour: str, palette: Palette) -> list[go.Scatter]:
    """How much of the dictionary comes back: of shuffled pairs, and last of the true ones."""
    lines = turned(chapter)
    assert chapter.here.dial is not None
    t, found = chapter.here.dial.t[step], []
    for value, size, fill, words in (
        (lines.shuffled[step], 16, palette.null, ""),
        (lines.true[step], 26, colour, f"<b>{number(lines.true[step])}</b>"),
    ):
        found.append(
            go.Scatter(
                x=[0.34], y=[value], mode="markers+text", text=[words], textposition="bottom right" if value > 0.5 else "top right", hoverinfo="skip",
                name="shuffled" if not words else "restored", meta=t, cliponaxis=False,
                textfont={"size": 38, "color": palette.ink},
                marker={"size": size, "color": fill, "symbol": "circle" if words else "square",
                        "line": {"width": 2.5, "color": palette.ink}},
            )
        )  # fmt: skip
    return found


def _axes(
    figure: go.Figure,
    ranges: tuple[tuple[float, float], ...],
    chapter: Chapter,
    others: Sequence[Chapter],
    palette: Palette,
) -> None:
    for column in (1, 2):
        axis = "x" if column == 1 else f"x{column}"
        # Constrained by domain: a constrained range would be widened again by every frame.
        figure.update_xaxes(row=1, col=column, visible=False, range=list(ranges[0]), constrain="domain")
        figure.update_yaxes(
            row=1, col=column, visible=False, range=list(ranges[1]), scaleanchor=axis, constrain="domain"
        )
    spans = [turned(c) for c in (chapter, *others) if dials(c)]
    low = min(0.0, *(value for span in spans for value in (*span.true, *span.shuffled)))
    lines = turned(chapter)
    figure.update_xaxes(row=1, col=3, visible=False, range=[0, 1.6])
    figure.update_yaxes(
        row=1,
        col=3,
        range=[low - 0.09 * (1.12 - low), 1.14],
        tickvals=[0, lines.top],
        showgrid=False,
        ticktext=["shuffled<br>pairs  0", "at home  1"],
    )
    for y in (lines.top, 0.0):
        figure.add_hline(y=y, row=1, col=3, line={"color": palette.ink, "width": 2})
    scale = f"{TITLES[lines.scale]}, {NAMES[lines.reading]}"
    text_at(
        figure, scale, 1, 1, None, SMALLEST, xref="paper", yref="paper", xanchor="right", yanchor="bottom", yshift=14
    )


def _controls(figure: go.Figure, steps: int, palette: Palette) -> None:
    """The button and the slider, which show the frames without asking the server."""
    motion(
        figure, "Turn", [""] * steps, 0, palette, TURN_MILLISECONDS, redraw=False, x=0.16, y=0, pad={"t": 26},
        tickcolor=palette.ink,
    )  # fmt: skip
    smooth = {"duration": TURN_MILLISECONDS, "easing": "linear"}
    button = figure.layout.updatemenus[0].buttons[0]
    frame = {"duration": TURN_MILLISECONDS, "redraw": False}
    button.args = [
        button.args[0], {"mode": "immediate", "fromcurrent": False, "transition": smooth, "frame": frame}
    ]  # fmt: skip
    figure.layout.updatemenus[0].font.size = figure.layout.sliders[0].font.size = SMALLEST
    for x, shift, text in ((0.16, 10, "as it is"), (1, -10, "R")):
        anchor = "left" if x < 1 else "right"
        text_at(figure, text, x, 0, None, SMALLEST, xref="paper", yref="paper", yanchor="top", xanchor=anchor,
                xshift=shift, yshift=-58)  # fmt: skip
    figure.update_layout(margin={"l": 12, "r": 12, "t": 56, "b": 92})
