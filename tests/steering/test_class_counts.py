"""Texts are counted lane by lane, each with its interval; what is suggested rests on what was measured."""

from dataclasses import replace
from typing import Any

import pytest
import tiny
import torch
from scipy.stats import binomtest
from test_dose import response
from test_reading_shares import PROMPT

from explorer.estimates import wilson
from explorer.models.sites import Site
from explorer.steering.class_counts import BATCH, added, count_texts
from explorer.steering.continuations import continuations
from explorer.steering.generation import Lane
from explorer.steering.reading_shares import ArmShares, ClassCount, ReadingShares
from explorer.steering.suggestion import Suggestion, largest_usable, suggest
from explorer.text.class_reader import Accuracy, ClassReader


@pytest.mark.parametrize(("counted", "total"), [(0, 12), (3, 12), (12, 12), (7, 200)])
def test_the_interval_is_that_of_scipy(counted: int, total: int) -> None:
    expected = binomtest(counted, total).proportion_ci(method="wilson")
    assert wilson(counted, total) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


class Says(ClassReader):
    """Counts a text that holds a letter."""

    def __init__(self, letter: str) -> None:
        super().__init__(None, 0.0, Accuracy(1, 1))
        object.__setattr__(self, "letter", letter)

    def read(self, texts: Any) -> list[bool]:
        return [self.letter in text for text in texts]  # type: ignore[attr-defined]


def test_every_lane_is_counted_on_what_it_writes_with_each_seed(tokenizer: Any) -> None:
    models = [tiny.model("llama", tokenizer, seed=s) for s in (1, 2)]
    site, seeds = Site(1, 3), range(5, 5 + BATCH + 2)
    directions = {seed: 9 * torch.randn(models[1].d_model) for seed in seeds}
    fixed = 9 * torch.randn(models[0].d_model)

    def lanes(seed: int) -> list[Lane]:
        a, b = models
        return [Lane("source", a), Lane("none", b), Lane("source+v", a, fixed), Lane("random", b, directions[seed])]

    ticks: list[int] = []
    reader = Says("th")
    found = list(count_texts(lanes, [site], PROMPT, reader, seeds, lambda: ticks.append(1)))
    assert [list(c) for c in found] == [["source", "none", "source+v", "random"]] * 2 and ticks
    total = added(*found)
    assert {c.texts for c in found[0].values()} == {BATCH} and {c.texts for c in total.values()} == {len(seeds)}
    for key, model, vector in (("source+v", models[0], lambda s: fixed), ("random", models[1], directions.get)):
        texts = [continuations(model, [site], PROMPT, vector(s)[None, None, None], s)[0][0] for s in seeds]
        assert total[key].counted == sum(reader.read(texts)), key
    assert 0 < sum(c.counted for c in total.values()) < 4 * len(seeds), "the test can tell"


def read(vector: str, suggested: float | None, site: str = "here") -> ReadingShares:
    arms = (ArmShares("native", (0.5, 0.75), (0.0, 0.1)), ArmShares("rotated", (0.25, 1.0), (0.0, 0.1)))
    return ReadingShares(vector, "", site, PROMPT, (1, 1), 1 / 12, suggested, (0.3, 0.5), arms)


def test_shares_are_counts_of_texts() -> None:
    assert read("v", 0.5).counts(0.5) == {
        "none": ClassCount(1, 12),
        "native": ClassCount(9, 12),
        "rotated": ClassCount(12, 12),
    }
    assert read("v", 0.5).counts(0.4) == {}
    assert ClassCount(3, 12) + ClassCount(1, 4) == ClassCount(4, 16) and ClassCount(4, 16).share == 0.25


def test_what_is_suggested_rests_on_the_best_that_was_measured() -> None:
    weak, strong = (replace(response(slope, 0.0), vector="contrast:a", site=s) for slope, s in ((0.2, "x"), (0.9, "y")))
    feature = replace(response(0.4, 0.0), vector="feature:3", site="x")
    never = replace(feature, vector="feature:4", usable=(False,) * len(feature.doses))
    measured, top = [weak, strong, feature, never], largest_usable(strong)
    assert top > 0 and largest_usable(never) == 0
    shares = [read("contrast:a", 0.3, "z"), read("contrast:b", None)]
    assert suggest(["contrast:a"], "x", shares, measured) == Suggestion("z", 0.3, "read")
    assert suggest(["contrast:a"], "x", [], measured) == Suggestion("y", top, "response"), "the site that moves most"
    assert suggest(["feature:3"], "x", shares, measured) == Suggestion("x", top, "response")
    assert suggest(["feature:3"], "y", shares, measured) == Suggestion("y", top, "others"), "another feature there"
    assert suggest(["feature:4"], "x", shares, measured).ground == "others"
    assert suggest(["contrast:a", "feature:3"], "x", shares, measured).ground == "others"
    assert suggest(["lists"], "w", shares, measured) == Suggestion("w", 0.2, "unmeasured")
