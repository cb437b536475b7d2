"""The source's dictionary on the target at every site: bars of one reading on one scale, and the table of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from explorer.alignment import MAPS, PairResult, Reading, Scale, SiteResult, arms, restored, told
from explorer.estimates import Estimate
from explorer.number_text import bounds, number
from explorer.palette import HATCH, Palette
from explorer.presentation.plots import base_layout, legend_line, text_at, whiskers

if TYPE_CHECKING:
    import pandas as pd

LOWEST = -3.0
"""Where bars are cut, and marked as cut."""
GAP = 0.25
"""Share of a site's room between its bars and the next site's."""
TITLES: dict[Scale, str] = {"restored": "restored", "EV": "explained variance"}
"""What each scale is called on an axis."""
NAMES: dict[Reading, str] = {"faithful": "faithful", "paper": "paper-style"}
"""What each reading is called on an axis and in the switch."""


def dictionary_bars(
    result: PairResult, reading: Reading, scale: Scale, chosen: str, palette: Palette, site: str = ""
) -> go.Figure:
    """How the source's dictionary fares on the target at every site: bars by map, with what it does at home as lines.

    The chosen map is drawn in full colour, the chosen site's label in bold. A bar below −3 is cut, and marked with its
    number.
    """
    sites = [s for s in result.sites if s.dictionary is not None]
    figure = go.Figure()
    shown = [a for a in arms() if a in (sites[0].dictionary or {}) and (scale == "EV" or a != "shuffled")]
    found = {arm: [told(s.dictionary or {}, arm, reading, scale) for s in sites] for arm in shown}
    labels = [f"<b>{s.label}</b>" if s.site == site else s.label for s in sites]
    for arm, estimates in found.items():
        _bars(figure, arm, labels, estimates, arm == chosen, palette)
    homes = [told(s.dictionary or {}, "ceiling", reading, scale) for s in sites]
    for i, home in enumerate(homes):
        if home is not None:
            line = {"color": palette.ink, "width": 3}
            figure.add_shape(type="line", x0=i - 0.44, x1=i + 0.44, y0=home.value, y1=home.value, line=line)
    figure.add_hline(y=0, line={"color": palette.ink, "width": 1})
    base_layout(figure, palette, 440)
    values = [e.value if e.low != e.low else e.low for row in found.values() for e in row if e is not None]
    low = max(LOWEST, min(0.0, *values) * 1.1 - 0.02)
    mark_cut(figure, list(found.values()), low, palette)
    high = max(1.06, *(1.04 * e.value for row in found.values() for e in row if e is not None))
    figure.update_yaxes(range=[low, high])
    figure.update_xaxes(range=[-0.5, len(sites) - 0.5], tickangle=0)
    figure.update_layout(
        barmode="group",
        bargap=GAP,
        margin={"l": 44, "r": 12, "t": 52, "b": 84},
    )
    zero = "shuffled pairs" if scale == "restored" else "predicting the mean"
    above: dict[str, Any] = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "align": "left"}
    said = f"{TITLES[scale]}, {NAMES[reading]}<br>thick lines: at home; 0: {zero}"
    text_at(figure, said, 0, 1, yshift=8, xshift=-40, **above)
    legend_line(figure, [(palette.arm(MAPS[arm].colour), f"{'▨' if arm in HATCH else '■'} {arm}") for arm in shown], 3)
    return figure


def _bars(
    figure: go.Figure,
    arm: str,
    labels: Sequence[str],
    estimates: Sequence[Estimate | None],
    focus: bool,
    palette: Palette,
) -> None:
    colour = palette.arm(MAPS[arm].colour)
    figure.add_bar(
        name=arm,
        x=labels,
        y=[None if e is None else e.value for e in estimates],
        marker={
            "color": colour if focus or arm in ("rotated", "raw") else _faded(colour, 0.55),
            "line": {"width": 2.5 if focus else 0, "color": palette.ink},
            "pattern": {"shape": HATCH.get(arm, ""), "fgcolor": palette.ink, "size": 6, "solidity": 0.2},
        },
        error_y=whiskers(estimates, palette),
        customdata=[[_range(e)] for e in estimates],
        hovertemplate=f"{arm}: %{{y:.2f}}%{{customdata[0]}}<extra></extra>",
    )


def _range(e: Estimate | None) -> str:
    return "" if e is None or e.low != e.low else f" {bounds(e.low, e.high)}"


def _faded(colour: str, opacity: float) -> str:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity})"


def mark_cut(
    figure: go.Figure, groups: Sequence[Sequence[Estimate | None]], low: float, palette: Palette, size: int = 14
) -> None:
    """Mark the bars that reach below an axis cut at `low`: an arrow and their number, at the cut.

    `groups` holds the bars of one colour each, in the order in which they stand beside each other at a site.
    """
    for j, estimates in enumerate(groups):
        for i, e in enumerate(estimates):
            if e is not None and e.value < low:
                middle = i + ((j + 0.5) / len(groups) - 0.5) * (1 - GAP)
                cut = {"yanchor": "bottom", "textangle": -90, "bgcolor": palette.paper, "borderpad": 1}
                text_at(figure, f"◂ {number(e.value)}", middle, low, palette.ink, size, **cut)


def score_table(result: PairResult) -> pd.DataFrame:
    """The dictionary's scores at every site as a table: what comes back and EV, in both readings, and L0."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"site": site.label, "read through": arm, **_row(site, arm)}
            for site in result.sites
            for arm in site.dictionary or ()
        ]
    )


def _row(site: SiteResult, arm: str) -> Mapping[str, float | str | None]:
    assert site.dictionary is not None
    score, row = site.dictionary[arm], dict[str, float | None]()
    for reading, name in NAMES.items():
        back, ev = restored(site.dictionary, arm, reading), getattr(score, reading)
        for title, e in ((f"restored {name}", back), (f"EV {name}", ev)):
            value, low, high = (None, None, None) if e is None else (e.value, e.low, e.high)
            row |= {title: value, f"{title} low": low, f"{title} high": high}
    return {**row, "L0": score.l0, "dictionary": site.dictionary_name, "rows": site.rows_test}


COLUMNS: dict[str, Any] = {
    f"{title} {name}{end}": {"type_config": {"type": "number", "format": "%.2f"}}
    for name in NAMES.values()
    for title in ("restored", "EV")
    for end in ("", " low", " high")
} | {"L0": {"type_config": {"type": "number", "format": "%.1f"}}}
"""Column formats of the table (Streamlit's column_config as plain data)."""
