"""A text counts as one of a contrast's classes as naive Bayes says; its accuracy is that on texts it did not learn."""

import math
from collections import Counter

import numpy as np
import pytest

from explorer.text.class_reader import FOLDS, LEAST, MISSED, SMOOTHING, WORDS, Accuracy, learn_classes, words
from explorer.text.contrast import Contrast
from explorer.text.dyck.corpus import Dyck3
from explorer.text.tales import contrasts, stories as tales


def log_odds(contrast: Contrast, text: str) -> float:
    """log P(words | positive) − log P(words | negative), of smoothed shares of the words of each class."""
    counts = [Counter(w for t in texts for w in words(t)) for texts in (contrast.positive, contrast.negative)]
    known = set(counts[0]) | set(counts[1])
    totals = [sum(c.values()) + SMOOTHING * len(known) for c in counts]
    said = [w for w in words(text)[:WORDS] if w in known]
    by_class = [
        sum(math.log((c[w] + SMOOTHING) / total) for w in said) for c, total in zip(counts, totals, strict=True)
    ]
    return by_class[0] - by_class[1]


@pytest.mark.parametrize("name", ["recipe", "sea", "merry"])
def test_a_second_implementation_reads_the_same(name: str) -> None:
    contrast, prompt = contrasts.ready_contrast(name), contrasts.plan(name).prompt
    reader = learn_classes(contrast, prompt)
    assert reader is not None
    texts = [d.text[40:] for d in tales.documents("never-seen", 30)] + ["", "zzzz qqqq"]
    assert reader.read(texts) == [log_odds(contrast, t) >= reader.least for t in texts]
    # The threshold and the accuracy again: each quarter, from the prompt's end on, by what the other three teach.
    begin, sides = len(words(prompt)), (contrast.positive, contrast.negative)
    odds: list[list[float]] = [[], []]
    for fold in range(FOLDS):
        taught = [tuple(t for i, t in enumerate(side) if i % FOLDS != fold) for side in sides]
        own = Contrast("", "", *taught)
        for s, side in enumerate(sides):
            for text in side[fold::FOLDS]:
                stretch = " ".join(words(text)[begin : begin + WORDS])
                odds[s].append(log_odds(own, stretch))
    assert reader.least == pytest.approx(max(LEAST, np.quantile(odds[0], MISSED)))
    right = [sum(o >= reader.least - 1e-9 for o in odds[0]), sum(o < reader.least - 1e-9 for o in odds[1])]
    assert reader.accuracy == Accuracy(right[0] / len(sides[0]), right[1] / len(sides[1]))


def test_genres_are_read_and_what_cannot_be_told_apart_is_not() -> None:
    recipe = learn_classes(contrasts.ready_contrast("recipe"), contrasts.plan("recipe").prompt)
    assert recipe is not None and min(recipe.accuracy) > 0.9
    assert sum(recipe.read([d.text for d in tales.documents("never-seen", 20, genre="recipe")])) > 18
    assert sum(recipe.read([d.text for d in tales.documents("never-seen", 20, genre="tale")])) < 2
    tales_only = [d.text for d in tales.documents("never-seen", 64, genre="tale")]
    same = learn_classes(Contrast("", "", tuple(tales_only[::2]), tuple(tales_only[1::2])), "Once there was")
    assert same is not None and sum(same.accuracy) / 2 < 0.75


@pytest.mark.parametrize("name", ["recipe", "letter", "log"])
def test_what_belongs_to_neither_class_does_not_count(name: str) -> None:
    reader = learn_classes(contrasts.ready_contrast(name), contrasts.plan(name).prompt)
    assert reader is not None
    for genre in set(tales.genres()) - {name, "tale"}:
        texts = [d.text for d in tales.documents("never-seen", 30, genre=genre)]
        assert sum(reader.read(texts)) <= 9, genre


def test_classes_of_tokens_and_a_few_texts_are_not_read() -> None:
    assert learn_classes(Dyck3.contrast("deeper"), "([{(") is None
    few = ("one two", "two three", "three four")
    assert learn_classes(Contrast("", "", few, tuple("abcdefg")), "one") is None
