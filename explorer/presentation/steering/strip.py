"""Which site, which strength: the stored effect of one vector over sites and doses, and what it costs. Imports no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.number_text import minus, signed
from explorer.palette import Palette, mixed
from explorer.presentation.plots import base_layout
from explorer.steering import MAX_LOSS_RISE, DoseResponse

if TYPE_CHECKING:
    import pandas as pd

ROW, TOP, BOTTOM = 40, 14, 62
"""Pixels of a row, and above and below all."""


def strip_figure(
    responses: Sequence[DoseResponse],
    labels: Mapping[str, str],
    arm: str,
    palette: Palette,
    now: tuple[str, float],
    suggested: tuple[str, float] | None = None,
) -> go.Figure:
    """One cell for each site and dose: its colour and number are the effect of an arm, × marks a loss over +10 %.

    `responses`: those of one vector. labels: of each site by its name, lowest first. `now` and `suggested`: name of a
    site, and a dose.
    """
    rows = [r for name in labels for r in responses if r.site == name]
    doses = rows[0].doses
    values = [[_effect(r, arm, i) for i in range(len(doses))] for r in rows]
    most = max((abs(v) for row in values for v in row), default=1.0) or 1.0
    ticks, names = [minus(f"{c:+g}") for c in doses], [labels[r.site] for r in rows]
    colour = palette.arm("null" if arm == "translated" else arm)
    figure = base_layout(go.Figure(), palette, TOP + BOTTOM + ROW * len(rows))
    figure.add_trace(
        go.Heatmap(
            x=ticks, y=names, z=values, zmin=-most, zmax=most, showscale=False, xgap=3, ygap=3, hoverinfo="skip",
            colorscale=[[0, mixed(palette.paper, palette.raw, 0.85)], [0.5, palette.paper],
                        [1, mixed(palette.paper, colour, 0.85)]],
        )
    )  # fmt: skip
    figure.add_trace(_cells(rows, arm, labels, ticks, palette))
    for (site, dose), dash in ((now, "solid"), (suggested, "dot")) if suggested else ((now, "solid"),):
        _ring(figure, rows, site, dose, dash, palette)
    figure.update_xaxes(title={"text": "dose c, in median norms"}, type="category", fixedrange=True, ticks="")
    figure.update_yaxes(type="category", fixedrange=True, showgrid=False, autorange=True)
    figure.update_layout(margin={"l": 62, "r": 4, "t": TOP, "b": BOTTOM}, dragmode=False, clickmode="event+select")
    return figure


def _cells(
    rows: Sequence[DoseResponse], arm: str, labels: Mapping[str, str], ticks: Sequence[str], palette: Palette
) -> go.Scatter:
    """What is written in the cells, and what a click chooses: (site, dose)."""
    x, y, said, told, chosen = [], [], [], [], []
    for r in rows:
        for i, dose in enumerate(r.doses):
            effect, rise = _effect(r, arm, i), _rise(r, arm, i)
            broken = rise > MAX_LOSS_RISE
            x.append(ticks[i])
            y.append(labels[r.site])
            said.append(f"{signed(effect, 1)}{' ×' if broken else ''}")
            told.append(
                f"{labels[r.site]}, dose {ticks[i]}<br>effect {signed(effect)}, loss {signed(100 * rise, 0)} %"
                + ("<br>over +10 %" if broken else "")
            )
            chosen.append([r.site, dose])
    return go.Scatter(
        x=x, y=y, mode="markers+text", text=said, customdata=chosen, hovertext=told, hoverinfo="text",
        textfont={"size": 12, "color": palette.ink}, marker={"symbol": "square", "size": 34, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}, "textfont": {"color": palette.ink}},
    )  # fmt: skip


def _ring(figure: go.Figure, rows: Sequence[DoseResponse], site: str, dose: float, dash: str, palette: Palette) -> None:
    """A frame around the cell of a setting, if it was measured; between two doses it stands between their cells."""
    place = next((k for k, r in enumerate(rows) if r.site == site), None)
    doses = rows[0].doses
    if place is None or not doses[0] <= dose <= doses[-1]:
        return
    after = next(i for i, c in enumerate(doses) if c >= dose - 1e-9)
    exact = abs(doses[after] - dose) < 1e-9
    left, right = (after - 0.48, after + 0.48) if exact else (after - 0.56, after - 0.44)
    line = {"color": palette.ink, "width": 2.5 if dash == "solid" else 2, "dash": dash}
    figure.add_shape(type="rect", x0=left, x1=right, y0=place - 0.46, y1=place + 0.46, line=line)


def _effect(response: DoseResponse, arm: str, dose: int) -> float:
    curve = response.arm(arm)
    if curve is not None:
        return curve.effect[dose]
    return sum(r[dose] for r in response.random) / len(response.random)


def _rise(response: DoseResponse, arm: str, dose: int) -> float:
    curve = response.arm(arm)
    return curve.loss_rise[dose] if curve is not None else response.random_loss_rise[dose]


def strip_table(responses: Sequence[DoseResponse], labels: Mapping[str, str], arm: str) -> pd.DataFrame:
    """Every cell as a row: what the CSV holds."""
    import pandas as pd

    rows = [
        {
            "vector": r.vector, "site": labels[r.site], "arm": arm, "dose": dose, "effect": _effect(r, arm, i),
            "loss_rise": _rise(r, arm, i), "over_10_percent": _rise(r, arm, i) > MAX_LOSS_RISE,
        }
        for r in responses
        for i, dose in enumerate(r.doses)
    ]  # fmt: skip
    return pd.DataFrame(rows)
