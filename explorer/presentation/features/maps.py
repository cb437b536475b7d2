"""The twin maps: directions of A on the left, of B on the right, in one layout; B moves from raw to rotated.

Imports no model. The chosen feature and the lines are no part of the figure: the browser would build it anew on every
click, so a layer above it draws them.
"""

from __future__ import annotations

import html
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from explorer.features import CLEAR
from explorer.palette import LIGHT, Palette
from explorer.presentation.features.captions import spoken, tokens
from explorer.presentation.rotation import FONT

if TYPE_CHECKING:
    import pandas as pd

COLOURINGS = ("firing r", "density", "label", "region")
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
    return [[0.0, low], [0.55, palette.arm(arm)], [1.0, _mix(palette.arm(arm), palette.ink, 0.45)]]


def side_table(table: pd.DataFrame, layout: pd.DataFrame, arm: str) -> pd.DataFrame:
    """What the map of A shows: places, colours' values and hover text, by feature."""
    own = layout[layout["side"] == "source"].set_index("feature")
    return own.join(table[["density", "label", "f1", "fires_on", "promoted"]].assign(r=table[f"r_{arm}"]))


def other_side(table: pd.DataFrame, layout: pd.DataFrame, other: pd.DataFrame | None) -> pd.DataFrame:
    """The same of B; its r is that with its one-to-one partner in A."""
    import pandas as pd

    own = layout[layout["side"] == "target"].set_index("feature")
    if other is None:
        empty = {"density": np.nan, "label": "", "f1": np.nan, "fires_on": [()] * len(own), "promoted": [()] * len(own)}
        known = own.assign(**empty)
    else:
        known = own.join(other[["density", "label", "f1", "fires_on", "promoted"]])
    if "one_to_one" not in table:
        return known.assign(r=np.nan)
    matched = table[table["one_to_one"] >= 0]
    r = pd.Series(matched["one_to_one_r"].to_numpy(), index=matched["one_to_one"].to_numpy())
    return known.assign(r=r.reindex(known.index))


def map_table(a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str], arm: str) -> pd.DataFrame:
    """What the maps show as a table: a row for each feature of A and of B; raw_x and raw_y are B's places before R.

    The r of a feature of B is that with its one-to-one partner.
    """
    import pandas as pd

    sides = []
    for name, table in zip(names, (a, b), strict=True):
        words = {c: table[c].map(" · ".join) for c in ("fires_on", "promoted")}
        sides.append(table.assign(model=name, **words).rename_axis("feature").reset_index())
    columns = "model feature x y raw_x raw_y r density label f1 region fires_on promoted".split()
    return pd.concat(sides, ignore_index=True)[columns].rename(columns={"r": f"r_{arm}"})


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
        look = _look(table, by, side, arm, palette)
        figure.add_trace(
            go.Scattergl(
                x=at[:, 0] + (APART if side == "B" else 0),
                y=at[:, 1],
                mode="markers",
                customdata=[[side, int(i)] for i in table.index],
                text=_hover(table, side, names),
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
                marker={"size": 7, "opacity": opacity} | look,
                # A click must not dim the rest: the layer above shows what is chosen.
                selected={"marker": {}},
                unselected={"marker": {}},
            )
        )
    figure.frames = [go.Frame(name=str(i), traces=[1], data=[_moved(*places, i / STEPS)]) for i in range(STEPS + 1)]
    _keys(figure, a, by, arm, palette)
    _layout(figure, names, rotated, bool(len(b)), by != "region", palette)
    if by == "region":
        _region_labels(figure, a, palette)
    return figure


def _moved(rotated: Float[np.ndarray, "g 2"], raw: Float[np.ndarray, "g 2"], t: float) -> go.Scattergl:
    # Slow at both ends, so that the eye can follow.
    share = np.float32(t * t * (3 - 2 * t))
    at = raw + share * (rotated - raw)
    return go.Scattergl(x=at[:, 0] + np.float32(APART), y=at[:, 1])


def _look(table: pd.DataFrame, by: str, side: str, arm: str, palette: Palette) -> dict[str, Any]:
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
        hues = [h if n < len(HUES) else _mix(h, palette.paper, 0.5) for n, h in enumerate(hues)]
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


def _keys(figure: go.Figure, a: pd.DataFrame, by: str, arm: str, palette: Palette) -> None:
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


def _region_labels(figure: go.Figure, a: pd.DataFrame, palette: Palette) -> None:
    for name, inside in a.groupby("region", observed=True):
        figure.add_annotation(
            x=float(inside["x"].median()),
            y=float(inside["y"].median()),
            text=html.escape(" · ".join(tokens(str(name).split(" · ")[:2]))),
            showarrow=False,
            font={"size": 14, "color": palette.ink},
            bgcolor=palette.paper,
            opacity=0.85,
        )


def _layout(
    figure: go.Figure, names: tuple[str, str], rotated: bool, twins: bool, legend: bool, palette: Palette
) -> None:
    width = APART + 2 if twins else 2
    figure.update_layout(
        height=HEIGHT + 38 * legend,
        margin={"l": 4, "r": 86, "t": 36, "b": 104 if legend else 66, "autoexpand": False},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 14, "color": palette.ink},
        legend={
            "orientation": "h",
            "x": 0,
            "y": -0.25,
            "yanchor": "top",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        hoverlabel={"bgcolor": palette.paper, "font": {"color": palette.ink, "size": 14}, "align": "left"},
        hovermode="closest",
        clickmode="event+select",
        dragmode="pan",  # with any tool of selection active Streamlit stops clicks from selecting
        showlegend=True,
    )
    figure.update_xaxes(visible=False, fixedrange=True, range=[-1.06, width - 0.94])
    figure.update_yaxes(visible=False, fixedrange=True, range=[-1.08, 1.08])
    titles = [(0.0, f"● A: {names[0]}", palette.source)]
    if twins:
        titles.append((APART, f"◆ B: {names[1]}", palette.rotated if rotated else palette.raw))
    for x, text, colour in titles:
        figure.add_annotation(
            x=x - 1, y=1.0, yref="paper", yanchor="bottom", xanchor="left", showarrow=False, text=text,
            font={"size": 15, "color": colour},
        )  # fmt: skip
    if twins:
        _motion(figure, rotated, palette)


def _motion(figure: go.Figure, rotated: bool, palette: Palette) -> None:
    """A button and a slider that move B's dots in the browser, without asking the server."""
    still = {"mode": "immediate", "transition": {"duration": 0}}
    steps = [str(i) for i in range(STEPS + 1)]
    quick, slow = ({**still, "frame": {"duration": t, "redraw": True}} for t in (0, 70))
    font = {"size": 14, "color": palette.ink}
    button = {"label": "Move B from raw to R", "method": "animate", "args": [steps, {**slow, "fromcurrent": False}]}
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "x": 0,
                "y": -0.02,
                "xanchor": "left",
                "yanchor": "top",
                "pad": {"t": 6},
                "showactive": False,
                "bgcolor": palette.paper,
                "bordercolor": palette.null,
                "font": font,
                "buttons": [button],
            }
        ],
        sliders=[
            {
                "active": STEPS if rotated else 0,
                "x": 0.54,
                "len": 0.46,
                "y": -0.02,
                "yanchor": "top",
                "pad": {"t": 8},
                "ticklen": 0,
                "currentvalue": {"visible": False},
                "bgcolor": palette.faint,
                "activebgcolor": palette.rotated,
                "bordercolor": palette.null,
                "font": font,
                "steps": [
                    {"method": "animate", "label": {0: "raw", STEPS: "R"}.get(i, ""), "args": [[step], quick]}
                    for i, step in enumerate(steps)
                ],
            }
        ],
    )


def _mix(a: str, b: str, share: float) -> str:
    parts = [round(int(a[i : i + 2], 16) * (1 - share) + int(b[i : i + 2], 16) * share) for i in (1, 3, 5)]
    return "#" + "".join(f"{p:02X}" for p in parts)
