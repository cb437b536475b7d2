"""The CSS of Check a pair."""

from __future__ import annotations

import streamlit as st

_CSS = """
<style>
.large { font-size: 1.9rem; line-height: 1.3; margin: .6rem 0 .3rem 0; max-width: 58rem; text-wrap: balance; }
.large b { font-weight: 680; }
.criteria { border-collapse: collapse; font-variant-numeric: tabular-nums; line-height: 1.4; width: 100%; max-width: 60rem; }
.criteria th, .criteria td { padding: .3rem 1.2rem .3rem 0; text-align: left; font-weight: 400; border: 0; vertical-align: top; }
.criteria td:nth-child(2) { white-space: nowrap; }
.criteria thead th, .criteria thead td { opacity: .75; }
.criteria tbody tr { border-top: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.criteria .met { white-space: nowrap; padding-right: 0; }
.st-key-check_start { margin-bottom: .8rem; }
.st-key-check_ways [data-testid="stPageLink"] a { border: 1px solid rgb(128 128 128 / .35); border-radius: .5rem; padding: .35rem .8rem; }
.study b { font-weight: 650; }
.study { margin: 0; line-height: 1.4; overflow-wrap: anywhere; }
.st-key-own_studies { margin-top: 1.4rem; }
@media (max-width: 640px) {
  .large { font-size: 1.45rem; }
  .criteria thead { display: none; }
  .criteria tr { display: block; padding: .5rem 0; }
  .criteria th, .criteria td, .criteria td:nth-child(2) { display: block; padding: 0; white-space: normal; }
  .criteria th { font-weight: 650; }
}
</style>
"""


def apply_check_style() -> None:
    """Add the style to the page."""
    st.html(_CSS)
