"""Plotly figures of result objects. Imports no model; every figure carries its axes' meaning and an alt text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from explorer.palette import HATCH, Palette
from explorer.results import DialCurve, PairResult, SiteResult

if TYPE_CHECKING:
    import pandas as pd

ARMS = ("raw", "translated", "rotated", "affine", "shuffled", "random")
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"

CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "svg"},
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
}
"""Export from the browser as SVG: works without a network and without Chrome on the server."""


def _layout(figure: go.Figure, palette: Palette, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 64, "r": 24, "t": 36, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": _FONT, "size": 14, "color": palette.ink},
        showlegend=False,
        hoverlabel={"bgcolor": palette.paper, "font": {"color": palette.ink, "size": 14}},
        bargap=0.25,
        bargroupgap=0.08,
    )
    axes = {"gridcolor": palette.faint, "linecolor": palette.ink, "zeroline": False, "tickfont": {"size": 14}}
    figure.update_xaxes(**axes, showgrid=False)
    figure.update_yaxes(**axes)
    return figure


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
    for arm in ("raw", "translated", "rotated", "affine", "shuffled", "random"):
        estimates = [getattr(getattr(s.dictionary, arm), reading) for s in sites]
        values = [e.value for e in estimates]
        focus = arm == chosen
        figure.add_bar(
            name=arm,
            x=labels,
            y=values,
            marker={
                "color": _faded(palette.arm(arm), 1.0 if focus or arm == "rotated" or arm == "raw" else 0.55),
                "line": {"width": 2.5 if focus else 0, "color": palette.ink},
                "pattern": {"shape": HATCH.get(arm, ""), "fgcolor": palette.ink, "size": 6, "solidity": 0.2},
            },
            error_y={
                "type": "data",
                "array": [e.high - e.value for e in estimates],
                "arrayminus": [e.value - e.low for e in estimates],
                "thickness": 1.2,
                "width": 2,
                "color": palette.ink,
            },
            customdata=[[e.low, e.high] for e in estimates],
            hovertemplate=f"{arm}: %{{y:.2f}} [%{{customdata[0]:.2f}}, %{{customdata[1]:.2f}}]<extra></extra>",
        )
    for i, s in enumerate(sites):
        ceiling = getattr(s.dictionary.ceiling, reading).value  # type: ignore[union-attr]
        figure.add_shape(
            type="line", x0=i - 0.44, x1=i + 0.44, y0=ceiling, y1=ceiling, line={"color": palette.ink, "width": 3}
        )
    last = getattr(sites[-1].dictionary.ceiling, reading).value  # type: ignore[union-attr]
    right = len(sites) - 0.52
    for y, text in ((last, "ceiling"), (0.0, "predicting<br>the mean")):
        figure.add_annotation(x=right, y=y, xanchor="left", showarrow=False, text=text, align="left", font={"size": 14})
    figure.add_hline(y=0, line={"color": palette.ink, "width": 1})
    _layout(figure, palette, 440)
    low = min(0.0, *(getattr(getattr(s.dictionary, a), reading).low for s in sites for a in ARMS))
    figure.update_yaxes(title="explained variance", range=[max(-3.0, low * 1.1 - 0.02), 1.06])
    figure.update_xaxes(range=[-0.5, len(sites) - 0.5])
    figure.update_layout(
        barmode="group",
        showlegend=True,
        legend={"orientation": "h", "y": -0.1, "yanchor": "top", "x": 0, "font": {"size": 14}},
        margin={"l": 64, "r": 96, "t": 12, "b": 96},
    )
    return figure


def dial(
    curve: DialCurve,
    source_cloud: Float[np.ndarray, "n 2"],
    target_cloud: Float[np.ndarray, "t n 2"],
    names: tuple[str, str],
    palette: Palette,
    start: int = 0,
) -> go.Figure:
    """The dial: the target's cloud turns from raw to rotated in the source's frame, and EV moves along its curve.

    The animation runs in the browser from frames in the figure; no server is asked while the dial turns.
    """
    figure = make_subplots(cols=2, rows=1, column_widths=[0.46, 0.54], horizontal_spacing=0.11)
    t = list(curve.t)
    a, b = np.round(source_cloud.astype(float), 2), np.round(target_cloud.astype(float), 2)
    colours = [_mix(palette.raw, palette.rotated, x) for x in t]
    figure.add_trace(
        go.Scatter(
            x=a[:, 0],
            y=a[:, 1],
            mode="markers",
            name=names[0],
            hoverinfo="skip",
            marker={"color": palette.source, "size": 9, "symbol": "circle-open", "line": {"width": 1.4}},
        ),
        row=1,
        col=1,
    )
    figure.add_trace(
        go.Scatter(
            x=b[start, :, 0],
            y=b[start, :, 1],
            mode="markers",
            name=names[1],
            hoverinfo="skip",
            marker={"color": colours[start], "size": 6, "symbol": "diamond", "opacity": 0.65},
        ),
        row=1,
        col=1,
    )
    line = {"mode": "lines", "hovertemplate": "turned %{x:.0%}: %{y:.2f}<extra></extra>"}
    figure.add_trace(
        go.Scatter(x=t, y=curve.shuffled, line={"color": palette.null, "dash": "dot", "width": 2.5}, **line),
        row=1,
        col=2,
    )
    figure.add_trace(
        go.Scatter(x=t, y=curve.direct, line={"color": palette.affine, "dash": "dash", "width": 2.5}, **line),
        row=1,
        col=2,
    )
    figure.add_trace(
        go.Scatter(x=t, y=curve.dictionary, line={"color": palette.rotated, "width": 3.5}, **line), row=1, col=2
    )
    figure.add_trace(_needle(curve, start, colours[start], palette), row=1, col=2)
    figure.frames = [
        go.Frame(
            name=str(i),
            traces=[1, 5],
            data=[
                go.Scatter(
                    x=b[i, :, 0],
                    y=b[i, :, 1],
                    marker={"color": colours[i], "size": 6, "symbol": "diamond", "opacity": 0.65},
                ),
                _needle(curve, i, colours[i], palette),
            ],
        )
        for i in range(len(t))
    ]
    _layout(figure, palette, 470)
    reach = 1.3 * float(max(np.quantile(np.abs(a), 0.985), np.quantile(np.abs(b), 0.985)))
    figure.update_xaxes(row=1, col=1, visible=False, range=[-reach, reach])
    figure.update_yaxes(row=1, col=1, visible=False, range=[-reach, reach], scaleanchor="x", scaleratio=1)
    figure.update_xaxes(row=1, col=2, tickvals=[0, 0.5, 1], ticktext=["raw", "half way", "R"], range=[-0.03, 1.03])
    low = min(min(curve.dictionary), min(curve.direct), min(curve.shuffled), 0.0)
    figure.update_yaxes(row=1, col=2, title="explained variance", range=[low - 0.1, 1.1])
    figure.add_hline(y=curve.ceiling, row=1, col=2, line={"color": palette.ink, "width": 2.5})
    figure.add_hline(y=0, row=1, col=2, line={"color": palette.ink, "width": 1})
    _curve_labels(figure, curve, names, palette)
    settings = {"mode": "immediate", "transition": {"duration": 0}}
    figure.update_layout(
        margin={"l": 12, "r": 128, "t": 40, "b": 96},
        sliders=[
            {
                "active": start,
                "x": 0.3,
                "len": 0.7,
                "y": -0.06,
                "pad": {"t": 34},
                "tickcolor": palette.ink,
                "currentvalue": {"visible": False},
                "bgcolor": palette.faint,
                "activebgcolor": palette.rotated,
                "bordercolor": palette.null,
                "font": {"size": 14, "color": palette.ink},
                "steps": [
                    {
                        "method": "animate",
                        "label": ("raw" if i == 0 else "R" if i == len(t) - 1 else ""),
                        "args": [[str(i)], {**settings, "frame": {"duration": 0, "redraw": False}}],
                    }
                    for i in range(len(t))
                ],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "x": 0,
                "y": -0.06,
                "xanchor": "left",
                "yanchor": "top",
                "pad": {"t": 30},
                "showactive": False,
                "bgcolor": palette.paper,
                "bordercolor": palette.null,
                "font": {"size": 15, "color": palette.ink},
                "buttons": [
                    {
                        "label": "Turn the dial",
                        "method": "animate",
                        "args": [
                            [str(i) for i in range(len(t))],
                            {**settings, "frame": {"duration": 90, "redraw": False}, "fromcurrent": False},
                        ],
                    }
                ],
            }
        ],
    )
    return figure


def _needle(curve: DialCurve, i: int, colour: str, palette: Palette) -> go.Scatter:
    y = curve.dictionary[i]
    return go.Scatter(
        x=[curve.t[i]],
        y=[y],
        mode="markers+text",
        text=[f"<b>{y:.2f}</b>".replace("-", "−")],
        hoverinfo="skip",
        textposition="bottom right" if curve.t[i] < 0.5 else "bottom left",
        textfont={"size": 20, "color": palette.ink},
        marker={"size": 18, "color": colour, "line": {"width": 2.5, "color": palette.ink}},
        cliponaxis=False,
    )


def _curve_labels(figure: go.Figure, curve: DialCurve, names: tuple[str, str], palette: Palette) -> None:
    ends = sorted(
        [
            (curve.dictionary[-1], "dictionary,<br>true pairs", palette.rotated),
            (curve.shuffled[-1], "dictionary,<br>shuffled pairs", palette.null),
            (curve.direct[-1], "the rows<br>themselves", palette.affine),
        ],
        reverse=True,
    )
    # Labels stand at the ends of their lines; where lines end together, the labels move apart.
    span = 1.2 - min(min(curve.dictionary), min(curve.direct), min(curve.shuffled), 0.0)
    above = float("inf")
    for y, text, colour in ends:
        above = min(y, above - 0.13 * span)
        figure.add_annotation(
            xref="x2 domain",
            yref="y2",
            x=1.02,
            y=above,
            text=text,
            xanchor="left",
            align="left",
            showarrow=False,
            font={"size": 14, "color": colour},
        )
    figure.add_annotation(
        row=1,
        col=2,
        x=0.0,
        y=curve.ceiling,
        yshift=13,
        xanchor="left",
        showarrow=False,
        font={"size": 14},
        text=f"ceiling {curve.ceiling:.2f}",
    )
    marks = ((palette.source, f"○ {names[0]}"), (palette.rotated, f"◆ {names[1]}, turned"))
    text = "   ".join(f"<span style='color:{colour}'>{words}</span>" for colour, words in marks)
    figure.add_annotation(
        xref="paper", yref="paper", x=0, y=1.08, xanchor="left", text=text, showarrow=False, font={"size": 15}
    )


def _mix(a: str, b: str, share: float) -> str:
    pairs = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)


RUNGS = (
    ("identity", "as it is", "raw"),
    ("translation", "translation", "translated"),
    ("permutation", "signed permutation", "translated"),
    ("orthogonal", "rotation R", "rotated"),
    ("orthogonal_scale", "R and one scale", "rotated"),
    ("affine", "affine", "affine"),
)


def ladder(site: SiteResult, palette: Palette) -> go.Figure:
    """The ladder of maps at one site: how well each predicts the source's rows; shuffled pairings as a grey band."""
    figure = go.Figure()
    names = [title for _, title, _ in RUNGS]
    for key, title, arm in RUNGS:
        e = getattr(site.ladder, key)
        figure.add_trace(
            go.Scatter(
                x=[e.value],
                y=[title],
                mode="markers+text",
                text=[f"  {e.value:.2f}".replace("-", "−")],
                textposition="middle right",
                textfont={"size": 14},
                marker={"size": 13, "color": palette.arm(arm)},
                cliponaxis=False,
                error_x={
                    "type": "data",
                    "array": [e.high - e.value],
                    "arrayminus": [e.value - e.low],
                    "color": palette.ink,
                    "thickness": 1.2,
                },
                hovertemplate=f"{title}: %{{x:.3f}} [{e.low:.3f}, {e.high:.3f}]<extra></extra>",
            )
        )
    low, high = min(site.ladder.shuffled), max(site.ladder.shuffled)
    width = max(0.015, high - low)
    figure.add_vrect(x0=high - width, x1=high, fillcolor=palette.null, opacity=0.35, line_width=0)
    figure.add_annotation(
        x=high,
        y=1.02,
        yref="paper",
        text="19 shuffled pairings",
        showarrow=False,
        xanchor="left",
        font={"size": 13, "color": palette.null},
    )
    figure.add_vline(x=0, line={"color": palette.ink, "width": 1})
    _layout(figure, palette, 330)
    left = min(low, *(getattr(site.ladder, key).low for key, _, _ in RUNGS))
    figure.update_xaxes(
        title="explained variance of the source's rows", range=[max(-3.0, left - 0.15), 1.18], showgrid=True
    )
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False)
    figure.update_layout(margin={"l": 150, "r": 24, "t": 30, "b": 48})
    return figure


def score_table(result: PairResult) -> pd.DataFrame:
    """The dictionary's scores at every site as a table: paper-style and faithful EV with intervals, and L0."""
    import pandas as pd

    rows = []
    for site in result.sites:
        for arm in ("ceiling", *ARMS) if site.dictionary is not None else ():
            s = getattr(site.dictionary, arm)
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
