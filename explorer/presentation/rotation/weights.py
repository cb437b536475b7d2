"""The loss on the straight line between the weights of two models, by how the target is written."""

from __future__ import annotations

import plotly.graph_objects as go

from explorer.alignment import PathName, WeightSpace
from explorer.narrative import weights_told
from explorer.number_text import minus, number, sentence_case
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, legend_line, text_at

LINES: dict[PathName, tuple[str, str, str, str]] = {
    "plain": ("as they are", "raw", "dot", "····"),
    "permuted": ("neurons and heads matched", "translated", "dashdot", "–·–"),
    "shuffled": ("shuffled R, then matched", "null", "longdash", "— —"),
    "refined": ("R and matches from the weights", "affine", "dash", "– –"),
    "rotated": ("R, then matched", "rotated", "solid", "——"),
}
"""How each line is called, its colour, its dashes, and how they look in the legend."""
ALT = "Loss of models mixed from both sets of weights, by the share of the target; the barriers stand in the legend."


def between(found: WeightSpace, palette: Palette) -> go.Figure:
    """Loss against the share of the target's weights, and that of a model that knows nothing."""
    figure, marks = go.Figure(), []
    for name, (title, colour, dash, glyph) in LINES.items():
        path = found.paths[name]
        figure.add_trace(
            go.Scatter(
                x=list(found.shares),
                y=list(path.losses),
                mode="lines+markers",
                line={"color": palette.arm(colour), "dash": dash, "width": 3},
                marker={"size": 6},
                hovertemplate=f"{title}, share %{{x:.1f}}: %{{y:.3f}} nats<extra></extra>",
            )
        )
        marks.append((palette.arm(colour), f"{glyph} {title} {number(path.barrier)}"))
    most = max(max(path.losses) for path in found.paths.values())
    base_layout(figure, palette, 440)
    figure.add_hline(y=found.uniform, line={"color": palette.ink, "width": 1, "dash": "dot"})
    text_at(figure, f"log V = {number(found.uniform)}: knows nothing", 0, found.uniform, xanchor="left", yshift=10)
    figure.update_xaxes(title="share of the target's weights", tickvals=[0, 0.25, 0.5, 0.75, 1], range=[-0.02, 1.02])
    figure.update_yaxes(title="loss, nats per token", range=[0, max(1.12 * found.uniform, 1.05 * most)])
    figure.update_layout(margin={"l": 64, "r": 24, "t": 20, "b": 186})
    legend_line(figure, marks, 1, yshift=-66)
    return figure


def facts(found: WeightSpace, twin: WeightSpace | None = None) -> list[str]:
    """What the lines say, what the control says, and how it is measured (HTML)."""
    told = [f"<b>Between the weights.</b> {sentence_case(weights_told(found))}."]
    if twin is not None:
        told.append(
            f"<b>The twin,</b> whose weights are turned by a known Q: {number(twin.paths['plain'].barrier)} as they are, "
            f"{number(twin.paths['rotated'].barrier, 3)} once R is undone."
        )
    near, turned = found.paths["refined"], found.paths["rotated"]
    if near.apart < turned.apart and near.barrier > turned.barrier + 0.05:
        told.append(
            f"<b>Nearer is not better.</b> An R that brings the weights as near as they come "
            f"(‖θ_A − θ_B‖ / √(‖θ_A‖² + ‖θ_B‖²) = {number(near.apart)} instead of {number(turned.apart)}) leaves a barrier "
            f"of {number(near.barrier)}."
        )
    heads = "neurons (order and sign), heads (order), coordinates within heads" if found.heads else "neurons"
    told.append(
        f"<span class='quiet'>Barrier: loss half way less the mean of both ends, {found.tokens:,} test tokens. R is one "
        f"for the whole stream, nearest to those of all sites (which lie {number(found.spread)} from it, 1 for unrelated "
        f"ones). Matched: {heads}, so that the weights are as near as can be. None of it changes what the target "
        "says.</span>"
    )
    return [minus(line) for line in told]
