"""The ladder of maps at a site, and the look that all figures share. Imports no model."""

from __future__ import annotations

import plotly.graph_objects as go

from explorer.alignment import SiteResult, rotation_nulls, rungs, shown
from explorer.number_text import number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at, whiskers
from explorer.presentation.rotation.dictionary_bars import LOWEST


def ladder(site: SiteResult, palette: Palette) -> go.Figure:
    """The ladder of maps at one site: how well each predicts the source's rows; below it what the token alone does, and
    the maps that had no true pairing to learn from. What lies beyond the axis is told at its edge.
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
    left = max(LOWEST, min(worst, *(v for _, values in controls(site) for v in values)) - 0.15)
    beyond = [(title, e.value) for title, e, *_ in dots]
    beyond += [(title, sum(values) / len(values)) for title, values in controls(site)]
    for title, value in beyond:
        if value < left:
            text_at(figure, f"◂ {number(value)}", left, title, palette.ink, 14, xanchor="left")
    figure.update_xaxes(title="EV of A's rows", range=[left, 1.18], showgrid=True)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False)
    figure.update_layout(margin={"l": 170, "r": 24, "t": 10, "b": 48})
    return figure


def controls(site: SiteResult) -> list[tuple[str, tuple[float, ...]]]:
    """Rotations without a true pairing, by name: those that were run. The gates have one scale, as the verdict's R."""
    nulls, gates = site.nulls, rotation_nulls(site)
    found = (
        ("shuffled pairs", gates.shuffled),
        ("untrained target", gates.untrained),
        ("principal axes", nulls.pca_signs),
        ("random rotation", nulls.haar),
    )
    return [(name, values) for name, values in found if values]
