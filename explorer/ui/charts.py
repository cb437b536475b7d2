"""One way to draw a figure: our colours, SVG and CSV to take along, a text for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import plotly.graph_objects as go
import streamlit as st

from explorer.presentation import CONFIG
from explorer.ui.share import data_button, keep

if TYPE_CHECKING:
    import pandas as pd


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
    keep("figure", alt, figure)
    with st.container(key=f"figure-{key}", gap=None):
        st.plotly_chart(figure, key=key, theme=None, config=CONFIG, alt=alt, height=height)
        data_button(figure, key, table)
