"""Why a pair is called what it is: the number that decides on one axis with its references, and the reasons."""

from __future__ import annotations

import streamlit as st

from explorer.alignment import deciding_site
from explorer.presentation.check import axis
from explorer.presentation.rotation import captions as rotation_sentences
from explorer.study import references, verdict_axis
from explorer.ui import cache
from explorer.ui.charts import chart, prepare
from explorer.ui.frame import View


def draw_axis(view: View, folded: bool = False) -> None:
    """The number on which the pair's verdict rests, beside its references; nothing without a verdict.

    `folded`: it is not drawn, and the handout has it all the same.
    """
    result = view.pair
    if result.verdict is None:
        return
    site = deciding_site(result.sites)
    alt = "The number on which the verdict rests with its null, its ceiling and what is asked of it."
    figure = cache.figure(
        ("axis", *view.shown),
        lambda: axis.verdict_axis(verdict_axis(view.study, result), references(site), view.palette),
    )
    if folded:
        prepare(figure, alt)
    else:
        chart(figure, "axis", alt)


def draw_reasons(view: View, folded: bool) -> None:
    """The axis, and why the pair and the chosen site are called so; of what is folded only the handout's part."""
    draw_axis(view, folded)
    if folded:
        return
    lines = rotation_sentences.reasons(view.pair, view.site_result)
    st.html("".join(f"<p class='fact'>{line}</p>" for line in lines))
