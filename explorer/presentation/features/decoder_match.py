"""Plotly figures of the decoder-cosine story. Imports no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.alignment import BINS, CASES, THRESHOLD
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at

if TYPE_CHECKING:
    import pandas as pd

    from explorer.alignment import CosineSummary, DecoderStory, FamilyMatch, SiteMatch

FAMILIES = {"relu": "ReLU, light penalty", "relu_sparse": "ReLU, strong penalty", "topk": "TopK"}
"""Kinds of dictionary in words."""
TITLES = {
    "same_init": "same start, raw",
    "independent": "independent, raw",
    "rotated": "independent, after R",
    "same_model": "same model twice",
}
"""The bars in words."""
_COLOURS = {"same_init": "raw", "independent": "raw", "rotated": "rotated", "same_model": "ceiling"}
_HATCH = {"same_init": "/", "independent": "", "rotated": "", "same_model": ""}
_DASH = {"same_init": "solid", "independent": "dot", "rotated": "solid", "same_model": "solid"}


def counted(match: FamilyMatch, case: str, alive: bool) -> CosineSummary | None:
    """What a bar counts: every feature or those alive; None where the study has no such pair."""
    found = getattr(match, case)
    return None if found is None else (found.alive if alive else found.all)


def _title(text: str) -> dict[str, object]:
    return {"text": text, "font": {"size": 15}}


def _legend(y: float) -> dict[str, object]:
    """Two columns below the axis, from the left edge of the figure."""
    columns = {"entrywidth": 0.5, "entrywidthmode": "fraction"}
    return {"orientation": "h", "y": y, "yanchor": "top", "x": -0.12, "font": {"size": 14}, **columns}


def match_bars(story: DecoderStory, site: SiteMatch, alive: bool, palette: Palette) -> go.Figure:
    """Share of decoder rows above 0.5 at one site: four bars for each kind of dictionary, a grey line for chance."""
    figure = go.Figure()
    ticks = []
    for family in site.families:
        found = list(story.dictionaries_of(family.family, site.site))
        l0 = sum(d.l0 for d in found) / len(found)
        ticks.append(f"{FAMILIES[family.family].replace(', ', '<br>')}<br>{l0:.0f} of {found[0].width} fire")
    for case in CASES:
        counts = [counted(f, case, alive) for f in site.families]
        shares = [None if s is None else s.share for s in counts]
        figure.add_bar(
            name=TITLES[case],
            x=ticks,
            y=shares,
            text=["" if s is None else f"{100 * s:.0f}" for s in shares],
            textposition="outside",
            textfont={"size": 14},
            constraintext="none",
            cliponaxis=False,
            marker={
                "color": palette.arm(_COLOURS[case]),
                "pattern": {"shape": _HATCH[case], "fillmode": "overlay", "fgcolor": palette.paper, "size": 8},
            },
            customdata=[["n/a" if s is None or s.mean is None else f"{s.mean:.2f}"] for s in counts],
            hovertemplate=f"{TITLES[case]}: %{{y:.1%}}, mean largest cosine %{{customdata[0]}}<extra></extra>",
        )
    chances = [s.chance.share for f in site.families if (s := counted(f, "independent", alive)) is not None]
    line = max(chances)
    figure.add_hline(y=line, line={"color": palette.null, "width": 2, "dash": "dash"})
    base_layout(figure, palette, 360)
    text_at(figure, " chance", 1, line, palette.null, xref="paper", xanchor="left")
    figure.update_yaxes(title=_title("rows with cosine > 0.5"), range=[-0.01, 1.1], tickformat=".0%", dtick=0.25)
    figure.update_xaxes(tickangle=0)
    figure.update_layout(
        barmode="group",
        showlegend=True,
        legend=_legend(-0.36),
        margin={"l": 70, "r": 66, "t": 28, "b": 128},
    )
    return figure


def match_histogram(match: FamilyMatch, alive: bool, palette: Palette) -> go.Figure:
    """Histograms of the largest cosine with any row of the other dictionary, one outline for each bar of a family."""
    figure = go.Figure()
    edges = [i / BINS for i in range(BINS + 1)]
    chance, top = None, 0.0
    for case in CASES:
        found = counted(match, case, alive)
        if found is None or not found.rows:
            continue
        chance = chance or found.chance
        heights = [count / found.rows for count in found.histogram]
        top = max(top, *heights)
        figure.add_trace(
            go.Scatter(
                name=TITLES[case],
                x=edges,
                y=[*heights, 0.0],
                mode="lines",
                line={
                    "shape": "hv",
                    "color": palette.arm(_COLOURS[case]),
                    "width": 3 if case == "same_init" else 2.2,
                    "dash": _DASH[case],
                },
                hovertemplate=f"{TITLES[case]}: %{{y:.1%}} of the rows from cosine %{{x:.2f}}<extra></extra>",
            )
        )
    base_layout(figure, palette, 360)
    lines = [(THRESHOLD, "0.5", palette.ink, "dot")]
    if chance is not None:
        lines.append((chance.mean, "chance", palette.null, "dash"))
    for x, text, colour, dash in lines:
        figure.add_vline(x=x, line={"color": colour, "width": 1.5, "dash": dash})
        text_at(figure, text, x, 1, colour, yref="paper", yanchor="bottom")
    figure.update_xaxes(title=_title("largest cosine with any row of the other"), range=[0, 1.01], dtick=0.25)
    figure.update_yaxes(title=_title("share of rows"), range=[0, 1.06 * top], tickformat=".0%", nticks=5)
    figure.update_layout(
        showlegend=True,
        legend=_legend(-0.3),
        margin={"l": 70, "r": 12, "t": 28, "b": 108},
    )
    return figure


def match_table(story: DecoderStory, alive: bool) -> pd.DataFrame:
    """The bars of every site and kind of dictionary as a table, with what chance gives."""
    import pandas as pd

    rows = []
    for site in story.sites:
        for family in site.families:
            for case in CASES:
                if (s := counted(family, case, alive)) is None:
                    continue
                rows.append(
                    {
                        "site": site.label,
                        "dictionaries": FAMILIES[family.family],
                        "compared": TITLES[case],
                        "above 0.5": s.share,
                        "mean": s.mean,
                        "chance above 0.5": s.chance.share,
                        "chance mean": s.chance.mean,
                        "rows": s.rows,
                    }
                )
    return pd.DataFrame(rows)


def dictionary_table(story: DecoderStory) -> pd.DataFrame:
    """Every dictionary of the comparison with its EV, L0, dead features, and how far its rows stayed at their start."""
    import pandas as pd

    labels = {s.site: s.label for s in story.sites}
    return pd.DataFrame(
        {
            "site": labels[d.site],
            "dictionaries": FAMILIES[d.family],
            "of": d.model,
            "start": "its own" if d.start is None else str(d.start),
            "features": d.width,
            "penalty": d.l1,
            "EV": d.ev,
            "L0": d.l0,
            "dead": d.dead,
            "cosine with its start": d.kept,
        }
        for d in story.dictionaries
    )
