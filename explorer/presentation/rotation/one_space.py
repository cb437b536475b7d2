"""Many models in one space: a matrix of pairs by their own R and by one rotation each, and what the circles say."""

from __future__ import annotations

import plotly.graph_objects as go

from explorer.alignment import OneSpace, SpaceSite
from explorer.narrative import one_space_told
from explorer.number_text import minus, number
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at

UPRIGHT = 6
"""Models whose names stand beside each other on a phone."""
TITLES = ("R of the pair", "one rotation each")


def matrices(found: OneSpace, site: SpaceSite, palette: Palette, dark: bool) -> go.Figure:
    """EV of the row's model read from the column's: above by the pair's own R, below through the common space."""
    figure, names, low = go.Figure(), list(found.models), palette.paper if dark else "#FFFFFF"
    n, gap = len(names), len(names) + 1.1
    for side, (title, table) in enumerate(zip(TITLES, (site.pairwise, site.through_space), strict=True)):
        # The diagonal is 1 by definition: left empty.
        z = [[None if i == j else value for j, value in enumerate(row)] for i, row in enumerate(table)]
        figure.add_heatmap(
            z=z,
            x=list(range(n)),
            y=[side * gap + i for i in range(n)],
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
                    text_at(figure, number(value), j, side * gap + i, "#FFFFFF" if value > 0.6 and not dark else None)
        text_at(figure, title, (n - 1) / 2, side * gap - 0.8)
    base_layout(figure, palette, 120 + 60 * n)
    ticks = [side * gap + i for side in range(2) for i in range(n)]
    figure.update_xaxes(tickvals=list(range(n)), ticktext=names, tickangle=0 if n <= UPRIGHT else -45, showgrid=False)
    figure.update_yaxes(tickvals=ticks, ticktext=names * 2, range=[gap + n - 0.5, -1.2], showgrid=False)
    figure.update_layout(margin={"l": 70, "r": 12, "t": 12, "b": 40 if n <= UPRIGHT else 64})
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
