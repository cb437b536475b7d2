"""The words that are signs of a contrast's class, and a text cut into whole words with those marked.

A class is told by whole words, never by tokens: a piece of a word says nothing to a reader, and " sail" in "sailor" is
no sail. Which words are signs is counted in the contrast's own texts, of which no model has a say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from explorer.text.contrast import Contrast

COMMON = 1 / 16
"""Share of the class' texts in which a sign stands, at least."""
TELLING = 8.0
"""How many times larger that share is, at least, than the share of the other class' texts that have the word."""
ABSENT = 0.5
"""Texts that are added to both counts, so that a word of few texts is not taken for a sign by chance."""

_WORD = re.compile(r"\w[\w']*")


class TextPart(NamedTuple):
    """A word, or what stands between two words; all parts of a text join to it."""

    text: str
    """What it says."""
    is_sign: bool
    """Whether it is a word that is a sign of the class."""


def mark_words(text: str, signs: Collection[str], unfinished: bool = False) -> list[TextPart]:
    """The words of a text and what stands between them; a word is marked that is among `signs` (in small letters).

    The last word of an `unfinished` text may still grow into another: it is not marked.
    """
    parts, at = [], 0
    for word in _WORD.finditer(text):
        if word.start() > at:
            parts.append(TextPart(text[at : word.start()], False))
        grows = unfinished and word.end() == len(text)
        parts.append(TextPart(word[0], not grows and word[0].lower() in signs))
        at = word.end()
    return [*parts, TextPart(text[at:], False)] if at < len(text) else parts


def class_words(contrast: Contrast) -> frozenset[str]:
    """The words, in small letters, that are signs of a contrast's positive class: a sixteenth of its texts or more have
    them, and a share that is eight times that of the other class' texts or more.

    (k₊ + ½)/(n₊ + ½) ≥ 8 · (k₋ + ½)/(n₋ + ½), where k of a class' n texts have the word. None where the classes are
    tokens of the same texts, and where there are too few texts to tell.
    """
    if contrast.positive_tokens is not None:
        return frozenset()
    sides = (contrast.positive, contrast.negative)
    has, has_not = (_texts_with(texts) for texts in sides)
    own, other = (len(texts) + ABSENT for texts in sides)
    return frozenset(
        word
        for word, count in has.items()
        if count >= COMMON * len(contrast.positive)
        and (count + ABSENT) / own >= TELLING * (has_not[word] + ABSENT) / other
    )


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    """In how many texts each word stands."""
    return Counter(word for text in texts for word in {w.lower() for w in _WORD.findall(text)})
