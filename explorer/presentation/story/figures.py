"""The figures of the talk: one for each scene, readable from the last row (no text below 20 px). Imports no model."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.alignment import ROTATION, SiteResult, restored, rotation_nulls
from explorer.narrative import Story, cosine_family, matched
from explorer.number_text import number, percent
from explorer.palette import DASHES, Palette
from explorer.presentation.plots import text_at
from explorer.presentation.rotation import mark_cut
from explorer.presentation.story.stage import (
    LARGE,
    SMALLEST,
    hatch,
    heading,
    side_by_side,
    spot,
    staged,
)

MATCHES = (
    ("same_init", "two seeds,<br>same start", "raw", "/"),
    ("independent", "two seeds,<br>started apart", "raw", ""),
    ("rotated", "started apart,<br>after R", "rotated", ""),
    ("same_model", "one seed,<br>started apart", "source", ""),
)
"""The bars of the cosine scene: case, words, colour, hatch."""
LOWEST = -2.5
"""Where bars of what comes back are cut, and marked as cut."""
FULL = 0.85
"""EV of a bar that is long enough to carry its number inside, in the darker of ink and paper."""
LIMITS = (
    ("shuffled", "R of shuffled pairs", "null"),
    (ROTATION, "R with one scale", "rotated"),
    ("affine", "turn and stretch", "affine"),
)


def inside(story: Story, palette: Palette) -> go.Figure:
    """One word inside both models: a strip of numbers each, in the order in which the models hold them."""
    chapter = story.sister
    assert chapter.inside is not None
    figure = make_subplots(cols=1, rows=2, vertical_spacing=0.24)
    for row, (name, values, colour) in enumerate(
        zip((chapter.source, chapter.target), chapter.inside, (palette.source, palette.raw), strict=True), 1
    ):
        low, high = np.quantile(values.astype(float), (0.02, 0.98))
        shade = (values.astype(float) - low) / max(high - low, 1e-9)
        figure.add_trace(
            go.Heatmap(
                z=np.round(np.clip(shade, 0, 1), 2)[None].astype(np.float32), zmin=0, zmax=1, showscale=False,
                colorscale=[[0, palette.paper], [1, colour]], name=name, hoverinfo="skip",
            ),
            row=row, col=1,
        )  # fmt: skip
    staged(figure, palette)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    for row, name in enumerate((chapter.source, chapter.target), 1):
        axis = "" if row == 1 else str(row)
        place = {"xref": f"x{axis} domain", "yref": f"y{axis} domain", "xanchor": "left", "yanchor": "bottom"}
        text_at(figure, f"<b>{name}</b>: {len(chapter.inside[0])} numbers", 0, 1, None, LARGE, yshift=8, **place)
    figure.update_layout(margin={"l": 24, "r": 24, "t": 56, "b": 40})
    return figure


def cosine(story: Story, palette: Palette) -> go.Figure:
    """Share of decoder rows with a near copy in the other dictionary: same start, other start, turned, same model."""
    family = cosine_family(story)
    assert family is not None
    bars = [(title, matched(family, case), colour, shape) for case, title, colour, shape in MATCHES]
    found = [(title, share, colour, shape) for title, share, colour, shape in bars if share is not None]
    figure = go.Figure(
        go.Bar(
            x=[title for title, *_ in found], y=[share for _, share, *_ in found],
            text=[percent(share) for _, share, *_ in found], textposition="outside", cliponaxis=False,
            textfont={"size": 34, "color": palette.ink},
            marker={
                "color": [palette.arm(colour) for *_, colour, _ in found],
                "pattern": hatch([shape for *_, shape in found], palette),
            },
            hovertemplate="%{x}: %{y:.1%}<extra></extra>",
        )
    )  # fmt: skip
    staged(figure, palette)
    figure.update_xaxes(tickfont={"size": LARGE})
    figure.update_yaxes(title="rows with cosine > 0.5", tickformat=".0%", range=[0, 1.12], dtick=0.25)
    figure.update_layout(margin={"l": 110, "r": 12, "t": 40, "b": 84}, bargap=0.4)
    return figure


def fails(story: Story, palette: Palette) -> go.Figure:
    """How much of the source's dictionary is there on its own model and on the sister as it is, at every site."""
    sites = [s for s in story.sister.pair.sites if s.dictionary is not None]
    labels = [f"<b>{s.label}</b>" if s.label == story.site else s.label for s in sites]
    found = {arm: [restored(s.dictionary or {}, arm) for s in sites] for arm in ("ceiling", "raw")}
    low = min(0.0, *(e.value for e in found["raw"] if e is not None))
    bottom = max(LOWEST, low) - 0.13 * (1.15 - max(LOWEST, low)) * (low < 0)
    figure = go.Figure()
    for arm, colour, text, shape in (
        ("ceiling", palette.source, f"on {story.sister.source}, where it was trained", ""),
        ("raw", palette.raw, f"on {story.sister.target}", "/"),
    ):
        figure.add_bar(
            name=arm, x=labels, y=[e and e.value for e in found[arm]],
            text=[number(e.value) if e is not None and e.value >= bottom else "" for e in found[arm]],
            textposition="outside", cliponaxis=False, textfont={"size": LARGE, "color": palette.ink},
            marker={"color": colour, "pattern": hatch(shape, palette)},
            hovertemplate=text + ": %{y:.2f}<extra>%{x}</extra>",
        )  # fmt: skip
    staged(figure, palette)
    mark_cut(figure, list(found.values()), bottom, palette, LARGE)
    figure.add_hline(y=0, line={"color": palette.ink, "width": 2})
    figure.update_yaxes(title="restored, faithful", range=[bottom, 1.15])
    marks = f"{spot(palette.source, '■')} on {story.sister.source}   {spot(palette.raw, '▨')} on {story.sister.target}"
    heading(figure, 0.0, f"{story.sister.source}'s dictionary, site by site (0: shuffled pairs):   {marks}")
    figure.update_layout(margin={"l": 96, "r": 12, "t": 56, "b": 52})
    return figure


def matrices(story: Story, palette: Palette) -> go.Figure:
    """The sister's R and a random rotation, in an order that chance decided."""
    both = [story.sister.rotation.astype(float), story.random]
    order = both if story.learned_first else both[::-1]
    reach = 3.2 / len(story.random) ** 0.5
    colours = [palette.raw, palette.paper, palette.source]
    figure = side_by_side(
        [np.clip(m, -reach, reach) for m in order], ["left", "right"], (-reach, reach), colours, palette
    )
    figure.update_traces(hoverinfo="skip")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def limits(story: Story, palette: Palette) -> go.Figure:
    """How much of the source's rows each map predicts: the line between a rotation and everything else."""
    here = story.sister.here
    bars = [(title, limit_of(here, key), palette.arm(colour)) for key, title, colour in LIMITS]
    bars.append(("the token alone", here.token.lookup.value, palette.null))
    figure = go.Figure()
    for title, value, colour in bars:
        marker = {"color": colour, "pattern": hatch("/" if colour == palette.null else "", palette)}
        figure.add_bar(
            y=[title], x=[value], orientation="h", marker=marker, text=[number(value)],
            textposition="outside" if value < FULL else "inside", insidetextanchor="end", cliponaxis=False,
            textfont={"size": 28, "color": palette.ink if value < FULL else min(palette.ink, palette.paper)},
            hovertemplate=f"{title}: %{{x:.2f}}<extra></extra>",
        )  # fmt: skip
    staged(figure, palette)
    figure.add_vline(x=0, line={"color": palette.ink, "width": 2})
    figure.add_vline(x=1, line={"color": palette.ink, "width": 2, "dash": DASHES["affine"]})
    low = min(0.0, *(value for _, value, _ in bars))
    figure.update_xaxes(range=[max(-2.0, 1.2 * low) - (0.17 if low < 0 else 0.05), 1.12], title=None, showgrid=True)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": LARGE}, ticklabelstandoff=14)
    for x, text in ((0, "guessing the mean"), (1, "everything")):
        text_at(figure, text, x, 1, size=SMALLEST, yref="paper", yshift=20, xanchor="center")
    figure.update_layout(margin={"l": 250, "r": 90, "t": 56, "b": 44}, bargap=0.35)
    return figure


def limit_of(here: SiteResult, key: str) -> float:
    """EV of a bar of the last scene; the best of the shuffled nulls stands for all of them."""
    return max(rotation_nulls(here).shuffled) if key == "shuffled" else here.ladder[key].value
