"""Plotly figures of result objects. Imports no model; every figure carries its axes' meaning and an alt text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.alignment import MAPS, PairResult, SiteResult, arms, rungs, shown
from explorer.number_text import number
from explorer.palette import HATCH, Palette
from explorer.presentation.plots import base_layout, text_at, whiskers

if TYPE_CHECKING:
    import pandas as pd


def _faded(colour: str, opacity: float) -> str:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity})"


def ev_by_site(result: PairResult, reading: str, chosen: str, palette: Palette, site: str = "") -> go.Figure:
    """EV of the source's dictionary on the target at every site: bars by map, the ceiling as a line above each group.

    `reading` is "paper-style" or "faithful"; the chosen map is drawn in full colour, the chosen site's label in bold.
    """
    sites = [s for s in result.sites if s.dictionary is not None]
    reading = reading.removesuffix("-style")
    figure = go.Figure()
    labels = [f"<b>{s.label}</b>" if s.site == site else s.label for s in sites]
    scores = [{arm: getattr(score, reading) for arm, score in (s.dictionary or {}).items()} for s in sites]
    shown = [arm for arm in arms() if arm in scores[0]]
    for arm in shown:
        estimates = [s[arm] for s in scores]
        values = [e.value for e in estimates]
        focus = arm == chosen
        figure.add_bar(
            name=arm,
            x=labels,
            y=values,
            marker={
                "color": _faded(
                    palette.arm(MAPS[arm].colour), 1.0 if focus or arm == "rotated" or arm == "raw" else 0.55
                ),
                "line": {"width": 2.5 if focus else 0, "color": palette.ink},
                "pattern": {"shape": HATCH.get(arm, ""), "fgcolor": palette.ink, "size": 6, "solidity": 0.2},
            },
            error_y=whiskers(estimates, palette),
            customdata=[[e.low, e.high] for e in estimates],
            hovertemplate=f"{arm}: %{{y:.2f}} [%{{customdata[0]:.2f}}, %{{customdata[1]:.2f}}]<extra></extra>",
        )
    ceilings = [s["ceiling"].value for s in scores]
    for i, y in enumerate(ceilings):
        figure.add_shape(type="line", x0=i - 0.44, x1=i + 0.44, y0=y, y1=y, line={"color": palette.ink, "width": 3})
    right = len(sites) - 0.52
    for y, text in ((ceilings[-1], "ceiling"), (0.0, "predicting<br>the mean")):
        text_at(figure, text, right, y, xanchor="left", align="left")
    figure.add_hline(y=0, line={"color": palette.ink, "width": 1})
    base_layout(figure, palette, 440)
    low = min(0.0, *(s[arm].low for s in scores for arm in shown))
    figure.update_yaxes(title="explained variance", range=[max(-3.0, low * 1.1 - 0.02), 1.06])
    figure.update_xaxes(range=[-0.5, len(sites) - 0.5])
    figure.update_layout(
        barmode="group",
        showlegend=True,
        legend={"orientation": "h", "y": -0.1, "yanchor": "top", "x": 0, "font": {"size": 14}},
        margin={"l": 64, "r": 96, "t": 12, "b": 96},
    )
    return figure


def ladder(site: SiteResult, palette: Palette) -> go.Figure:
    """The ladder of maps at one site: how well each predicts the source's rows; below it what the token alone does, and
    the maps that had no true pairing to learn from.
    """
    figure = go.Figure()
    beside = [("token lookup", site.token.lookup), ("R beyond the token", site.token.residual)]
    dots = [
        (m.title, site.ladder[rung], palette.arm(m.colour), "circle", f"<br>{m.meaning}")
        for rung, m in shown(rungs()).items()
        if rung in site.ladder.rungs
    ]
    dots += [(title, e, palette.ink, "diamond-open", "") for title, e in beside if e is not None]
    for title, e, colour, symbol, meaning in dots:
        figure.add_trace(
            go.Scatter(
                x=[e.value],
                y=[title],
                mode="markers+text",
                text=[f"  {number(e.value)}"],
                textposition="middle right",
                textfont={"size": 14},
                marker={"size": 13, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
                cliponaxis=False,
                error_x=whiskers([e], palette),
                hovertemplate=f"{title}: %{{x:.3f}} [{e.low:.3f}, {e.high:.3f}]{meaning}<extra></extra>",
            )
        )
    for title, values in controls(site):
        figure.add_trace(
            go.Scatter(
                x=list(values),
                y=[title] * len(values),
                mode="markers",
                marker={"size": 14, "symbol": "line-ns", "line": {"width": 2, "color": palette.null}},
                cliponaxis=False,
                hovertemplate=f"{title}: %{{x:.3f}}<extra></extra>",
            )
        )
    names = [title for title, *_ in dots] + [title for title, _ in controls(site)]
    figure.add_vline(x=0, line={"color": palette.ink, "width": 1})
    base_layout(figure, palette, 60 + 31 * len(names))
    worst = min(e.low for _, e, *_ in dots)
    left = max(-3.0, min(worst, *(v for _, values in controls(site) for v in values)) - 0.15)
    figure.update_xaxes(title="explained variance of the source's rows", range=[left, 1.18], showgrid=True)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False)
    figure.update_layout(margin={"l": 170, "r": 24, "t": 10, "b": 48})
    return figure


def controls(site: SiteResult) -> list[tuple[str, tuple[float, ...]]]:
    """Orthogonal maps without a true pairing, by name: those that were run."""
    nulls = site.nulls
    found = (
        ("shuffled pairs", nulls.shuffled),
        ("untrained target", nulls.untrained),
        ("principal axes", nulls.pca_signs),
        ("random rotation", nulls.haar),
    )
    return [(name, values) for name, values in found if values]


def score_table(result: PairResult) -> pd.DataFrame:
    """The dictionary's scores at every site as a table: paper-style and faithful EV with intervals, and L0."""
    import pandas as pd

    rows = []
    for site in result.sites:
        for arm, s in (site.dictionary or {}).items():
            rows.append(
                {
                    "site": site.label,
                    "read through": arm,
                    "EV paper-style": s.paper.value,
                    "low": s.paper.low,
                    "high": s.paper.high,
                    "EV faithful": s.faithful.value,
                    "faithful low": s.faithful.low,
                    "faithful high": s.faithful.high,
                    "L0": s.l0,
                }
            )
    return pd.DataFrame(rows)
