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
from explorer.presentation.story.name_places import STAGE, Look, placed
from explorer.presentation.story.stage import SMALLEST, heading, spot, staged

TURN_MILLISECONDS = 110
"""A step of the dial; points move all the time."""
WIDTHS, APART = (0.51, 0.3, 0.19), 0.06
"""Shares of the three pictures beside each other, and of what is between them."""
HEIGHTS, BELOW = (0.56, 0.3, 0.14), 0.055
"""The same of three pictures below each other."""


class _Side(NamedTuple):
    """One of the two pictures: the dial of R, or that of an R of shuffled pairs."""

    place: tuple[int, int]
    paths: NDArray[np.float64]
    words: NDArray[np.float64]
    distance: list[float]
    colours: list[str]


def turning(chapter: Chapter, others: Sequence[Chapter], palette: Palette, look: Look = STAGE) -> go.Figure:
    """The groups along the dial, beside them the same for shuffled pairs, and how much of the dictionary comes back.

    It moves in the browser, from frames in the figure. Axes of the number span `others` too.
    """
    assert chapter.motion is not None and chapter.turned is not None and chapter.here.dial is not None
    points, said, ts = chapter.motion, chapter.turned, chapter.here.dial.t
    figure = _pictures(look)
    staged(figure, palette)
    if look.tall:
        figure.update_layout(font={"size": look.text})
    green = [mixed(palette.raw, palette.rotated, t) for t in ts]
    grey = [mixed(palette.raw, palette.null, t) for t in ts]
    second, third = ((2, 1), (3, 1)) if look.tall else ((1, 2), (1, 3))
    sides = (
        _Side((1, 1), *_at(points.target, points.word_target), said.distance, green),
        _Side(second, *_at(points.wrong, points.word_wrong), said.shuffled, grey),
    )
    own, own_words = _at(points.source, points.word_source)
    ranges = _ranges(own, own_words, sides, look)
    for side in sides:
        _still(figure, side, own, palette, look)
    _names(figure, said.groups, own, ranges, palette, look)
    moving = [_moving(side, own_words, ranges, 0, palette, look) for side in sides]
    first = len(figure.data)
    for side, traces in zip(sides, moving, strict=True):
        for trace in traces:
            figure.add_trace(trace, *side.place)
    for needle in _needles(chapter, 0, green[0], palette, look):
        figure.add_trace(needle, *third)
    figure.frames = [
        go.Frame(
            name=str(i),
            traces=list(range(first, len(figure.data))),
            data=[
                *(t for side in sides for t in _moving(side, own_words, ranges, i, palette, look)),
                *_needles(chapter, i, green[i], palette, look),
            ],
        )
        for i in range(len(ts))
    ]
    _axes(figure, [side.place for side in sides], ranges)
    _scale(figure, third, chapter, others, palette, look)
    _controls(figure, len(ts), palette, look)
    _headings(figure, chapter, palette, look)
    return figure


def _pictures(look: Look) -> go.Figure:
    if look.tall:
        return make_subplots(rows=3, cols=1, row_heights=list(HEIGHTS), vertical_spacing=BELOW)
    return make_subplots(cols=3, rows=1, column_widths=list(WIDTHS), horizontal_spacing=APART)


def _headings(figure: go.Figure, chapter: Chapter, palette: Palette, look: Look) -> None:
    """What the marks of each picture are."""
    marks = f"{spot(palette.source, '○')} {chapter.source}   {spot(palette.raw, '◆')} {chapter.target} as it is"
    wrong = f"{spot(palette.raw, '◆')} → {spot(palette.null, '◆')} R of shuffled pairs"
    if look.tall:
        place = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "yshift": 4}
        text_at(figure, f"{marks} → {spot(palette.rotated, '◆')} turned by R", 0, 1, None, look.text, **place)
        text_at(
            figure,
            wrong,
            0,
            HEIGHTS[2] * (1 - 2 * BELOW) + BELOW + HEIGHTS[1] * (1 - 2 * BELOW),
            None,
            look.text,
            **place,
        )
        return
    heading(figure, 0.0, f"{marks} → {spot(palette.rotated, '◆')} turned by R")
    heading(figure, WIDTHS[0] * (1 - 2 * APART) + APART, wrong)


def _at(paths: NDArray[np.float16], words: NDArray[np.float16]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.round(paths.astype(float), 3), np.round(words.astype(float), 3)


def _ranges(
    own: NDArray[np.float64], own_words: NDArray[np.float64], sides: tuple[_Side, ...], look: Look
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of both axes: what holds every point of both pictures, with room for names, in the proportions of the first."""
    every = [own, own_words, *(x.reshape(-1, 2) for s in sides for x in (s.paths, s.words))]
    low, high = np.min([x.min(0) for x in every], 0), np.max([x.max(0) for x in every], 0)
    middle, half = (low + high) / 2, (high - low) / 2
    reach = float(max(half[0] / look.pixels[0], half[1] / look.pixels[1])) * 1.12
    x, y = reach * look.pixels[0], reach * look.pixels[1]
    return (middle[0] - x, middle[0] + x), (middle[1] - y, middle[1] + y)


def _still(figure: go.Figure, side: _Side, own: NDArray[np.float64], palette: Palette, look: Look) -> None:
    """What does not move: the paths of the target's groups, and the source's groups."""
    steps, groups, _ = side.paths.shape
    path = np.full((groups, steps + 1, 2), np.nan)
    path[:, :steps] = side.paths.transpose(1, 0, 2)
    x, y = path.reshape(-1, 2).T
    trail = go.Scatter(
        x=x, y=y, mode="lines", hoverinfo="skip", opacity=0.55, name="paths",
        line={"color": side.colours[-1], "width": 1.5, "dash": "dot" if side.place == (1, 1) else "dash"},
    )  # fmt: skip
    figure.add_trace(trail, *side.place)
    rings = go.Scatter(
        x=own[:, 0], y=own[:, 1], mode="markers", hoverinfo="skip", name="groups", marker=_ring(palette, look)
    )
    if side.place != (1, 1):
        figure.add_trace(rings, *side.place)


def _ring(palette: Palette, look: Look) -> dict[str, object]:
    return {"color": palette.source, "size": look.ring, "symbol": "circle-open", "line": {"width": look.ring / 5}}


def _moving(
    side: _Side,
    own_words: NDArray[np.float64],
    ranges: tuple[tuple[float, float], ...],
    step: int,
    palette: Palette,
    look: Look,
) -> list[go.Scatter]:
    """What moves: lines from the source's tokens to the target's, the target's groups, and how long the lines are."""
    ends = np.full((len(own_words), 3, 2), np.nan)
    ends[:, 0], ends[:, 1] = own_words, side.words[step]
    x, y = ends.reshape(-1, 2).T
    now, colour = side.paths[step], side.colours[step]
    marker = {"color": colour, "size": look.diamond, "symbol": "diamond", "line": {"width": 1, "color": palette.paper}}
    told = f"length of the lines <b>{percent(side.distance[step])}</b>"
    (left, _), (low, _) = ranges
    return [
        go.Scatter(x=x, y=y, mode="lines", hoverinfo="skip", name="lines", line={"color": colour, "width": 1.8},
                   opacity=0.75),
        go.Scatter(x=now[:, 0], y=now[:, 1], mode="markers", hoverinfo="skip", name="turned", marker=marker),
        go.Scatter(x=[left], y=[low], mode="text", text=[told], textposition="top right", hoverinfo="skip",
                   name="length", textfont={"size": look.text, "color": palette.ink}, cliponaxis=False),
    ]  # fmt: skip


def _names(
    figure: go.Figure,
    names: list[str],
    own: NDArray[np.float64],
    ranges: tuple[tuple[float, float], ...],
    palette: Palette,
    look: Look,
) -> None:
    """The source's groups with their names, each on the side where it hides least."""
    low, size = np.array([r[0] for r in ranges]), np.array([r[1] - r[0] for r in ranges])
    at = (own - low) / size * look.pixels
    figure.add_trace(
        go.Scatter(
            x=own[:, 0], y=own[:, 1], mode="markers+text", marker=_ring(palette, look), text=[f"<b>{n}</b>" for n in names], hoverinfo="skip", name="names",
            textposition=placed(at, names, look), textfont={"size": look.text, "color": palette.ink}, cliponaxis=False,
        ),
        row=1, col=1,
    )  # fmt: skip


def _needles(chapter: Chapter, step: int, colour: str, palette: Palette, look: Look) -> list[go.Scatter]:
    """How much of the dictionary comes back: of shuffled pairs, and last of the true ones."""
    lines = turned(chapter)
    assert chapter.here.dial is not None
    t, found = chapter.here.dial.t[step], []
    for value, size, fill, words in (
        (lines.shuffled[step], 16, palette.null, ""),
        (lines.true[step], 26, colour, f"<b>{number(lines.true[step])}</b>"),
    ):
        beside = "bottom right" if value > 0.5 else "top right"
        found.append(
            go.Scatter(
                x=[value if look.tall else 0.34], y=[0.34 if look.tall else value], mode="markers+text", text=[words],
                textposition="top center" if look.tall else beside, hoverinfo="skip",
                name="shuffled" if not words else "restored", meta=t, cliponaxis=False,
                textfont={"size": 20 if look.tall else 38, "color": palette.ink},
                marker={"size": size * look.text / SMALLEST, "color": fill, "symbol": "circle" if words else "square",
                        "line": {"width": 2.5, "color": palette.ink}},
            )
        )  # fmt: skip
    return found


def _axes(
    figure: go.Figure, places: Sequence[tuple[int, int]], ranges: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    """Of the two pictures of groups."""
    for i, (row, col) in enumerate(places, 1):
        # Constrained by domain: a constrained range would be widened again by every frame.
        figure.update_xaxes(row=row, col=col, visible=False, range=list(ranges[0]), constrain="domain")
        figure.update_yaxes(
            row=row, col=col, visible=False, range=list(ranges[1]), scaleanchor="x" if i == 1 else f"x{i}",
            constrain="domain",
        )  # fmt: skip


def _scale(
    figure: go.Figure, place: tuple[int, int], chapter: Chapter, others: Sequence[Chapter], palette: Palette, look: Look
) -> None:
    """The axis of the number that comes back; it spans `others` too."""
    spans, lines = [turned(c) for c in (chapter, *others) if dials(c)], turned(chapter)
    low = min(0.0, *(value for span in spans for value in (*span.true, *span.shuffled)))
    row, col = place
    along, across = (
        (figure.update_xaxes, figure.update_yaxes) if look.tall else (figure.update_yaxes, figure.update_xaxes)
    )
    across(row=row, col=col, visible=False, range=[0, 1 if look.tall else 1.6])
    along(
        row=row, col=col, range=[low - 0.09 * (1.12 - low), 1.14], tickvals=[0, lines.top], showgrid=False,
        tickfont={"size": look.text},
        ticktext=["shuffled 0", "home 1"] if look.tall else ["shuffled<br>pairs  0", "at home  1"],
    )  # fmt: skip
    for at in (lines.top, 0.0):
        line = {"row": row, "col": col, "line": {"color": palette.ink, "width": 2}}
        figure.add_vline(x=at, **line) if look.tall else figure.add_hline(y=at, **line)
    said = {"xref": "paper", "yref": "paper", "yanchor": "bottom"}
    text = f"{TITLES[lines.scale]}, {NAMES[lines.reading]}"
    if look.tall:
        text_at(figure, text, 0, HEIGHTS[2] * (1 - 2 * BELOW), None, look.text, xanchor="left", yshift=2, **said)
    else:
        text_at(figure, text, 1, 1, None, look.text, xanchor="right", yshift=14, **said)


def _controls(figure: go.Figure, steps: int, palette: Palette, look: Look) -> None:
    """The button and the slider, which show the frames without asking the server."""
    left = 0.22 if look.tall else 0.16
    motion(
        figure, "Turn", [""] * steps, 0, palette, TURN_MILLISECONDS, redraw=False, x=left, y=0,
        pad={"t": 40 if look.tall else 26},
        tickcolor=palette.ink,
    )  # fmt: skip
    smooth = {"duration": TURN_MILLISECONDS, "easing": "linear"}
    button = figure.layout.updatemenus[0].buttons[0]
    frame = {"duration": TURN_MILLISECONDS, "redraw": False}
    button.args = [
        button.args[0], {"mode": "immediate", "fromcurrent": False, "transition": smooth, "frame": frame}
    ]  # fmt: skip
    figure.layout.updatemenus[0].font.size = figure.layout.sliders[0].font.size = look.text
    for x, shift, text in ((left, 10, "as it is"), (1, -10, "R")):
        anchor = "left" if x < 1 else "right"
        text_at(figure, text, x, 0, None, look.text, xref="paper", yref="paper", yanchor="top", xanchor=anchor,
                xshift=shift, yshift=-72 if look.tall else -58)  # fmt: skip
    room = {"t": 24, "b": 100} if look.tall else {"t": 56, "b": 92}
    figure.update_layout(margin={"l": 12, "r": 12, **room})
