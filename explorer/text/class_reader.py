"""Say which of a contrast's two classes a text belongs to: naive Bayes on words, learned from the contrast's own texts.

What a steered model writes need not be anything that a grammar could write, so that no parser can judge it; words can.
It may belong to neither class: then the likelier of the two says little (most dialogues are more like letters than like
tales). So a text counts as the positive class only where its log-odds are as high as those of that class' own texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from explorer.text.contrast import Contrast

WORDS = 40
"""Words of a text that are read: about what 60 tokens of a model say."""
FOLDS = 4
"""Parts into which each class is split: every part is judged by what the other three teach."""
MISSED = 0.05
"""Share of the positive class' own held-out texts that may fall below the log-odds from which a text counts."""
LEAST = 1e-6
"""Log-odds that a text needs in any case: one without a telling word has 0."""
SMOOTHING = 0.5
"""Added to the count of every word in every class."""

_WORD = re.compile(r"\w[\w']*|[^\w\s]")


class Accuracy(NamedTuple):
    """How often held-out texts of a contrast are read rightly."""

    positive: float
    """Share of those of the positive class."""
    negative: float
    """Share of those of the negative class."""


@dataclass(frozen=True)
class ClassReader:
    """Reads whether a text belongs to the positive one of two classes, both being equally likely before."""

    classifier: Any
    """scikit-learn's pipeline from lists of words to whether the class is the positive one."""
    least: float
    """Log-odds from which a text counts: the 5 % quantile of the positive class' held-out texts, but more than 0."""
    accuracy: Accuracy
    """On texts that did not teach it, of which as many words are read as of a continuation, after as many as a prompt
    has.
    """

    def read(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text counts as the positive class."""
        return [x >= self.least for x in _log_odds(self.classifier, [words(text)[:WORDS] for text in texts])]


def words(text: str) -> list[str]:
    """The words and marks of a text, in small letters."""
    return _WORD.findall(text.lower())


def can_be_read(contrast: Contrast) -> bool:
    """Whether a text can belong to one of its classes, and there are texts enough to learn which."""
    return contrast.positive_tokens is None and min(len(contrast.positive), len(contrast.negative)) >= FOLDS


def learn_classes(contrast: Contrast, prompt: str) -> ClassReader | None:
    """A reader of a contrast's classes, for what is written after a prompt.

    None where the classes are tokens of the same texts, and where a class has fewer than `FOLDS` texts.
    """
    if not can_be_read(contrast):
        return None
    sides = [[words(t) for t in texts] for texts in (contrast.positive, contrast.negative)]
    begin = len(words(prompt))
    odds: list[list[float]] = [[], []]
    for taught, judged in _folds(sides):
        classifier = _fit(taught)
        for found, texts in zip(odds, judged, strict=True):
            # What a continuation shows of a text; all of one that is no longer than the prompt.
            found += _log_odds(classifier, [t[begin : begin + WORDS] or t[:WORDS] for t in texts])
    positive, negative = map(np.array, odds)
    least = max(LEAST, float(np.quantile(positive, MISSED)))
    return ClassReader(
        _fit(sides), least, Accuracy(float((positive >= least).mean()), float((negative < least).mean()))
    )


def _log_odds(classifier: Any, texts: Sequence[Sequence[str]]) -> list[float]:
    """log P(positive | words) − log P(negative | words)."""
    found: list[float] = np.diff(classifier.predict_log_proba(texts), axis=1)[:, 0].tolist()
    return found


Sides = list[list[list[str]]]
"""Words of the texts of the positive and of the negative class."""


def _folds(sides: Sides) -> Iterator[tuple[Sides, Sides]]:
    for fold in range(FOLDS):
        taught = [[t for i, t in enumerate(texts) if i % FOLDS != fold] for texts in sides]
        yield taught, [texts[fold::FOLDS] for texts in sides]


def _fit(sides: Sides) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    classifier = make_pipeline(CountVectorizer(analyzer=list), MultinomialNB(alpha=SMOOTHING, fit_prior=False))
    # Any stretch may come first in what a model writes, so the whole text teaches.
    taught = [(text, side == 0) for side, texts in enumerate(sides) for text in texts]
    return classifier.fit([text for text, _ in taught], [positive for _, positive in taught])
