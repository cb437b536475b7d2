"""Many models in one space: a matrix of pairs by their own R and by one rotation each, and what the circles say."""

from __future__ import annotations

import plotly.graph_objects as go

from explorer.alignment import OneSpace, SpaceSite
from explorer.narrative import one_space_told
from explorer.number_text import minus, number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at

TITLES = ("R of the pair", "one rotation each")


def matrices(found: OneSpace, site: SpaceSite, palette: Palette, dark: bool) -> go.Figure:
    """EV of the row's model read from the column's: left by the pair's own R, right through the common space."""
    figure, names, low = go.Figure(), list(found.models), palette.paper if dark else "#FFFFFF"
    gap = len(names) + 0.8
    for side, (title, table) in enumerate(zip(TITLES, (site.pairwise, site.through_space), strict=True)):
        # The diagonal is 1 by definition: left empty.
        z = [[None if i == j else value for j, value in enumerate(row)] for i, row in enumerate(table)]
        figure.add_heatmap(
            z=z,
            x=[side * gap + i for i in range(len(names))],
            y=list(range(len(names))),
            zmin=0,
            zmax=1,
            colorscale=[[0, low], [1, palette.rotated]],
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate=f"{title}: EV %{{z:.3f}}<extra></extra>",
        )
        for i, row in enumerate(z):
            for j, value in enumerate(row):
                if value is not None:
                    text_at(figure, number(value), side * gap + j, i, "#FFFFFF" if value > 0.6 and not dark else None)
        text_at(figure, title, side * gap + (len(names) - 1) / 2, 1.1, yref="paper")
    base_layout(figure, palette, 330)
    ticks = [side * gap + i for side in range(2) for i in range(len(names))]
    figure.update_xaxes(tickvals=ticks, ticktext=names * 2, tickangle=-45, showgrid=False)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, autorange="reversed", showgrid=False)
    figure.update_layout(margin={"l": 70, "r": 12, "t": 40, "b": 64})
    return figure


def facts(found: OneSpace, site: SpaceSite) -> list[str]:
    """What the matrices and circles say (HTML)."""
    lines = [
        f"<b>{len(found.models)} models in one space:</b> {one_space_told(site)}.",
        f"<span class='quiet'>Generalized Procrustes on {site.rows:,} fit rows; EV on test rows, "
        "row read from column. A circle: ‖R_AB R_BC R_CA − I‖ / √(2d), 0 where rotations agree, 1 where they have nothing "
        "to do with each other.</span>",
    ]
    return [minus(line) for line in lines]
