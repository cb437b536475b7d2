"""Taking a page along: its figures' data as CSV, and the whole page as one HTML file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from explorer.presentation import HandoutPart, figure_csv, handout, table_csv
from explorer.study import provenance
from explorer.ui.frame import View

if TYPE_CHECKING:
    import pandas as pd

_VIEW, _PARTS = "view", "parts of the page"


def begin_page() -> None:
    """Forget the parts of the page that was drawn before."""
    st.session_state[_PARTS] = []


def keep(kind: str, content: str, figure: go.Figure | None = None) -> None:
    """Remember a part of the page for its handout; a figure that is drawn again in a fragment counts once."""
    parts: list[HandoutPart] = st.session_state.setdefault(_PARTS, [])
    if all((p.kind, p.content) != (kind, content) for p in parts):
        parts.append(HandoutPart(kind, content, figure))


def where_from() -> tuple[str, ...]:
    """The lines of provenance of what the frame says; none before there is a frame."""
    view: View | None = st.session_state.get(_VIEW)
    if view is None:
        return ()
    return provenance(view.study, view.source, view.target, view.site.label, view.arm)


def data_button(figure: go.Figure, key: str, table: Callable[[], pd.DataFrame] | None = None) -> None:
    """A quiet button that saves a figure's numbers or its table; they are written when it is pressed."""

    where = where_from()  # a browser asks for the file when no page is being drawn: nothing is in the session then

    def written() -> str:
        return figure_csv(figure, where) if table is None else table_csv(table(), where)

    st.download_button(
        "CSV", data=written, file_name=f"{key}.csv", mime="text/csv",
        key=f"csv-{key}", on_click="ignore", help="The numbers of this figure, with where they come from",
    )  # fmt: skip


def page_button(title: str) -> None:
    """At the foot of a page: the whole page as HTML. Its address restores the view."""
    view: View = st.session_state[_VIEW]
    parts = list(st.session_state[_PARTS])
    with st.container(key="foot", horizontal=True, vertical_alignment="center"):
        download("Download this page as HTML", f"{title} · {view.source} → {view.target}", parts, view)
        st.html("<p class='fact quiet'>The address of this page restores exactly this view.</p>", width="stretch")


def download(label: str, title: str, parts: list[HandoutPart], view: View) -> None:
    """A button that saves parts as a handout, written when it is pressed."""
    where = where_from()
    name = title.lower().replace(" · ", "-").replace(" → ", "-").replace(" ", "-")
    st.download_button(
        label, data=lambda: handout(title, parts, where, view.palette.ink, view.palette.paper),
        file_name=f"{name}.html", mime="text/html", key="handout", on_click="ignore",
    )  # fmt: skip
