"""R of every pair of a study against Haar draws: joint p-values and kurtosis, a row for each pair, a mark for each site."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.alignment import HAAR_LEVEL, HaarTest
from explorer.narrative import random_words as words
from explorer.palette import Palette
from explorer.presentation.plots import base_layout, text_at
from explorer.study import Law, PairDraw, RotationDraws

if TYPE_CHECKING:
    import pandas as pd

SYMBOLS: dict[Law, str] = {"theorem": "circle", "optimiser": "diamond"}
"""Marks of the pairs that are counted; the others are hollow."""
ROW, SITE, HEADING = 34, 0.13, 0.8
"""Pixels of a row; what two sites of a row are apart, and what a heading takes, in rows."""
BEYOND = 1.15
"""The axis of the kurtosis ends at this many times the largest value that is counted; what lies beyond stands at its edge."""


def p_values(draws: RotationDraws, palette: Palette) -> go.Figure:
    """Joint p of the test at every site: uniform between 0 and 1 where R is Haar, near 0 where it deviates."""
    figure = _rows(draws, lambda test: test.p, (0.0, 1.0), palette)
    figure.add_vline(x=HAAR_LEVEL, line={"color": palette.ink, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="joint p, a mark a site", tickvals=[HAAR_LEVEL, 0.25, 0.5, 0.75, 1])
    return figure


def kurtosis(draws: RotationDraws, palette: Palette) -> go.Figure:
    """Kurtosis of √d·R at every site, with the value that Haar matrices have on average."""
    counted = [test.kurtosis for test in draws.tests("theorem", "optimiser")]
    low, high = min(2.5, *counted), BEYOND * max(counted)
    figure = _rows(draws, lambda test: test.kurtosis, (low, high), palette)
    figure.add_vline(x=draws.haar_kurtosis, line={"color": palette.ink, "width": 1, "dash": "dash"})
    figure.update_xaxes(title=f"kurtosis; dashed: Haar, {draws.haar_kurtosis:.2f}")
    return figure


def _rows(
    draws: RotationDraws, read: Callable[[HaarTest], float], span: tuple[float, float], palette: Palette
) -> go.Figure:
    """One row for each pair under the heading of its law; values beyond the span stand at its edge as arrows."""
    figure, at, ticks = go.Figure(), 0.0, {}
    groups = [(words.TITLES[law], draws.of(law)) for law in words.TITLES]
    groups.append((words.NOT_COUNTED, draws.of(*words.WHY)))
    low, high = span
    for title, pairs in groups:
        if not pairs:
            continue
        text_at(figure, f"<b>{title}</b>", 0, at, xref="paper", xanchor="left", yanchor="middle")
        for row, pair in enumerate(pairs):
            ticks[at + HEADING + row] = pair.name
            figure.add_trace(_marks(pair, at + HEADING + row, read, high, palette))
        at += HEADING + len(pairs) + 0.2
    base_layout(figure, palette, 70 + round(ROW * at))
    margin = 0.03 * (high - low)
    figure.update_xaxes(range=[low - margin, high + margin])
    figure.update_yaxes(range=[at - 0.5, -0.5], tickvals=list(ticks), ticktext=list(ticks.values()), showgrid=False)
    figure.update_layout(margin={"l": 128, "r": 12, "t": 8, "b": 52})
    return figure


def _marks(pair: PairDraw, row: float, read: Callable[[HaarTest], float], high: float, palette: Palette) -> go.Scatter:
    """The marks of one pair, the first site above, the last below."""
    values, middle = [read(test) for test in pair.tests], (len(pair.tests) - 1) / 2
    symbol, counted = SYMBOLS.get(pair.law, "circle-open"), pair.law in SYMBOLS
    return go.Scatter(
        name=pair.name,
        x=[min(value, high) for value in values],
        y=[row + SITE * (i - middle) for i in range(len(values))],
        mode="markers",
        marker={
            "color": palette.rotated if counted else palette.null,
            "size": 9,
            "symbol": [symbol if value <= high else "triangle-right" for value in values],
            "line": {"width": 1, "color": palette.paper if counted else palette.null},
        },
        text=list(pair.sites),
        customdata=values,
        cliponaxis=False,
        hovertemplate=f"{pair.name}, %{{text}}: %{{customdata:.3g}}<extra></extra>",
    )


def draws_frame(draws: RotationDraws) -> pd.DataFrame:
    """Every pair and site: what theory says, the test, the paper's, and in how many directions the text fixes R."""
    import pandas as pd

    return pd.DataFrame(
        {
            "pair": pair.name,
            "site": site,
            "law": words.TITLES.get(pair.law) or words.WHY[pair.law],
            "counted": pair.law == "theorem",
            "p": r.haar.p,
            "kurtosis": r.haar.kurtosis,
            "Haar kurtosis": draws.haar_kurtosis,
            "largest entry": r.haar.largest,
            "paper's p": r.haar.ks_p_paper,
            "draws": r.haar.draws,
            "directions fixed": r.identified_rank,
            "d": draws.d_model,
        }
        for pair in draws.pairs
        for site, r in zip(pair.sites, pair.found, strict=True)
    )
