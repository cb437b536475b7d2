"""The little CSS that Streamlit's theme cannot say."""

from __future__ import annotations

import streamlit as st

from explorer.palette import Palette

_CSS = """
<style>
div:has(> .st-key-frame) { position: sticky; top: 0; z-index: 90; }
.st-key-frame { padding: .35rem 0 .6rem 0; border-bottom: 1px solid FAINT; background: PAPER; }
[data-testid="stMainBlockContainer"] { padding: 1.1rem 2.2rem 3rem 2.2rem; max-width: 1680px; }
[data-testid="stSidebar"] { width: 12.6rem !important; min-width: 12.6rem !important; }
.st-key-frame [data-testid="stSelectbox"] { flex: 0 0 auto; }
.st-key-frame button { padding-left: .7rem; padding-right: .7rem; }
[data-testid="stHeader"] { background: transparent; height: 0; }
[data-testid="stMain"] h4 { font-size: 1.12rem; font-weight: 650; padding: .2rem 0 .1rem 0; }
.verdict { font-size: 1.28rem; line-height: 1.45; margin: .5rem 0 .4rem 0; max-width: 62rem; }
.verdict b { font-weight: 650; font-variant-numeric: tabular-nums; }
.fact { font-variant-numeric: tabular-nums; margin: 0 0 .3rem 0; line-height: 1.5; }
.quiet { opacity: .75; }
.tokens { line-height: 1.75; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 1rem; }
.tokens mark { color: inherit; border-radius: .2rem; padding: .06rem 0; }
.lane { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.55; font-size: 1rem; min-height: 9rem; }
.lane .prompt { opacity: .75; }
button kbd { color: inherit !important; opacity: 1 !important; }
.tokens .peak { text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 4px; }
.tokens .unscored { opacity: .72; font-style: italic; }
.contexts { display: grid; grid-template-columns: 1fr 1fr; column-gap: 2rem; line-height: 1.6; }
.contexts .side { font-weight: 600; padding-bottom: .2rem; }
.context { padding: .45rem 0 .55rem 0; border-top: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.contexts .value { font-weight: 400; float: right; margin-left: .8rem; opacity: .75; font-variant-numeric: tabular-nums; }
.chip { display: inline-block; margin: .15rem .35rem .1rem 0; padding: 0 .45rem; border-radius: .3rem; background: color-mix(in srgb, currentColor 8%, transparent); white-space: pre; }
.st-key-directions { position: relative; }
.st-key-directions > :has([data-testid="stBidiComponentRegular"]) { position: absolute; inset: 0; pointer-events: none; z-index: 5; }
.chip.special { background: none; border: 1px dashed currentColor; opacity: .75; }
.suppresses .chip { background: none; border: 1px solid color-mix(in srgb, currentColor 22%, transparent); }
div:has(> .st-key-finder) { position: sticky; top: 6.5rem; }
.readings { border-collapse: collapse; font-variant-numeric: tabular-nums; line-height: 1.35; width: 100%; max-width: 48rem; }
.pairs { display: grid; grid-template-columns: 1fr 1fr; column-gap: 2rem; row-gap: .2rem; }
.readings th, .readings td { padding: .16rem .2rem .16rem .6rem; text-align: right; font-weight: 400; border: 0; }
.readings th { white-space: nowrap; }
.readings th:first-child { text-align: left; padding-left: 0; }
.readings thead th { opacity: .75; border-bottom: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.readings .null { opacity: .75; font-style: italic; }
.readings .chosen th, .readings .chosen td { font-weight: 650; opacity: 1; }
*:focus-visible { outline: 3px solid SOURCE !important; outline-offset: 1px; }
@media (max-width: 640px) { div:has(> .st-key-finder) { position: static; } .contexts { column-gap: .8rem; } [data-testid="stMainBlockContainer"] { padding: 3rem .8rem 2rem .8rem; } div:has(> .st-key-frame) { position: static; } }
</style>
"""


def apply_style(palette: Palette) -> None:
    """Add the style to the page, in the colours of the current theme."""
    css = _CSS.replace("PAPER", palette.paper).replace("FAINT", palette.faint).replace("SOURCE", palette.source)
    st.html(css)
