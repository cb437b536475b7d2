"""Figures of one pair, one question each: is R random, what survives a stitch, how much text, which depth, which pair.

Imports no model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from explorer.alignment import ROTATION, FitCurve, PairResult, SiteResult, Spectrum, seams, shown
from explorer.number_text import number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, legend_line, text_at, whiskers
from explorer.presentation.rotation.row_curves import add_row_curve


def spectrum(found: Spectrum, palette: Palette) -> go.Figure:
    """Eigen-angles of R as bars, with what Haar draws put into each bin: mean as a line, 95 % as a band."""
    centres = [math.degrees(a + b) / 2 for a, b in zip(found.edges, found.edges[1:], strict=False)]
    width = math.degrees(found.edges[1] - found.edges[0])
    figure = go.Figure()
    figure.add_bar(
        x=centres,
        y=list(found.counts),
        width=width * 0.9,
        marker={"color": palette.rotated, "opacity": 0.8},
        customdata=[[lo, hi] for lo, hi in zip(found.haar_low, found.haar_high, strict=True)],
        hovertemplate="%{x:.0f}°: %{y} eigenvalues; Haar %{customdata[0]:.0f} to %{customdata[1]:.0f}<extra></extra>",
    )
    band = {"mode": "lines", "line": {"width": 0, "shape": "hvh"}, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(x=centres, y=list(found.haar_low), **band))
    figure.add_trace(
        go.Scatter(x=centres, y=list(found.haar_high), fill="tonexty", fillcolor="rgba(140,145,150,0.35)", **band)
    )
    figure.add_trace(
        go.Scatter(
            x=centres,
            y=list(found.haar_mean),
            mode="lines",
            line={"color": palette.ink, "width": 2, "dash": "dash", "shape": "hvh"},
            hoverinfo="skip",
        )
    )
    base_layout(figure, palette, 360)
    above: dict[str, Any] = {"y": 1.06, "xref": "paper", "yref": "paper", "xanchor": "left"}
    text_at(figure, "R", 0.02, colour=palette.rotated, **above)
    text_at(figure, "– – Haar draws: mean and 95 % band", 0.08, **above)
    figure.update_xaxes(title="angle of the eigenvalue, degrees", tickvals=[0, 45, 90, 135, 180], range=[-2, 182])
    figure.update_yaxes(title="eigenvalues", rangemode="tozero")
    return figure


def fit_curve(curve: FitCurve, d: int, palette: Palette) -> go.Figure:
    """EV on test against the number of fit rows, for R and the affine map; the least for a verdict is marked."""
    figure = go.Figure()
    for name, values, arm in (("affine", curve.affine, "affine"), ("rotation R", curve.orthogonal, "rotated")):
        add_row_curve(figure, name, curve.rows, values, arm, palette)
    figure.add_vline(x=20 * d, line={"color": palette.ink, "width": 1, "dash": "dot"})
    base_layout(figure, palette, 360)
    text_at(figure, "20·d: the least for a verdict", math.log10(20 * d), 1.06, yref="paper")
    figure.add_hline(y=0, line={"color": palette.ink, "width": 1})
    ticks = sorted({curve.rows[0], curve.rows[len(curve.rows) // 2], curve.rows[-1]})
    figure.update_xaxes(
        type="log",
        title="rows that the map was fitted on",
        tickvals=ticks,
        ticktext=[f"{n:,}" for n in ticks],
        tickangle=0,
    )
    lowest = min(*curve.orthogonal, *curve.affine, 0.0)
    figure.update_yaxes(title="explained variance on test", range=[max(-2.0, lowest - 0.05), 1.02])
    figure.update_layout(margin={"l": 64, "r": 36, "t": 36, "b": 48})
    return figure


def stitching(site: SiteResult, names: tuple[str, str], palette: Palette) -> go.Figure:
    """CE recovered at a seam, by what passes it: one dot with its interval for each direction."""
    assert site.stitch is not None
    figure = go.Figure()
    known = {seam: m for seam, m in shown(seams()).items() if seam in site.stitch.source_to_target.seams}
    passing = [("mean", "mean row", "null"), *((seam, m.title, m.colour) for seam, m in known.items())]
    a, b = names
    ways = (
        (f"{a} below, {b} above", site.stitch.source_to_target, "circle", 0.16),
        (f"{b} below, {a} above", site.stitch.target_to_source, "diamond-open", -0.16),
    )
    for title, scores, symbol, shift in ways:
        found = [scores[seam] for seam, _, _ in passing]
        figure.add_trace(
            go.Scatter(
                name=title,
                x=[e.value for e in found],
                y=[i + shift for i in range(len(passing))],
                mode="markers",
                marker={"size": 13, "symbol": symbol, "color": [palette.arm(colour) for _, _, colour in passing]},
                error_x=whiskers(found, palette),
                customdata=[[name, e.low, e.high] for (_, name, _), e in zip(passing, found, strict=True)],
                hovertemplate=f"{title}, %{{customdata[0]}}: %{{x:.2f}} "
                "[%{customdata[1]:.2f}, %{customdata[2]:.2f}]<extra></extra>",
            )
        )
    lowest = min(scores[seam].value for _, scores, _, _ in ways for seam, _, _ in passing)
    base_layout(figure, palette, 400)
    for x, text in ((0.0, "unigram or<br>mean-ablated"), (1.0, "the receiver<br>itself")):
        figure.add_vline(x=x, line={"color": palette.ink, "width": 1 + x})
        text_at(figure, text, x, 1.14, yref="paper")
    figure.update_xaxes(
        title="cross-entropy recovered", range=[max(-1.5, min(-0.1, lowest - 0.1)), 1.12], showgrid=True
    )
    figure.update_yaxes(
        tickvals=list(range(len(passing))),
        ticktext=[name for _, name, _ in passing],
        showgrid=False,
        range=[-0.5, len(passing) - 0.5],
    )
    figure.update_layout(
        margin={"l": 120, "r": 36, "t": 60, "b": 112},
    )
    marks = [(palette.ink, f"{glyph} {title}") for glyph, (title, *_) in zip("●◇", ways, strict=True)]
    legend_line(figure, marks, 1, yshift=-66)
    return figure


def cross_site(result: PairResult, palette: Palette, dark: bool) -> go.Figure:
    """EV at site ℓ′ (column) of the R of site ℓ (row): the diagonal is what each site's own R does."""
    labels = [s.label for s in result.sites]
    figure = _heat(result.ev_cross_site, labels, labels, palette, dark)
    figure.update_xaxes(title="read at the site …", side="bottom")
    figure.update_yaxes(title="… with the R of the site", autorange="reversed")
    return figure


def pairs_by_site(results: Sequence[PairResult], palette: Palette, dark: bool) -> go.Figure:
    """EV of R with one scale, on which verdicts rest, for every measured pair of a study at every site."""
    values = [[s.ladder[ROTATION].value for s in r.sites] for r in results]
    names = [f"{r.source} → {r.target}" for r in results]
    figure = _heat(values, [s.label for s in results[0].sites], names, palette, dark)
    figure.update_xaxes(title="site", tickangle=0, tickfont={"size": 12})
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=max(360, 120 + 34 * len(results)), margin={"l": 130, "r": 8, "t": 16, "b": 56})
    return figure


def _heat(
    values: Sequence[Sequence[float]], columns: list[str], rows: list[str], palette: Palette, dark: bool
) -> go.Figure:
    low = palette.paper if dark else "#FFFFFF"
    figure = go.Figure(
        go.Heatmap(
            z=[list(row) for row in values],
            x=columns,
            y=rows,
            zmin=0,
            zmax=1,
            colorscale=[[0, low], [1, palette.rotated]],
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate="%{y}, %{x}: EV %{z:.3f}<extra></extra>",
        )
    )
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            # Written as a layer of text, so that the number stands in every cell whatever its colour.
            text_at(figure, number(value), j, i, "#FFFFFF" if value > 0.6 and not dark else None)
    base_layout(figure, palette, 380)
    figure.update_layout(margin={"l": 110, "r": 24, "t": 16, "b": 56})
    figure.update_yaxes(showgrid=False)
    return figure
