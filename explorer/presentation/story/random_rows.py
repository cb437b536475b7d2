"""The scene about randomness: one row of p-values where R is Haar by a theorem, one between AdamW seeds."""

from __future__ import annotations

import plotly.graph_objects as go

from explorer.alignment import HAAR_LEVEL
from explorer.narrative import Story, random_words as words
from explorer.palette import Palette
from explorer.presentation.plots import text_at
from explorer.presentation.story.figures import matrices
from explorer.presentation.story.stage import LARGE, SMALLEST, staged
from explorer.study import Law, RotationDraws

ROWS: dict[Law, tuple[str, str]] = {
    "theorem": ("circle", "random by a theorem"),
    "optimiser": ("diamond", "both AdamW: no theorem"),
}
"""Mark and words of each row."""
SITE, BESIDE = 0.11, 0.07
"""What two sites are apart, in rows; where the words begin, beside the level of the test."""


def random_scene(story: Story, palette: Palette) -> go.Figure:
    """The p-values of a study whose cohorts say how it was trained; else R and a random rotation, to guess from."""
    return matrices(story, palette) if story.draws is None else random_rows(story.draws, palette)


def random_rows(draws: RotationDraws, palette: Palette) -> go.Figure:
    """A mark for each pair and site at the test's joint p: spread over 0 to 1, or piled up at the least there can be."""
    figure, rows = go.Figure(), [law for law in ROWS if draws.of(law)]
    for row, law in enumerate(rows):
        symbol, title = ROWS[law]
        for pair in draws.of(law):
            middle = (len(pair.tests) - 1) / 2
            figure.add_trace(
                go.Scatter(
                    x=[test.p for test in pair.tests],
                    y=[row + SITE * (i - middle) for i in range(len(pair.tests))],
                    name=pair.name, text=list(pair.sites), mode="markers", cliponaxis=False,
                    marker={
                        "symbol": symbol, "size": 20, "color": palette.rotated,
                        "line": {"width": 1.5, "color": palette.paper},
                    },
                    hovertemplate=f"{pair.name}, %{{text}}: p = %{{x:.3f}}<extra></extra>",
                )
            )  # fmt: skip
        tests = draws.tests(law)
        below, chance = sum(test.p < HAAR_LEVEL for test in tests), HAAR_LEVEL * len(tests)
        numbers = f"{len(tests)} tests: p = {words.p_of(tests)}; {below} below {HAAR_LEVEL:g}, by chance {chance:.1f}"
        text_at(figure, title, BESIDE, row - 0.57, size=LARGE, xanchor="left")
        text_at(figure, numbers, BESIDE, row - 0.42, size=SMALLEST, xanchor="left")
    staged(figure, palette)
    figure.add_vline(x=HAAR_LEVEL, line={"color": palette.ink, "width": 2, "dash": "dot"})
    figure.update_xaxes(
        title={"text": "p against random rotations", "standoff": 4},
        range=[-0.01, 1.01],
        tickvals=[HAAR_LEVEL, 0.25, 0.5, 0.75, 1],
    )
    figure.update_yaxes(visible=False, range=[len(rows) - 0.65, -0.7])
    figure.update_layout(margin={"l": 24, "r": 24, "t": 8, "b": 96})
    return figure
