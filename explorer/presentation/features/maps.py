"""The twin maps: directions of A above, of B below, in one layout and one zoom; B moves from raw to rotated.

Imports no model. The chosen feature and the lines are no part of the figure: the browser would build it anew on every
click, so a layer above it draws them.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from explorer.features import CLEAR, RegionName
from explorer.palette import Palette
from explorer.presentation.features.captions import region_word, spoken, tokens
from explorer.presentation.features.map_colours import look, scale_bar
from explorer.presentation.plots import base_layout, motion, text_at

if TYPE_CHECKING:
    import pandas as pd

MAP_CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "scrollZoom": True,
    "toImageButtonOptions": {"format": "svg"},
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"], ["pan2d", "select2d", "lasso2d"], ["toImage"]],
}
BELOW, ABOVE = (0.0, 0.465), (0.535, 1.0)
"""Shares of the figure's height in which B's map and A's map stand."""
EDGE = 1.09
"""Half the width that both maps show of the layout, which is 2 wide."""
STEPS = 10
"""Pictures between raw and rotated."""
FADED = 0.12
"""Opacity of features that the search leaves out."""


def twin_maps(
    a: pd.DataFrame,
    b: pd.DataFrame,
    shown: tuple[Collection[int], Collection[int]],
    arm: str,
    by: str,
    names: tuple[str, str],
    palette: Palette,
    regions: Sequence[RegionName] = (),
) -> go.Figure:
    """Both maps. `shown` features of A and B are solid, others faded; `by` is one of COLOURINGS.

    Trace 0 is A and trace 1 is B, each point in the order of its table; `customdata` is [side, feature, partner], the
    partner that of the one-to-one assignment, or −1. `regions` are written on both maps.
    """
    figure = go.Figure()
    rotated = arm != "raw"
    places = b[["x", "y"]].to_numpy(np.float32), b[["raw_x", "raw_y"]].to_numpy(np.float32)
    for side, table, at in (
        ("A", a, a[["x", "y"]].to_numpy(np.float32)),
        ("B", b, places[0] if rotated else places[1]),
    ):
        solid = np.isin(table.index.to_numpy(), list(shown[side == "B"]))
        opacity = np.where(solid, 0.9, FADED).round(2)
        marker = {"size": 6, "opacity": opacity} | look(table, by, side, arm, palette)
        axes = {"xaxis": "x", "yaxis": "y"} if side == "A" else {"xaxis": "x2", "yaxis": "y2"}
        figure.add_trace(
            go.Scattergl(
                x=at[:, 0],
                y=at[:, 1],
                mode="markers",
                customdata=[[side, int(i), int(p)] for i, p in zip(table.index, table["partner"], strict=True)],
                text=_hover(table, side, names),
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
                marker=marker,
                # A click must not dim the rest: the layer above shows what is chosen.
                selected={"marker": {}},
                unselected={"marker": {}},
                **axes,
            )
        )
    figure.frames = [go.Frame(name=str(i), traces=[1], data=[_moved(*places, i / STEPS)]) for i in range(STEPS + 1)]
    _layout(figure, names, rotated, bool(len(b)), palette)
    scale_bar(figure, by, arm, bool(len(b)), palette)
    _write_regions(figure, a, regions, bool(len(b)), palette)
    return figure


def _moved(rotated: Float[np.ndarray, "g 2"], raw: Float[np.ndarray, "g 2"], t: float) -> go.Scattergl:
    # Slow at both ends, so that the eye can follow.
    share = np.float32(t * t * (3 - 2 * t))
    at = raw + share * (rotated - raw)
    return go.Scattergl(x=at[:, 0], y=at[:, 1])


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


def _layout(figure: go.Figure, names: tuple[str, str], rotated: bool, twins: bool, palette: Palette) -> None:
    base_layout(figure, palette, 640)
    figure.update_layout(
        height=None,  # that of the place where it is drawn
        margin={"l": 2, "r": 2, "t": 56, "b": 74 if twins else 8, "autoexpand": False},
        hoverlabel={"align": "left"},
        hovermode="closest",
        clickmode="event+select",
        dragmode="pan",  # with any tool of selection active Streamlit stops clicks from selecting
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": palette.ink, "activecolor": palette.source},
    )
    shared = {"visible": False, "range": [-EDGE, EDGE]}
    figure.update_layout(xaxis=shared | {"anchor": "y"}, yaxis=shared | {"domain": ABOVE if twins else (0, 1)})
    if twins:
        figure.update_layout(
            xaxis2=shared | {"matches": "x", "anchor": "y2"}, yaxis2=shared | {"matches": "y", "domain": BELOW}
        )
    titles = [(1.0, f"● A: {names[0]}", palette.source)]
    if twins:
        titles.append((BELOW[1], f"◆ B: {names[1]}", palette.rotated if rotated else palette.raw))
    for y, text, colour in titles:
        text_at(figure, text, 0, y, colour, 15, xref="paper", yref="paper", xanchor="left", yanchor="bottom")
    if twins:
        stops = ["raw", *[""] * (STEPS - 1), "R"]
        place: dict[str, Any] = {"x": 0.44, "y": -0.01, "pad": {"t": 8}, "ticklen": 0}
        motion(figure, "Move B to R", stops, STEPS if rotated else 0, palette, 70, redraw=True, **place)


def _write_regions(
    figure: go.Figure, a: pd.DataFrame, regions: Sequence[RegionName], twins: bool, palette: Palette
) -> None:
    """The regions' names in the middle of A's features: in bold what is more than chance, on both maps; in italics what
    is not, on A's, where there is room for it.
    """
    middles = a.groupby(a["region"].astype(str))[["x", "y"]].median()
    written: list[tuple[float, float, int]] = []
    for region in sorted(regions, key=lambda r: not r.is_more_than_chance):
        sure, word = region.is_more_than_chance, f"{html.escape(region_word(region))} {region.count}"
        if not region.name:
            continue
        x, y = (float(middles.loc[region.region, c]) for c in ("x", "y"))
        if not sure and any(abs(y - v) < 0.16 and abs(x - u) < 0.035 * (len(word) + n) for u, v, n in written):
            continue
        written.append((x, y, len(word)))
        for axes in ("", "2")[: 1 + (twins and sure)]:
            figure.add_annotation(
                text=f"<b>{word}</b>" if sure else f"<i>{word}</i>", x=x, y=y, xref=f"x{axes}", yref=f"y{axes}",
                showarrow=False, font={"size": 14, "color": palette.ink}, bgcolor=palette.paper,
                opacity=0.9 if sure else 0.7, borderpad=1,
            )  # fmt: skip
