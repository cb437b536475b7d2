"""Check a pair: two checkpoints in; a verdict, its reasons and a study out. And the studies that are there already."""

from __future__ import annotations

import streamlit as st

from explorer.errors import InputError
from explorer.policy import policy
from explorer.presentation.check import captions as sentences
from explorer.study import own_names
from explorer.ui import View, choice, page_style, verdict, what_is_this, wrong
from explorer.ui.check import (
    draw_fields,
    draw_figures,
    draw_job,
    draw_needs,
    draw_start,
    draw_studies,
    draw_verdict,
)

view: View | None = st.session_state["view"]
page_style("check")
busy = draw_job()
shows_verdict = (
    not busy
    and view is not None
    and view.where in own_names()
    and choice("show", "Show", ("verdict", "new check")) == "verdict"
)
if view is not None and shows_verdict:
    try:
        draw_verdict(view)
        draw_figures(view)
    except InputError as error:
        wrong(str(error))
elif not busy and not policy().checks:
    verdict(sentences.NO_CHECKS)
elif not busy:
    verdict(sentences.INTRODUCTION)
    fields = draw_fields()
    draw_needs(fields)
    draw_start(fields)
if not shows_verdict:
    # The bar above names the pair that is shown, this page one that is asked for: two sources would be one too many.
    st.container(key="check_asks").html("<span></span>")
with st.container(key="own_studies"):
    draw_studies()
what_is_this(sentences.HELP)
