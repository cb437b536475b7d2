"""Two seeds over their training: explained variance against the tokens that both have seen, and the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.number_text import number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at

if TYPE_CHECKING:
    import pandas as pd

    from explorer.study import TrainingRow

CURVES = (
    ("restored", "dictionary, restored", "rotated", "solid"),
    ("affine", "direct: affine", "affine", "dash"),
    ("orthogonal", "direct: R", "rotated", "dashdot"),
)
"""Lines of the figure over training: field, title, colour, dash."""


def came_back(rows: Sequence[TrainingRow]) -> tuple[str, list[float]]:
    """What comes back of the dictionary through R at each row: faithful, or paper-style where a row is too old for it."""
    faithful = [r.restored for r in rows if r.restored is not None]
    if len(faithful) == len(rows):
        return "faithful", faithful
    return "paper-style", [r.restored_paper for r in rows]


def _values(rows: Sequence[TrainingRow], field: str) -> list[float]:
    return came_back(rows)[1] if field == "restored" else [getattr(r, field) for r in rows]


def over_training(rows: Sequence[TrainingRow], palette: Palette) -> go.Figure:
    """EV of the rows, and what comes back of the dictionary, at the middle site against the tokens that both seeds saw."""
    figure = go.Figure()
    ends = sorted((_values(rows, field)[-1], title, arm) for field, title, arm, _ in CURVES)
    heights: dict[str, float] = {}
    for value, title, _ in ends:  # labels above the right ends, pushed apart
        heights[title] = max(value, max(heights.values(), default=-9.0) + 0.1)
    for field, title, arm, dash in CURVES:
        values = _values(rows, field)
        figure.add_trace(
            go.Scatter(
                x=[r.tokens for r in rows],
                y=values,
                mode="lines+markers",
                line={"color": palette.arm(arm), "dash": dash, "width": 3},
                hovertemplate=f"{title}, %{{x:.3s}} tokens: %{{y:.2f}}<extra></extra>",
            )
        )
        said = f"{title} {number(values[-1])}"
        text_at(
            figure, said, 1, heights[title], palette.arm(arm), xref="paper", xanchor="right", yanchor="bottom", yshift=6
        )
    base_layout(figure, palette, 380)
    figure.add_hline(y=0, line={"color": palette.ink, "width": 1})
    ticks = [r.tokens for r in rows]
    named = ticks[-1:]
    for n in ticks[-2::-1]:  # closer ones would run into the next
        if named[-1] > 2.2 * n:
            named.append(n)
    figure.update_xaxes(
        type="log",
        title="training tokens, millions",
        tickvals=named,
        ticktext=[f"{n / 1e6:.1f}" for n in named],
        tickangle=0,
        range=[math.log10(ticks[0]) - 0.05, math.log10(ticks[-1]) + 0.03],
    )
    figure.update_yaxes(
        title=f"EV of rows; restored, {came_back(rows)[0]}",
        range=[max(-1.5, min(0.0, *(r.orthogonal for r in rows)) - 0.1), 1.05],
    )
    figure.update_layout(margin={"l": 64, "r": 30, "t": 16, "b": 56})
    return figure


def training_frame(rows: Sequence[TrainingRow]) -> pd.DataFrame:
    """The table over training, one row for each pair of models; its EVs of the dictionary are paper-style."""
    import pandas as pd

    reading, restored = came_back(rows)
    return pd.DataFrame(
        {
            "": r.name,
            "loss A": r.loss_source,
            "loss B": r.loss_target,
            "KL": r.kl,
            "direct: R": r.orthogonal,
            "direct: affine": r.affine,
            "R / affine": r.rho,
            f"restored, {reading}": back,
            "EV home": r.sae_ceiling,
            "EV raw": r.sae_raw,
            "EV rotated": r.sae_rotated,
            "EV shuffled": r.sae_shuffled,
            "steering R / own": r.steering_share,
            "dictionary": r.dictionary or "",
        }
        for r, back in zip(rows, restored, strict=True)
    )
