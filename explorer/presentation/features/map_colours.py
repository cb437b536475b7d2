"""How the twin maps are coloured: by firing correlation, density, label or region, and the key to each."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from explorer.alignment import colour_of
from explorer.features import CLEAR
from explorer.palette import LIGHT, Palette, mixed
from explorer.presentation.features.captions import tokens
from explorer.presentation.plots import text_at

if TYPE_CHECKING:
    import pandas as pd

COLOURINGS = ("firing r", "density", "label", "region")
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
OTHER = ("native", "hexagram")
HUES = ("source", "raw", "rotated", "native", "translated", "affine")


def ramp(palette: Palette, arm: str) -> list[list[object]]:
    """From nearly the background at 0 to the map's own colour, stronger, at 1: one hue, its lightness tells."""
    low = "#DCE3E8" if palette == LIGHT else "#343E47"
    hue = palette.arm(colour_of(arm))
    return [[0.0, low], [0.55, hue], [1.0, mixed(hue, palette.ink, 0.45)]]


def look(table: pd.DataFrame, by: str, side: str, arm: str, palette: Palette) -> dict[str, Any]:
    """Plotly's marker of every feature of one side: its colour and symbol."""
    plain = "circle" if side == "A" else "diamond"
    if by == "label":
        key, clear = table["label"].str.partition("=")[0], table["f1"].to_numpy() >= CLEAR
        looks = [KEYS.get(k, OTHER) if c else ("null", plain) for k, c in zip(key, clear, strict=True)]
        size = np.where(clear, 8, 4)
        return {"color": [palette.arm(n) for n, _ in looks], "symbol": [s for _, s in looks], "size": size}
    if by == "region":
        order = {name: i for i, name in enumerate(sorted(set(table["region"].astype(str))))}
        number = [order[name] for name in table["region"].astype(str)]
        # Hues come twice; the second time nearer to the background.
        hues = [palette.arm(HUES[n % len(HUES)]) for n in range(len(order))]
        hues = [h if n < len(HUES) else mixed(h, palette.paper, 0.5) for n, h in enumerate(hues)]
        return {"color": [hues[n] for n in number], "symbol": plain}
    value = table["r"] if by == "firing r" else np.log10(table["density"].where(table["density"] > 0))
    low, high = (0.0, 1.0) if by == "firing r" else (-4.0, 0.0)
    known = value.notna().to_numpy()
    scale = ramp(palette, arm if by == "firing r" else "source")
    return {
        "color": value.clip(low, high).fillna(low).to_numpy(np.float32),
        "colorscale": scale,
        "cmin": low,
        "cmax": high,
        # Open symbols are not drawn among others in WebGL.
        "symbol": np.where(known, plain, "x").tolist(),
    }


def keys(figure: go.Figure, a: pd.DataFrame, by: str, arm: str, palette: Palette) -> None:
    """Add what tells the colours: entries of the legend, or the bar of a scale."""

    def entry(name: str, colour: str, symbol: str) -> None:
        marker = {"color": colour, "symbol": symbol, "size": 10}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker))

    if by == "label":
        clear = a["label"].str.partition("=")[0][a["f1"] >= CLEAR]
        for key in dict.fromkeys(clear):
            name, symbol = KEYS.get(key, OTHER)
            entry(key, palette.arm(name), symbol)
        entry(f"no clear label (F1 < {CLEAR})", palette.null, "circle")
    elif by != "region":
        r = by == "firing r"
        entry("n/a: fires too seldom" if r else "dead", palette.null, "x")
        bar = {
            "color": [0.0],
            "colorscale": ramp(palette, arm if r else "source"),
            "cmin": 0 if r else -4,
            "cmax": 1 if r else 0,
            "showscale": True,
            "colorbar": _bar(f"r {arm}" if r else "density", r, palette),
        }
        # The bar belongs to no dots: it stays when a search leaves none.
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=bar, showlegend=False, hoverinfo="skip"))


def _bar(title: str, r: bool, palette: Palette) -> dict[str, object]:
    return {
        "title": {"text": title, "side": "right", "font": {"size": 14, "color": palette.ink}},
        "thickness": 11,
        "tickvals": [0, 0.5, 1] if r else [-4, -3, -2, -1, 0],
        "ticktext": ["0", "0.5", "1"] if r else ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"],
        "tickfont": {"size": 14, "color": palette.ink},
        "outlinewidth": 0,
        "x": 1.0,
        "xpad": 4,
        "len": 0.9,
    }


def region_labels(figure: go.Figure, a: pd.DataFrame, palette: Palette) -> None:
    """Add the regions' names, each in the middle of its features."""
    for name, inside in a.groupby("region", observed=True):
        text = html.escape(" · ".join(tokens(str(name).split(" · ")[:2])))
        x, y = (float(inside[c].median()) for c in ("x", "y"))
        text_at(figure, text, x, y, bgcolor=palette.paper, opacity=0.85)
