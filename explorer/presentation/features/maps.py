"""The twin maps: directions of A on the left, of B on the right, in one layout; B moves from raw to rotated.

Imports no model. The chosen feature and the lines are no part of the figure: the browser would build it anew on every
click, so a layer above it draws them.
"""

from __future__ import annotations

import html
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from explorer.features import CLEAR
from explorer.palette import Palette
from explorer.presentation.features.captions import spoken, tokens
from explorer.presentation.features.map_colours import keys, look, region_labels
from explorer.presentation.plots import base_layout, motion, text_at

if TYPE_CHECKING:
    import pandas as pd

MAP_CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "svg"},
    "modeBarButtons": [["pan2d", "select2d", "lasso2d"], ["toImage"]],
}
APART = 2.36
"""How far B's map stands to the right of A's; both are 2 wide."""
HEIGHT = 380
STEPS = 10
"""Pictures between raw and rotated."""
FADED = 0.14
"""Opacity of features that the search leaves out."""


def twin_maps(
    a: pd.DataFrame,
    b: pd.DataFrame,
    shown: tuple[Collection[int], Collection[int]],
    arm: str,
    by: str,
    names: tuple[str, str],
    palette: Palette,
) -> go.Figure:
    """Both maps. `shown` features of A and B are solid, others faded; `by` is one of COLOURINGS.

    Trace 0 is A and trace 1 is B, each point in the order of its table; `customdata` is [side, feature].
    """
    figure = go.Figure()
    rotated = arm != "raw"
    places = b[["x", "y"]].to_numpy(np.float32), b[["raw_x", "raw_y"]].to_numpy(np.float32)
    for side, table, at in (
        ("A", a, a[["x", "y"]].to_numpy(np.float32)),
        ("B", b, places[0] if rotated else places[1]),
    ):
        solid = np.isin(table.index.to_numpy(), list(shown[side == "B"]))
        opacity = np.where(solid, 0.92, FADED).round(2)
        marker = {"size": 7, "opacity": opacity} | look(table, by, side, arm, palette)
        figure.add_trace(
            go.Scattergl(
                x=at[:, 0] + (APART if side == "B" else 0),
                y=at[:, 1],
                mode="markers",
                customdata=[[side, int(i)] for i in table.index],
                text=_hover(table, side, names),
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
                marker=marker,
                # A click must not dim the rest: the layer above shows what is chosen.
                selected={"marker": {}},
                unselected={"marker": {}},
            )
        )
    figure.frames = [go.Frame(name=str(i), traces=[1], data=[_moved(*places, i / STEPS)]) for i in range(STEPS + 1)]
    keys(figure, a, by, arm, palette)
    _layout(figure, names, rotated, bool(len(b)), by != "region", palette)
    if by == "region":
        region_labels(figure, a, palette)
    return figure


def _moved(rotated: Float[np.ndarray, "g 2"], raw: Float[np.ndarray, "g 2"], t: float) -> go.Scattergl:
    # Slow at both ends, so that the eye can follow.
    share = np.float32(t * t * (3 - 2 * t))
    at = raw + share * (rotated - raw)
    return go.Scattergl(x=at[:, 0] + np.float32(APART), y=at[:, 1])


def _hover(table: pd.DataFrame, side: str, names: tuple[str, str]) -> list[str]:
    name = html.escape(names[side == "B"])
    out = []
    for i, label, f1, on, promoted, r in zip(
        table.index, table["label"], table["f1"], table["fires_on"], table["promoted"], table["r"], strict=True
    ):
        lines = [f"<b>{i}</b> of {name}"]
        if len(on):
            lines.append("fires on " + html.escape(spoken(on)))
        if f1 == f1 and f1 >= CLEAR:
            lines.append(f"{html.escape(str(label))} (F1 {f1:.2f})")
        if len(promoted):
            lines.append("promotes " + html.escape(" · ".join(tokens(list(promoted)[:5]))))
        lines.append(("r " if side == "A" else "r with its match ") + ("n/a" if r != r else f"{r:.2f}"))
        out.append("<br>".join(lines))
    return out


def _layout(
    figure: go.Figure, names: tuple[str, str], rotated: bool, twins: bool, legend: bool, palette: Palette
) -> None:
    width = APART + 2 if twins else 2
    base_layout(figure, palette, HEIGHT + 38 * legend)
    figure.update_layout(
        margin={"l": 4, "r": 86, "t": 36, "b": 104 if legend else 66, "autoexpand": False},
        legend={
            "orientation": "h", "x": 0, "y": -0.25, "yanchor": "top", "itemclick": False, "itemdoubleclick": False,
        },
        hoverlabel={"align": "left"},
        hovermode="closest",
        clickmode="event+select",
        dragmode="pan",  # with any tool of selection active Streamlit stops clicks from selecting
        showlegend=True,
    )  # fmt: skip
    figure.update_xaxes(visible=False, fixedrange=True, range=[-1.06, width - 0.94])
    figure.update_yaxes(visible=False, fixedrange=True, range=[-1.08, 1.08])
    titles = [(0.0, f"● A: {names[0]}", palette.source)]
    if twins:
        titles.append((APART, f"◆ B: {names[1]}", palette.rotated if rotated else palette.raw))
    for x, text, colour in titles:
        text_at(figure, text, x - 1, 1, colour, 15, yref="paper", yanchor="bottom", xanchor="left")
    if twins:
        stops = ["raw", *[""] * (STEPS - 1), "R"]
        place = {"x": 0.54, "y": -0.02, "pad": {"t": 8}, "ticklen": 0}
        motion(figure, "Move B to R", stops, STEPS if rotated else 0, palette, 70, redraw=True, **place)
