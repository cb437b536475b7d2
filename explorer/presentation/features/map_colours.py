"""How the twin maps are coloured: by firing correlation, density, label or region, and what tells the colours."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from explorer.alignment import colour_of
from explorer.features import CLEAR
from explorer.palette import LIGHT, Palette, mixed

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
SIGNS = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "cross": "✚",
    "star": "★",
    "triangle-down": "▼",
    "hexagon": "⬢",
    "pentagon": "⬟",
    "x": "✖",
    "hexagram": "✶",
}
"""The symbols as letters, for keys in words."""
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
        return {
            "color": [palette.arm(n) for n, _ in looks],
            "symbol": [s for _, s in looks],
            "size": np.where(clear, 8, 4),
        }
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


def scale_bar(figure: go.Figure, by: str, arm: str, twins: bool, palette: Palette) -> None:
    """Add the bar of the colours' scale, beside the title of the lower map; none where colours are names."""
    if by not in ("firing r", "density"):
        return
    r = by == "firing r"
    bar = {
        "color": [0.0],
        "colorscale": ramp(palette, arm if r else "source"),
        "cmin": 0 if r else -4,
        "cmax": 1 if r else 0,
        "showscale": True,
        "colorbar": {
            "orientation": "h",
            "thickness": 9,
            "tickvals": [0, 0.5, 1] if r else [-4, -2, 0],
            "ticktext": ["0", f"r {arm}", "1"] if r else ["0.01 %", "density", "100 %"],
            "tickfont": {"size": 14, "color": palette.ink},
            "ticklabelposition": "outside top",
            "outlinewidth": 0,
            "x": 1.0,
            "xanchor": "right",
            "xpad": 14,
            "y": 0.465 if twins else 1.0,
            "yanchor": "bottom",
            "ypad": 0,
            "len": 0.46,
        },
    }
    # The bar belongs to no dots: it stays when a search leaves none.
    axes = {"xaxis": "x2", "yaxis": "y2"} if twins else {}
    figure.add_trace(
        go.Scatter(x=[None], y=[None], mode="markers", marker=bar, showlegend=False, hoverinfo="skip", **axes)
    )


def key_html(a: pd.DataFrame, by: str, palette: Palette) -> str:
    """What tells the colours in words, each in its own colour and with its symbol (HTML)."""
    if by == "label":
        clear = a["label"].str.partition("=")[0][a["f1"] >= CLEAR]
        marks = [
            (SIGNS[KEYS.get(key, OTHER)[1]], key, palette.arm(KEYS.get(key, OTHER)[0])) for key in dict.fromkeys(clear)
        ]
        marks.append(("●", f"no clear label (F1 < {CLEAR})", palette.null))
    elif by == "region":
        return ""
    else:
        marks = [("✕", "fires too seldom for r" if by == "firing r" else "dead", palette.null)]
    return " ".join(
        f"<span style='white-space:nowrap'><span aria-hidden='true' style='color:{colour}'>{sign}</span> "
        f"{html.escape(word)}</span>"
        for sign, word, colour in marks
    )
