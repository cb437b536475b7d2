"""The figure of the Features page's card: how strongly a feature fires, in A and in B. Imports no model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Int

from explorer.alignment import colour_of
from explorer.palette import DASHES, Palette
from explorer.presentation.plots import base_layout


def densities(
    counts: Mapping[str, Int[np.ndarray, " b"]],
    largest: float,
    rows: int,
    names: Mapping[str, str],
    palette: Palette,
) -> go.Figure:
    """How often a feature fires how strongly: counts by bin for "source" and for maps, as shares of all test tokens.

    Bins are of equal width from 0 to the feature's largest activation in A; the last holds all that is above it.
    """
    figure = go.Figure()
    bins = len(next(iter(counts.values()))) - 1
    edges = np.linspace(0, largest, bins + 1)
    middle = np.append((edges[1:] + edges[:-1]) / 2, largest * (1 + 1 / bins))
    for name, found in counts.items():
        share = np.asarray(found, dtype=float) / max(1, rows)
        figure.add_trace(
            go.Scatter(
                x=middle,
                y=np.where(share > 0, share, np.nan),
                mode="lines+markers",
                name=names[name],
                line={
                    "shape": "hvh",
                    "width": 2.5,
                    "color": palette.arm(colour_of(name)),
                    "dash": "solid" if name == "source" else DASHES.get(name, "dot"),
                },
                marker={"size": 5, "symbol": "circle" if name == "source" else "diamond"},
                connectgaps=False,
                hovertemplate=f"{names[name]}<br>activation about %{{x:.2f}}<br>%{{y:.2%}} of tokens<extra></extra>",
            )
        )
    base_layout(figure, palette, 250)
    figure.update_layout(
        margin={"l": 84, "r": 12, "t": 34, "b": 50},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemclick": False},
    )
    figure.update_xaxes(title="activation", range=[0, largest * (1 + 2 / bins)])
    figure.update_yaxes(title={"text": "share of tokens", "standoff": 8}, type="log", tickformat=".2~%", dtick=1)
    return figure
