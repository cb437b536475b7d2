"""Plotly figure and table of the stored effects of the ready contrasts. Imports no model and no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.palette import Palette
from explorer.transfer import by_native_effect, random_band, transfer_ratio, transfer_verdict

if TYPE_CHECKING:
    import pandas as pd

    from explorer.effect import ContrastEffect

MARKS = {
    "shuffled": ("x", "✕"),
    "affine": ("square", "■"),
    "raw": ("triangle-down", "▼"),
    "native": ("diamond", "◆"),
    "rotated": ("circle", "●"),
}
"""Shape of each arm (Plotly's name, and as a character), the second channel; the last are drawn on top."""

_ROW = 34
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"


def transfer_dots(
    effects: Sequence[ContrastEffect], target: str, chosen: str, palette: Palette, arm: str = ""
) -> go.Figure:
    """One row for each contrast: its effect on the target under every arm, and the random band as a grey interval.

    `chosen` is the contrast in use (its label is bold), `arm` the one that is drawn larger.
    """
    rows = by_native_effect(effects)
    titles = [f"<b>{e.title}</b>" if e.name == chosen else e.title for e in rows]
    figure = go.Figure()
    for title, effect in zip(titles, rows, strict=True):
        low, high = random_band(effect)
        figure.add_trace(
            go.Scatter(
                x=[low, high], y=[title, title], mode="lines", line={"width": 14, "color": palette.null}, opacity=0.4,
                hoverinfo="skip",
            )
        )  # fmt: skip
    labels = {name: f"{target}’s own" if name == "native" else name for name in MARKS}
    for name, (symbol, _) in MARKS.items():
        figure.add_trace(
            go.Scatter(
                x=[getattr(e, name) for e in rows], y=titles, mode="markers", name=labels[name],
                marker={
                    "symbol": symbol, "color": palette.arm(name), "size": 15 if name == arm else 11,
                    "line": {"width": 2 if name == arm else 1, "color": palette.ink if name == arm else palette.paper},
                },
                hovertemplate=f"{labels[name]}: %{{x:+.2f}}<extra>%{{y}}</extra>",
            )
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": palette.ink, "width": 1})
    figure.update_layout(
        height=116 + _ROW * len(rows),
        margin={"l": 8, "r": 16, "t": 56, "b": 52},
        showlegend=False,
        title={
            "text": _key(labels, palette),
            "x": 0,
            "xref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 22},
            "font": {"size": 14},
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": _FONT, "size": 14, "color": palette.ink},
        hoverlabel={"bgcolor": palette.paper, "font": {"color": palette.ink, "size": 14}},
    )
    figure.update_xaxes(
        title={"text": "signed change of log P(class tokens)", "font": {"size": 14}},
        gridcolor=palette.faint,
        zeroline=False,
        tickfont={"size": 14},
    )
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=titles[::-1],
        automargin=True,
        gridcolor=palette.faint,
        tickfont={"size": 14},
    )
    return figure


def _key(labels: dict[str, str], palette: Palette) -> str:
    """The legend as two coloured lines of text: Plotly's own takes half of a narrow figure."""
    marks = [f"<span style='color:{palette.arm(n)}'>{MARKS[n][1]}</span> {labels[n]}" for n in reversed(MARKS)]
    band = f"<span style='color:{palette.null}'>▬</span> random, 5–95 %"
    return "   ".join(marks[:3]) + "<br>" + "   ".join([*marks[3:], band])


def transfer_table(effects: Sequence[ContrastEffect]) -> pd.DataFrame:
    """The numbers behind the dots and a verdict for each contrast, in the figure's order."""
    import pandas as pd

    rows = []
    for e in by_native_effect(effects):
        low, high = random_band(e)
        rows.append(
            {
                "contrast": e.title,
                "verdict": transfer_verdict(e).value,
                "native": e.native,
                "rotated": e.rotated,
                "raw": e.raw,
                "random 5 %": low,
                "random 95 %": high,
                "ratio": transfer_ratio(e),
                "loss rise": 100 * e.loss_rise_rotated,
                "affine": e.affine,
                "shuffled": e.shuffled,
                "on A itself": e.source,
                "cos(native, rotated)": e.cosine_native_rotated,
                "cos(native, raw)": e.cosine_native_raw,
            }
        )
    return pd.DataFrame(rows)
