"""The text of a lane as HTML: whole words that are signs of the class underlined, tokens that say what else might be.

What a model writes is escaped and never read as Markdown or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape

from explorer.presentation.steering import captions as sentences
from explorer.steering import Piece
from explorer.text import mark_words


def marked(text: str, signs: Collection[str], unfinished: bool = False) -> str:
    """A text with the words that are `signs` underlined; the last word of an `unfinished` one may still grow."""
    parts = mark_words(printable(text), signs, unfinished)
    return "".join(f"<u>{escape(part.text)}</u>" if part.is_sign else escape(part.text) for part in parts)


def marked_pieces(pieces: Sequence[Piece], signs: Collection[str], unfinished: bool) -> str:
    """The same of a text whose tokens are known: at rest, hovering one shows what else might stand there."""
    out, tokens = [], [(printable(piece.text), _titled(piece, not unfinished)) for piece in pieces]
    whole = "".join(text for text, _ in tokens)
    spans = iter(tokens)
    text, opening = next(spans, ("", ""))
    for part in mark_words(whole, signs, unfinished):
        inside, rest = [], part.text
        while rest:
            while not text:
                text, opening = next(spans)
            cut = min(len(text), len(rest))
            inside.append(f"{opening}{escape(rest[:cut])}</span>")
            text, rest = text[cut:], rest[cut:]
        out.append(f"<u>{''.join(inside)}</u>" if part.is_sign else "".join(inside))
    return "".join(out)


def _titled(piece: Piece, titled: bool) -> str:
    return f"<span title='{escape(sentences.alternatives(piece), quote=True)}'>" if titled else "<span>"


def outlined(text: str, special: Collection[str]) -> str:
    """Text with the special tokens that it spells out in an outline; nothing is lost or added."""
    if not special:
        return escape(printable(text))
    parts = re.split(f"({'|'.join(map(re.escape, sorted(special)))})", text)
    box = "<span class='chip special' title='special token: it stands for no text'>{}</span>"
    return "".join(box.format(escape(p)) if p in special else escape(printable(p)) for p in parts)


def printable(text: str) -> str:
    """Text without what no font shows: control characters, and a last character that still lacks bytes (U+FFFD)."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text.rstrip("\ufffd"))
