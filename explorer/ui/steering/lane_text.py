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


def marked(text: str, signs: Collection[str], unfinished: bool = False, same: int = 0) -> str:
    """A text with the words that are `signs` underlined; the last word of an `unfinished` one may still grow.

    Its first `same` characters are pale: they are those of another text.
    """
    return _joined([(printable(text), "<span>")], signs, unfinished, same)


def marked_pieces(pieces: Sequence[Piece], signs: Collection[str], unfinished: bool, same: int = 0) -> str:
    """The same of a text whose tokens are known: at rest, hovering one shows what else might stand there."""
    tokens = [(printable(piece.text), _titled(piece, not unfinished)) for piece in pieces]
    return _joined(tokens, signs, unfinished, same)


def _joined(tokens: Sequence[tuple[str, str]], signs: Collection[str], unfinished: bool, same: int) -> str:
    """Tokens, each with the tag that opens it, cut where words begin and end; none is lost or added."""
    whole = "".join(text for text, _ in tokens)
    begun, rest = _parts(tokens, whole, signs, unfinished, same)
    return (f"<span class='same'>{begun}</span>" if begun else "") + rest


def _parts(
    tokens: Sequence[tuple[str, str]], whole: str, signs: Collection[str], unfinished: bool, same: int
) -> tuple[str, str]:
    """The parts that are the same as those of another text, and the rest."""
    out: tuple[list[str], list[str]] = ([], [])
    spans, at = iter(tokens), 0
    text, opening = "", ""
    for part in mark_words(whole, signs, unfinished):
        inside, left = [], part.text
        while left:
            while not text:
                text, opening = next(spans)
            cut = min(len(text), len(left), same - at if at < same else len(left))
            inside.append(f"{opening}{escape(left[:cut])}</span>")
            text, left, at = text[cut:], left[cut:], at + cut
        out[at > same].append(f"<u>{''.join(inside)}</u>" if part.is_sign else "".join(inside))
    return "".join(out[0]), "".join(out[1])


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
