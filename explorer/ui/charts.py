"""One way to draw a figure: our colours, SVG and CSV to take along, a text for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import plotly.graph_objects as go
import plotly.io
import streamlit as st

from explorer.presentation import CONFIG, settle
from explorer.ui.share import data_button, keep

if TYPE_CHECKING:
    import pandas as pd

# Our figures say how they look. Streamlit's template would be another part of which Plotly counts each copy as new.
plotly.io.templates.default = None


def chart(
    figure: go.Figure,
    key: str,
    alt: str,
    height: Literal["content", "stretch"] = "content",
    table: Callable[[], pd.DataFrame] | None = None,
) -> None:
    """Draw a figure that answers no clicks; `alt` says what it shows and where its numbers are.

    `table` makes what its CSV holds; the drawn values unless given.
    """
    prepare(figure, alt)
    with st.container(key=f"figure-{key}", gap=None):
        st.plotly_chart(figure, key=key, theme=None, config=CONFIG, alt=alt, height=height)
        data_button(figure, key, table)


def prepare(figure: go.Figure, alt: str) -> None:
    """What every figure needs before Streamlit draws it: it is drawn once, and the handout can take it along."""
    settle(figure)
    keep("figure", alt, figure)
