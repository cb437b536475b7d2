"""The figures of the talk: one for each scene, readable from the last row (no text below 20 px). Imports no model."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.alignment import ROTATION, SiteResult, restored, rotation_nulls
from explorer.narrative import Chapter, Story, cosine_family, matched
from explorer.number_text import number, percent
from explorer.palette import DASHES, Palette
from explorer.presentation.plots import text_at
from explorer.presentation.rotation import mark_cut, thinned
from explorer.presentation.story.stage import (
    LARGE,
    SMALLEST,
    fill,
    hatch,
    heading,
    journeys,
    points,
    side_by_side,
    spot,
    staged,
)
from explorer.study import spoken

WORDS, WORDS_BESIDE, LONGEST = 30, 13, 10
"""Words of which the answers are shown, alone and beside another picture; letters of the longest."""

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
    ("affine", "affine map", "affine"),
)


def twin(story: Story, palette: Palette) -> go.Figure:
    """The twin: its answers lie on its original's, and the same tokens inside lie elsewhere."""
    assert story.twin is not None and story.twin.clouds is not None
    figure = make_subplots(cols=2, rows=1, column_widths=[0.56, 0.44], horizontal_spacing=0.08)
    _answers(figure, story.twin, WORDS_BESIDE, palette)
    a, b = thinned(*story.twin.clouds)
    figure.add_trace(journeys(a, b[0], palette), row=1, col=2)
    figure.add_trace(points(a, story.twin.source, palette.source, "circle-open", 11), row=1, col=2)
    figure.add_trace(points(b[0], story.twin.target, palette.raw, "diamond", 9), row=1, col=2)
    staged(figure, palette)
    fill(figure, 2, a, b[:1])
    heading(figure, 0.0, f"answers: surprise at each {_piece(story.twin)} {_key(story.twin, palette)}")
    heading(figure, 0.58, "inside: the same tokens")
    figure.update_layout(margin={"l": 84, "r": 12, "t": 56, "b": 134})
    return figure


def function(story: Story, palette: Palette) -> go.Figure:
    """How surprised both models are by each word of a text."""
    figure = make_subplots(cols=1, rows=1)
    _answers(figure, story.sister, WORDS, palette)
    staged(figure, palette)
    piece = _piece(story.sister)
    heading(figure, 0.0, f"surprise at each {piece} of a text that neither has seen {_key(story.sister, palette)}")
    figure.update_layout(margin={"l": 84, "r": 12, "t": 56, "b": 134})
    return figure


def coordinates(story: Story, palette: Palette) -> go.Figure:
    """Correlation of every coordinate of one model with every coordinate of the other."""
    chapters = [c for c in (story.early, story.sister) if c is not None and c.correlation is not None]
    titles = [f"{c.source} and " + (f"its {c.target} checkpoint" if c is story.early else c.target) for c in chapters]
    matrices = [np.abs(c.correlation.astype(float)) / 100 for c in chapters if c.correlation is not None]
    figure = side_by_side(
        [np.minimum(m, 0.6) for m in matrices], titles, (0.0, 0.6), [palette.paper, palette.raw], palette
    )
    figure.update_traces(hovertemplate="coordinates %{y} and %{x}: |r| = %{z:.2f}<extra></extra>")
    figure.update_yaxes(col=1, title=f"coordinate of {story.sister.source}")
    for column, chapter in enumerate(chapters, 1):
        figure.update_xaxes(col=column, title={"text": f"coordinate of {chapter.target}", "standoff": 6})
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
    bars = [(title, _direct(here, key), palette.arm(colour)) for key, title, colour in LIMITS]
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


def _direct(here: SiteResult, key: str) -> float:
    return max(rotation_nulls(here).shuffled) if key == "shuffled" else here.ladder[key].value


def _answers(figure: go.Figure, chapter: Chapter, count: int, palette: Palette) -> None:
    assert chapter.recording is not None
    said = spoken(chapter.recording)[:count]
    words, count = [word.text for word in said], len(said)
    ticks = [w if len(w) <= LONGEST else f"{w[: LONGEST - 1]}…" for w in words]
    for name, nats, colour, symbol, size, dash in (
        (chapter.source, [w.source for w in said], palette.source, "circle-open", 19, "solid"),
        (chapter.target, [w.target for w in said], palette.raw, "diamond", 9, DASHES["raw"]),
    ):
        figure.add_trace(
            go.Scatter(
                x=list(range(count)), y=nats, name=name, mode="lines+markers",
                line={"color": colour, "width": 2.5, "dash": dash},
                marker={"symbol": symbol, "size": size, "color": colour, "line": {"width": 2.5}},
                customdata=[[w] for w in words],
                hovertemplate=f"{name}: %{{y:.2f}} nats<extra>%{{customdata[0]}}</extra>",
            ),
            row=1, col=1,
        )  # fmt: skip
    figure.update_xaxes(
        row=1,
        col=1,
        tickvals=list(range(count)),
        ticktext=ticks,
        tickangle=-60 if max(map(len, ticks)) > 2 else 0,
        range=[-0.7, count - 0.3],
    )
    figure.update_yaxes(row=1, col=1, title="nats", rangemode="tozero")


def _piece(chapter: Chapter) -> str:
    """What the recorded text is made of: words, or tokens where it has no spaces."""
    assert chapter.recording is not None
    return "word" if len(spoken(chapter.recording)) < len(chapter.recording.log_p_source) else "token"


def _key(chapter: Chapter, palette: Palette) -> str:
    return f"  {spot(palette.source, '○')} {chapter.source}  {spot(palette.raw, '◆')} {chapter.target}"
