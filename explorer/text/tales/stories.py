"""Tales: the text on which the shipped language models were trained, generated from a story grammar of our own.

Nothing is stored: document `index` of a split is a function of (split, index) alone. Every document carries its latent
labels (genre, mood, place, tense, …), and its exact probability under the grammar is the bound that no model can beat.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from explorer.text.tales.grammar import Grammar
from explorer.text.tales.grammar_nodes import Span

STORYBOOK = Path(__file__).parent / "storybook"

DOCUMENT_LABELS = ("genre", "mood", "place", "tense", "season")
"""Latent variables that label every token of a document."""


@dataclass(frozen=True)
class TalesDocument:
    """A generated document: its text, its latent variables, and its labelled spans (character offsets)."""

    text: str
    latents: dict[str, str]
    spans: tuple[Span, ...]

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """Labels of each token, given the tokens' (start, end) character offsets; absent keys are unlabelled.

        A token takes a span's label when the span covers its last character: byte-level tokens begin with their space.
        Of nested spans the inner one counts.
        """
        shared = {key: self.latents[key] for key in DOCUMENT_LABELS if key in self.latents}
        labels = [dict(shared) for _ in offsets]
        for span in reversed(self.spans):  # a span is listed when it closes: outer ones after inner ones
            for label, (start, end) in zip(labels, offsets, strict=True):
                if end > start and span.start < end <= span.end:
                    label[span.key] = span.value
        return labels


@cache
def grammar() -> Grammar:
    """The Tales grammar: every file of the storybook, words first."""
    files = sorted(STORYBOOK.glob("*.txt"), key=lambda f: (f.name != "words.txt", f.name))
    return Grammar.parse(*(f.read_text(encoding="utf-8") for f in files))


def genres() -> list[str]:
    """The genres that the storybook holds."""
    return [record.text for record in grammar().lists["genres"]]


def document(split: str, index: int, **fixed: str) -> TalesDocument:
    """Document `index` of a split ("train", "held-out", "example", …); `fixed` conditions on latents: mood="sad"."""
    derivation = grammar().sample(Random(f"tales:{split}:{index}"), **fixed)
    return TalesDocument(derivation.text, derivation.latents, derivation.spans)


def documents(split: str, count: int, start: int = 0, **fixed: str) -> Iterator[TalesDocument]:
    """Documents `start` … `start + count − 1` of a split."""
    for index in range(start, start + count):
        yield document(split, index, **fixed)


def entropy(texts: Sequence[str]) -> float:
    """Mean of −log P(text), nats per document: no model's loss can be below it on these texts (exact)."""
    return -math.fsum(grammar().log_probability(text) for text in texts) / len(texts)
