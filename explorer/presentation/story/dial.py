"""The dial on the stage: large, and turning smoothly in the browser."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from explorer.narrative import Chapter, dials, turned
from explorer.palette import Palette
from explorer.presentation.plots import text_at
from explorer.presentation.rotation import NAMES, TITLES, dial
from explorer.presentation.story.name_places import STAGE, Look
from explorer.presentation.story.stage import SMALLEST, fill, heading, spot, staged
from explorer.presentation.story.turning import TURN_MILLISECONDS, turning


def stage_dial(chapter: Chapter, others: Sequence[Chapter], palette: Palette, look: Look = STAGE) -> go.Figure:
    """The dial of a pair, turning smoothly in the browser; axes span `others` too, so that scenes can be compared.

    Named groups of tokens turn where they were recorded, else anonymous points.
    """
    if chapter.motion is not None and chapter.turned is not None:
        return turning(chapter, others, palette, look)
    assert chapter.here.dial is not None and chapter.clouds is not None
    lines = turned(chapter)
    figure = dial(chapter.here.dial, lines, *chapter.clouds, (chapter.source, chapter.target), palette)
    staged(figure, palette)
    ends = {"true pairs": (lines.true[-1], palette.rotated), "shuffled pairs": (lines.shuffled[-1], palette.null)}
    figure.layout.annotations = ()
    spans = [turned(c) for c in (chapter, *others) if dials(c)]
    low = min(0.0, *(value for span in spans for value in (*span.true, *span.shuffled)))
    apart = 0.075 * (1.15 - low)
    gap = ends["true pairs"][0] - ends["shuffled pairs"][0]
    shift = max(0.0, apart - abs(gap)) / 2
    for i, (text, (y, colour)) in enumerate(ends.items()):
        up = shift if (gap >= 0) == (i == 0) else -shift
        text_at(figure, text, 1.03, y + up, colour, SMALLEST, xref="x2 domain", yref="y2", xanchor="left")
    home = f"at home: {lines.top:.0f}"
    text_at(figure, home, 0, lines.top, None, SMALLEST, xref="x2", yref="y2", yshift=18, xanchor="left")
    marks = f"{spot(palette.source, '○')} {chapter.source}   {spot(palette.raw, '◆')} {chapter.target}, turned by R"
    heading(figure, 0.0, f"the same tokens:   {marks}")
    fill(figure, 1, *chapter.clouds)
    figure.update_yaxes(
        row=1, col=2, title=f"{TITLES[lines.scale]}, {NAMES[lines.reading]}", range=[low - 0.17 * (1.12 - low), 1.12]
    )  # room for the needle's number
    for trace in (*figure.data, *(t for frame in figure.frames for t in frame.data)):
        if trace.mode == "markers+text":
            trace.textfont = {"size": 34, "color": palette.ink}
            trace.marker.size = 26
            if trace.x[0] >= 0.5 and gap < 4 * apart:  # below the needle lies the curve of the shuffled pairs
                trace.textposition = "top left"
        elif trace.marker.symbol == "diamond":
            trace.marker.size = 10
        if trace.mode == "markers":
            trace.cliponaxis = False
    smooth = {"duration": TURN_MILLISECONDS, "easing": "linear"}
    for step in figure.layout.sliders[0].steps:
        step.args[1]["transition"] = {"duration": 0}
    turn = figure.layout.updatemenus[0].buttons[0]
    turn.args = [
        turn.args[0],
        {"mode": "immediate", "fromcurrent": False, "transition": smooth,
         "frame": {"duration": TURN_MILLISECONDS, "redraw": False}},
    ]  # fmt: skip
    figure.layout.updatemenus[0].font.size = figure.layout.sliders[0].font.size = SMALLEST
    figure.layout.updatemenus[0].update(y=0, yanchor="top", pad={"t": 52})
    figure.layout.sliders[0].update(y=0, pad={"t": 50})
    figure.update_layout(margin={"l": 12, "r": 168, "t": 56, "b": 136})
    return figure
