"""Plotly figures of the Features page. Imports no model."""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.feature_sentences import CLEAR, tokens
from explorer.figures import _FONT as FONT
from explorer.palette import LIGHT, Palette

if TYPE_CHECKING:
    import pandas as pd

MAP_CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "svg"},
    "modeBarButtons": [["pan2d", "select2d"], ["toImage"]],
}
WIDTH = 0.9
"""Share of the width that the points take; the rest is the colour bar's."""
EDGE = 6
"""Margin around the points, pixels."""
FADED = 0.16
"""Opacity of features that the search leaves out."""
KEYS = {
    "slot": ("source", "circle"),
    "genre": ("rotated", "square"),
    "plot": ("native", "diamond"),
    "part": ("raw", "triangle-up"),
    "speaker": ("affine", "cross"),
    "person": ("translated", "star"),
    "place": ("rotated", "triangle-down"),
    "season": ("translated", "hexagon"),
    "tense": ("raw", "pentagon"),
    "mood": ("native", "x"),
}
"""Colour (a name of the palette) and symbol of each label key: hues repeat, the pair of both does not."""


def ramp(palette: Palette, arm: str) -> list[list[object]]:
    """From nearly the background at 0 to the map's own colour, stronger, at 1: one hue, its lightness tells."""
    low = "#DCE3E8" if palette == LIGHT else "#343E47"
    return [[0.0, low], [0.55, palette.arm(arm)], [1.0, _mix(palette.arm(arm), palette.ink, 0.45)]]


@dataclass(frozen=True)
class Frame:
    """Where the map's points lie in the figure: fixed, so that a page can lay a ring over one without a new figure."""

    x: tuple[float, float]
    """Range of the horizontal axis."""
    y: tuple[float, float]
    """Range of the vertical axis."""
    height: int
    """Height of the figure, pixels."""
    top: int
    """Margin above the points, pixels; the other margins are `EDGE`."""

    def place(self, x: float, y: float) -> tuple[float, float]:
        """(share of the width between the margins, pixels from the top) of a point."""
        across = WIDTH * (x - self.x[0]) / (self.x[1] - self.x[0])
        down = self.top + (self.height - self.top - EDGE) * (self.y[1] - y) / (self.y[1] - self.y[0])
        return across, down


def map_frame(table: pd.DataFrame, by: str, height: int = 330) -> Frame:
    """The frame of a map: the points' ranges with a little air."""
    x, y = table["x"], table["y"]
    air_x, air_y = 0.03 * float(x.max() - x.min()), 0.05 * float(y.max() - y.min())
    return Frame(
        (float(x.min()) - air_x, float(x.max()) + air_x),
        (float(y.min()) - air_y, float(y.max()) + air_y),
        height,
        58 if by == "label" else 34,
    )


def feature_map(
    table: pd.DataFrame, shown: Collection[int], arm: str, by: str, frame: Frame, palette: Palette
) -> go.Figure:
    """Decoder directions of the source in two dimensions (UMAP), coloured by firing r under a map or by label key.

    `by` is "r" or "label". `shown` features are solid, others faded. Which one is chosen is no part of the figure:
    the browser would build a new figure on every click.
    """
    figure = go.Figure()
    ids = table.index.to_numpy(np.int32)
    x, y = table["x"].to_numpy(np.float32), table["y"].to_numpy(np.float32)
    solid, hover = np.isin(ids, list(shown)), np.array(_hover(table, arm), dtype=object)

    def dots(group: np.ndarray, **marker: object) -> None:
        for which, opacity in ((group & ~solid, FADED), (group & solid, 0.92)):
            if not which.any():
                continue
            look = {key: value[which] if isinstance(value, np.ndarray) else value for key, value in marker.items()}
            figure.add_trace(
                go.Scattergl(
                    x=x[which],
                    y=y[which],
                    mode="markers",
                    customdata=[[i] for i in ids[which].tolist()],
                    text=hover[which],
                    showlegend=False,
                    hovertemplate="%{text}<extra></extra>",
                    marker={"size": 8, "opacity": opacity, **look},
                    # The ring shows what is chosen: a click must not dim the rest.
                    selected={"marker": {"opacity": opacity}},
                    unselected={"marker": {"opacity": opacity}},
                )
            )

    if by == "label":
        keys, clear = table["label"].str.partition("=")[0].to_numpy(), table["f1"].to_numpy() >= CLEAR
        dots(~clear, color=palette.null, symbol="circle-open", size=6)
        for key in [k for k in KEYS if (clear & (keys == k)).any()]:
            name, symbol = KEYS[key]
            dots(clear & (keys == key), color=palette.arm(name), symbol=symbol)
            _legend_entry(figure, key, palette.arm(name), symbol)
        _legend_entry(figure, f"no clear label (F1 < {CLEAR})", palette.null, "circle-open")
    else:
        r = table[f"r_{arm}"].to_numpy(np.float32)
        known = ~np.isnan(r)
        dots(~known, color=palette.null, symbol="circle-open", size=6)
        dots(known, color=np.clip(r, 0, 1), colorscale=ramp(palette, arm), cmin=0, cmax=1)
        _legend_entry(figure, "n/a: fires too seldom", palette.null, "circle-open")
        # The bar belongs to no dots: it stays when a search leaves none.
        bar = {
            "color": [0.0],
            "colorscale": ramp(palette, arm),
            "cmin": 0,
            "cmax": 1,
            "showscale": True,
            "colorbar": _bar(arm, palette),
        }
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=bar, showlegend=False, hoverinfo="skip"))
    _layout(figure, frame, palette)
    return figure


def _hover(table: pd.DataFrame, arm: str) -> list[str]:
    r = table[f"r_{arm}"]
    return [
        f"<b>{i}</b>  {html.escape(label)} (F1 {f1:.2f})<br>promotes {html.escape(' · '.join(tokens(words[:5])))}"
        f"<br>r {arm} {'n/a' if value != value else f'{value:.2f}'}"
        for i, label, f1, words, value in zip(
            table.index, table["label"], table["f1"], table["promoted"].map(list), r, strict=True
        )
    ]


def _bar(arm: str, palette: Palette) -> dict[str, object]:
    return {
        "title": {"text": f"r {arm}", "side": "right", "font": {"size": 14, "color": palette.ink}},
        "thickness": 12,
        "tickvals": [0, 0.5, 1],
        "ticktext": ["0", "0.5", "1"],
        "tickfont": {"size": 14, "color": palette.ink},
        "outlinewidth": 0,
        "x": WIDTH + 0.01,
        "xpad": 0,
        "len": 0.94,
    }


def _legend_entry(figure: go.Figure, name: str, colour: str, symbol: str) -> None:
    figure.add_trace(
        go.Scatter(
            x=[None], y=[None], mode="markers", name=name, marker={"color": colour, "symbol": symbol, "size": 10}
        )
    )


def _layout(figure: go.Figure, frame: Frame, palette: Palette) -> None:
    figure.update_layout(
        height=frame.height,
        # No automatic margins: the frame says where the points lie.
        margin={"l": EDGE, "r": EDGE, "t": frame.top, "b": EDGE, "autoexpand": False},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 14, "color": palette.ink},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        hoverlabel={"bgcolor": palette.paper, "font": {"color": palette.ink, "size": 14}, "align": "left"},
        hovermode="closest",
        clickmode="event+select",
        dragmode="pan",  # with any tool of selection active Streamlit stops clicks from selecting
        showlegend=True,
    )
    figure.update_xaxes(visible=False, fixedrange=True, range=frame.x, domain=[0, WIDTH])
    figure.update_yaxes(visible=False, fixedrange=True, range=frame.y)


def _mix(a: str, b: str, share: float) -> str:
    parts = [round(int(a[i : i + 2], 16) * (1 - share) + int(b[i : i + 2], 16) * share) for i in (1, 3, 5)]
    return "#" + "".join(f"{p:02X}" for p in parts)
