"""Say which value of a label (which genre, which mood) a text has: naive Bayes on words, learned from labelled texts.

A model's text need not be one that a grammar could write, so that no parser can judge it; words can.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WORDS = 40
"""Words of a text that are read: about what a lane writes."""

_WORD = re.compile(r"[a-z']+|[^\sa-z]")

Labelled = Sequence[tuple[str, str]]
"""Pairs of a label's value and a text."""


@dataclass(frozen=True)
class LabelReader:
    """Reads one label."""

    key: str
    """Which label, e.g. genre."""
    classifier: Any
    """scikit-learn's pipeline from lists of words to values."""
    accuracy: float
    """Share of other labelled texts, of the length that is read, that it reads rightly."""

    @property
    def values(self) -> tuple[str, ...]:
        """What the label can be."""
        return tuple(self.classifier.classes_)

    def read(self, texts: Sequence[str]) -> list[str]:
        """The likeliest value for each text, all being equally likely before."""
        return list(self.classifier.predict([_words(text)[:WORDS] for text in texts]))

    def share(self, texts: Sequence[str], value: str) -> float:
        """Share of some texts that are read as a value."""
        return self.read(texts).count(value) / len(texts)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def learn_label(key: str, taught: Labelled, others: Labelled) -> LabelReader:
    """A reader that learns a label from some texts; its accuracy is counted on the others."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    classifier = make_pipeline(CountVectorizer(analyzer=list), MultinomialNB(alpha=0.5, fit_prior=False))
    # Any stretch may come first in what a model writes, so the whole text teaches.
    classifier.fit([_words(text) for _, text in taught], [value for value, _ in taught])
    accuracy = classifier.score([_words(text)[:WORDS] for _, text in others], [value for value, _ in others])
    return LabelReader(key, classifier, float(accuracy))
