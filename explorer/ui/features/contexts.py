"""Contexts as HTML: one text in both models, in two lines tinted by activation. Text is data: all is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.alignment import colour_of
from explorer.number_text import number
from explorer.presentation.features import scale, shade

if TYPE_CHECKING:
    from explorer.features import Context
    from explorer.ui.frame import View


def contexts_html(found: Sequence[Context], full: bool, view: View, read: str) -> str:
    """Contexts, each in two lines of the same text: as A fires and, under it, as B does when it is read."""
    if not found:
        return "<p class='fact quiet'>It fires in too few windows for this group.</p>"
    top = scale(found)
    heads = f"A: {html.escape(view.source)} itself. B: {html.escape(view.target)}, {read}. The number is the largest."
    body = f"<p class='fact quiet small'>Tint: how strongly it fires. {heads}</p>"
    hues = view.palette.source, view.palette.arm(colour_of(view.arm))
    for context in found:
        sides = zip("AB", (context.source, context.target), hues, strict=True)
        lines = "".join(
            _line(context, values, top, full, view.palette.highlight, name, hue) for name, values, hue in sides
        )
        body += f"<div class='context'>{lines}</div>"
    return f"<div class='contexts-list twice tokens'>{body}</div>"


def _line(context: Context, values: Sequence[float], top: float, full: bool, hue: str, name: str, colour: str) -> str:
    shown = range(len(context.pieces)) if full else context.window()
    out = ["<span class='quiet'>…</span>"] if shown.start > 0 or not context.first else []
    # A line break of the text would part the two lines of a window that is cut short.
    text = [p if full else p.replace("\n", "↵") for p in context.pieces]
    out += [marked(text[i], values[i], top, hue, i == context.peak) for i in shown]
    if shown.stop < len(context.pieces):
        out.append("<span class='quiet'>…</span>")
    return line_html(name, colour, "".join(out), max((v for v in values if v == v), default=0.0))


def line_html(name: str, colour: str, text: str, largest: float) -> str:
    """One model's reading of a text: which model, the text (HTML), the largest activation."""
    return (
        f"<div class='line' style='--mark: {colour}'><span class='who'>{name}</span><span>{text}</span>"
        f"<span class='value'>{number(largest)}</span></div>"
    )


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
