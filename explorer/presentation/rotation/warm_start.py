"""A dictionary for the target: rotated and trained on, beside one from nothing; a figure and what it says."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from explorer.alignment import SiteWarmStart
from explorer.narrative import warm_start_told
from explorer.number_text import minus, number, sentence_case
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at
from explorer.presentation.rotation.row_curves import add_row_curve


def curves(found: SiteWarmStart, palette: Palette) -> go.Figure:
    """EV on B's test rows against training rows, from the rotated dictionary and from nothing; R alone and B's own."""
    figure = go.Figure()
    for name, values, arm, below in (
        ("rotated, trained on", found.warm, "rotated", False),
        ("from nothing", found.cold, "raw", True),
    ):
        add_row_curve(figure, name, found.rows, values, arm, palette, below)
    base_layout(figure, palette, 360)
    levels = [("R alone", found.start, "dot"), *([] if found.ceiling is None else [("B's own", found.ceiling, "dash")])]
    for name, value, dash in levels:
        figure.add_hline(y=value, line={"color": palette.ink, "width": 1, "dash": dash})
        text_at(figure, f"{name} {number(value)}", math.log10(found.rows[0]), value, xanchor="left", yanchor="bottom")
    ticks = sorted({found.rows[0], found.rows[len(found.rows) // 2], found.rows[-1]})
    figure.update_xaxes(
        type="log", title="rows that it was trained on", tickvals=ticks, ticktext=[f"{n:,}" for n in ticks], tickangle=0
    )
    lowest = min(*found.warm, *found.cold, found.start)
    figure.update_yaxes(title="explained variance on test", range=[max(-1.0, lowest - 0.08), 1.08])
    figure.update_layout(margin={"l": 64, "r": 36, "t": 36, "b": 48})
    return figure


def facts(found: SiteWarmStart) -> list[str]:
    """What the curve says, and how it was made (HTML)."""
    lines = (
        f"<b>A warm start:</b> {warm_start_told(found)}.",
        f"<span class='quiet'>TopK, Adam, steps of {found.batch} rows, peak rate {found.learning_rate:g}; every point a "
        f"training of its own, both with the same settings, seed and rows, drawn from {found.distinct:,} different "
        "ones of the fit text. EV of B's test rows, rebuilt from themselves.</span>",
    )
    return [minus(sentence_case(line)) for line in lines]
