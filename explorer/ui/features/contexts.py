"""Contexts as HTML: the same text in both models, side by side, shaded by activation. Text is data: all is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.number_text import number
from explorer.presentation.features import scale, shade

if TYPE_CHECKING:
    from explorer.features import Context
    from explorer.ui.frame import View


def contexts_html(found: Sequence[Context], full: bool, view: View, read: str) -> str:
    """Contexts side by side; each row is one window of one document, so that what both fire on stands level."""
    if not found:
        return "<p class='fact quiet'>It fires in too few windows for this group.</p>"
    top = scale(found)
    heads = (view.source, f"{view.target}, {read}")
    cells = "".join(f"<div class='side'>{html.escape(h)}<span class='value'>largest</span></div>" for h in heads)
    for context in found:
        for values in (context.source, context.target):
            cells += _context(context, values, top, full, view.palette.highlight)
    return f"<div class='contexts tokens'>{cells}</div>"


def _context(context: Context, values: Sequence[float], top: float, full: bool, hue: str) -> str:
    shown = range(len(context.pieces)) if full else context.window()
    out = ["<span class='quiet'>…</span>"] if shown.start > 0 or not context.first else []
    out += [marked(context.pieces[i], values[i], top, hue, i == context.peak) for i in shown]
    if shown.stop < len(context.pieces):
        out.append("<span class='quiet'>…</span>")
    largest = max((v for v in values if v == v), default=0.0)
    return f"<div class='context'><span class='value'>{number(largest)}</span>{''.join(out)}</div>"


def marked(text: str, value: float, top: float, hue: str, peak: bool = False) -> str:
    """One token: shaded where it fires, dimmed where it is not scored, plain where it is silent."""
    piece = html.escape(text)
    if value != value:
        return f"<span class='unscored' title='left context: not scored'>{piece}</span>"
    if value <= 0 and not peak:
        return piece
    # The space before a word stays outside, so that no shade hangs at the end of a line.
    word = text.lstrip(" ") or text
    look = f"style='background:rgba({hue},{shade(value, top):.2f})' title='{number(value)}'"
    kind = " class='peak'" if peak else ""
    return " " * (len(text) - len(word)) + f"<mark{kind} {look}>{html.escape(word)}</mark>"
