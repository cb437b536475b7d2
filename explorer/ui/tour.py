"""The one-minute tour, from every page: a window with a drawing, five steps, and the words that pages use."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

import streamlit as st

from explorer.narrative import TERMS, Term
from explorer.presentation import Part, TourModel, described, drawing, steps
from explorer.ui.frame import View

_STEP = "tour_step"


def tour_button(view: View, key: str) -> None:
    """The button that opens it."""
    if st.button("One-minute tour", key=key, type="tertiary"):
        st.session_state[_STEP] = 0
        _tour(view)


@st.dialog("What am I looking at, in one minute", width="medium")
def _tour(view: View) -> None:
    labels = tuple(site.label for site in view.study.sites)
    model = TourModel(labels, view.site.label, view.study.file.d_model, (view.source, view.target))
    told = steps(model)
    now = max(0, min(len(told) - 1, int(st.session_state.get(_STEP, 0))))
    step = told[now]
    st.html(
        f"<div class='tour'>{_picture(model, step.part, view)}<div><p class='fact quiet'>{now + 1} of {len(told)}</p>"
        f"<p class='fact said' aria-live='polite'>{escape(step.sentence)}</p></div></div>"
    )
    with st.container(horizontal=True, horizontal_alignment="right", key="tour_steps"):
        st.button("Back", key="tour_back", disabled=now == 0, on_click=_go, args=(now - 1,))
        if now < len(told) - 1:
            st.button("Next", key="tour_next", type="primary", on_click=_go, args=(now + 1,))
        elif st.button("Done", key="tour_done", type="primary"):
            st.rerun()
    with st.expander("The words"):
        said = (f"<dt>{escape(t.name)}</dt><dd>{escape(t.text)}</dd>" for t in sorted(TERMS, key=_alphabetical))
        st.html(f"<dl class='words'>{''.join(said)}</dl>")


def _alphabetical(term: Term) -> str:
    return term.name.lower()


def _picture(model: TourModel, part: Part, view: View) -> str:
    """The drawing as an image: what is HTML, Streamlit cleans of SVG."""
    source = quote(drawing(model, part, view.palette))
    return f"<img src='data:image/svg+xml,{source}' alt='{escape(described(model), quote=True)}'>"


def _go(step: int) -> None:
    st.session_state[_STEP] = step
