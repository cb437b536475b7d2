"""The Claims page: each claim of the paper as a row, and the command that checks a pair of the paper's own models."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from explorer.models import SEEDS, SIZES, preset
from explorer.narrative import HELP, POLY_PYTHIAS, TOY, Agreement, Reading, read_claims, read_on, summary
from explorer.study import shipped_studies
from explorer.text import PILE
from explorer.ui import cache
from explorer.ui.check import fill
from explorer.ui.explain import verdict, what_is_this
from explorer.ui.frame import View
from explorer.ui.pages import PAGES
from explorer.ui.share import keep
from explorer.ui.style import page_style

MARKS = {Agreement.AGREES: "●", Agreement.PARTLY: "◐", Agreement.NO: "○", Agreement.NOT_MEASURED: "–"}
"""Shape beside the word, so that nobody needs its colour."""


def draw_claims(view: View) -> None:
    """Summary, table, and the command for PolyPythias."""
    page_style("claims")
    found = readings(view.where, view.source, view.target, view.site.index)
    verdict(escape(summary(found)))
    toy = cache.study(TOY) if TOY in shipped_studies() else None
    where = read_on(view.study, view.source, view.target, view.site.index, toy)
    keep("text", where)
    st.html(f"<p class='fact quiet'>{escape(where)}</p>")
    head = "".join(f"<div role='columnheader'>{h}</div>" for h in ("Claim", "The paper", "This study", "The control"))
    rows = "".join(_row(reading) for reading in found)
    for r in found:
        keep("heading", f"{r.claim.title}: {r.agreement.value}")
        keep("text", f"The paper: {r.claim.paper}. This study: {r.ours} The control: {r.control}")
    table = f"<div class='head' role='row'>{head}</div>{rows}"
    st.html(f"<div class='claims' role='table' aria-label='Claims'>{table}</div>")
    _poly_pythias()
    what_is_this(HELP)


@cache.of_study(32, copied=True)
def readings(where: str, source: str, target: str, site: int) -> list[Reading]:
    """Every claim, measured."""
    toy = cache.study(TOY) if TOY in shipped_studies() else None
    return read_claims(cache.study(where), source, target, site, toy)


def _row(r: Reading) -> str:
    mark = f"<span class='mark'>{MARKS[r.agreement]} {r.agreement.value}</span>"
    link = ""
    if r.page:
        target = f"{r.page}?{escape(urlencode(r.link))}"
        link = f" <a href='{target}' target='_self'>See it<span class='sr'> on the {r.page} page</span></a>"
    none = " none" if r.agreement == Agreement.NOT_MEASURED else ""
    return (
        f"<div role='row' data-claim='{escape(r.claim.name)}'>"
        f"<div class='name' role='rowheader'>{escape(r.claim.title)}{mark}</div>"
        f"<div class='paper' role='cell'>{escape(r.claim.paper)}</div>"
        f"<div class='ours{none}' role='cell'>{escape(r.ours)}{link}</div>"
        f"<div class='control' role='cell'>{escape(r.control)}</div></div>"
    )


def _poly_pythias() -> None:
    st.markdown("#### Check the paper's own models")
    st.html(f"<p class='fact'>{POLY_PYTHIAS}</p>")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = str(st.selectbox("Size", [s.name for s in SIZES], index=2, key="poly_size", width=110))
        a = int(st.selectbox("Source seed", SEEDS, index=0, key="poly_a", width=110))
        b = int(st.selectbox("Target seed", [s for s in SEEDS if s != a], index=0, key="poly_b", width=110))
        if st.button("Prepare this check", key="poly_prepare", help="Opens Check a pair with these two filled in."):
            fill(*preset(size, (a, b)), PILE)
            st.session_state["show"] = "new check"
            # Without parameters of its own Streamlit refuses to leave a page whose widgets stand in the link.
            st.switch_page(PAGES["check"].script, query_params={})
    st.code(poly_command(size, a, b), language="bash", wrap_lines=True)


def poly_command(size: str, a: int, b: int) -> str:
    """The command that checks two seeds of a PolyPythia."""
    source, target, revision = preset(size, (a, b))
    return f"python -m explorer check {source}@{revision} {target}@{revision} --text {PILE} --out pythia-{size}-{a}-{b}"
