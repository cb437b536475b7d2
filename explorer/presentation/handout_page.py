"""A page as one HTML file: its sentences, its figures, and where they come from. Opens anywhere, asks no host."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

HEIGHT = 480
"""Pixels of a figure that has no height of its own."""
_STYLE = """
body { font: 16px/1.5 system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif; color: INK;
  background: PAPER; max-width: 68rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
.where { font-size: .85rem; opacity: .8; } figure { margin: 1.2rem 0; } figcaption { font-size: .9rem; opacity: .85; }
"""


@dataclass(frozen=True)
class HandoutPart:
    """One piece of a page."""

    kind: str
    """heading, sentence or html (both HTML of our own, one in a paragraph), text (plain) or figure."""
    content: str
    """The words; for a figure its description."""
    figure: go.Figure | None = None
    """The figure."""


def handout(title: str, parts: Sequence[HandoutPart], provenance: Sequence[str], ink: str, paper: str) -> str:
    """The HTML file: parts in the order of the page; figures stay interactive."""
    body = "\n".join(_part(part) for part in parts)
    where = "<br>".join(html.escape(line) for line in provenance)
    style = _STYLE.replace("INK", ink).replace("PAPER", paper)
    script = f"<script>{get_plotlyjs()}</script>" if any(p.figure is not None for p in parts) else ""
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{style}</style>{script}</head><body><h1>{html.escape(title)}</h1>\n{body}\n"
        f"<p class='where'>{where}</p></body></html>\n"
    )


def _part(part: HandoutPart) -> str:
    if part.kind == "html":
        return part.content
    if part.figure is None:
        tag = {"heading": "h2", "sentence": "p", "text": "p"}[part.kind]
        content = part.content if part.kind == "sentence" else html.escape(part.content)
        return f"<{tag}>{content}</{tag}>"
    figure = go.Figure(part.figure)
    figure.update_layout(height=figure.layout.height or HEIGHT)
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}, auto_play=False)
    said = html.escape(part.content, quote=True)
    return f"<figure role='group' aria-label='{said}'>{drawn}<figcaption>{said}</figcaption></figure>"
