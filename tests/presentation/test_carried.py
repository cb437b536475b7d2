"""What the page says of probes, lenses and weights: the numbers of the file, and honest words for each outcome."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from explorer.alignment.carried_results import (
    CarriedReaders,
    LensScore,
    LensTransfer,
    ProbeScore,
    ProbeTransfer,
    share_restored,
)
from explorer.alignment.weight_space_results import PathName, WeightPath, WeightSpace
from explorer.estimates import Estimate
from explorer.narrative.carried_words import lens_told, weights_told
from explorer.palette import DARK
from explorer.presentation.rotation import carried, weights

SHARES = {"home": 0.91, "own": 0.9, "rotated": 0.8, "raw": 0.2, "translated": 0.21, "shuffled": 0.3, "random": 0.1}


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


def found(site: str = "s") -> CarriedReaders:
    probes = {name: ProbeScore(estimate(value), 0.5) for name, value in SHARES.items()}
    lenses = {name: LensScore(estimate(1.0), estimate(value)) for name, value in (SHARES | {"logit": 0.05}).items()}
    return CarriedReaders(
        (ProbeTransfer(site, "after 1", "genre", ("a", "b"), 9, 8, 0.4, probes, 0.35, 0.83),),
        (LensTransfer(site, "after 1", 9, 8, lenses, None),),
    )


def space(barriers: Mapping[PathName, float]) -> WeightSpace:
    paths = {n: WeightPath((1.0, 1.0 + b, 1.0), 0.5 if n == "refined" else 0.9) for n, b in barriers.items()}
    return WeightSpace((0.0, 0.5, 1.0), paths, 7.6, 2000, True, 0.5)


def barriers(rotated: float, permuted: float = 5.0) -> dict[PathName, float]:
    return {"plain": 5.2, "permuted": permuted, "rotated": rotated, "refined": rotated + 1, "shuffled": 5.1}


def test_the_table_has_a_line_for_each_and_only_of_its_site() -> None:
    frame = carried.carried_frame(found(), "s")
    assert list(frame["of A, on B"]) == ["probe: genre", "affine lens"]
    assert list(frame["through R"]) == [0.8, 0.8]
    assert list(frame["B's own"]) == [0.9, 0.9]
    assert frame["0 to 1"][0] == 0.83 and frame["0 to 1"].isna()[1]
    assert not len(carried.carried_frame(found(), "elsewhere"))


def test_the_sentences_have_the_controls_beside_the_number() -> None:
    told = " ".join(carried.facts(found(), "s", "seed0", "seed1")).replace("\u00a0", " ")
    assert "The linear probe of seed0 for genre names 91 % of seed0's tokens and, through R, 80 % of seed1's" in told
    assert "(seed1's own probe 90 %; seed0's as it is 20 %, through a shuffled R 30 %, through the best of 19" in told
    assert "random ones 35 %; the commonest class 40 %" in told
    assert "its logit lens 5 %" in told and "gains nothing" not in told
    lens = found().lenses[0]
    better = replace(lens, scores={**lens.scores, "logit": lens.scores["own"]})
    assert "carrying it gains nothing: seed1's logit lens needs no other model" in lens_told(better, "seed0", "seed1")


@pytest.mark.parametrize(
    ("rotated", "words"),
    [
        (0.0, "nothing is left of it"),
        (4.95, "R takes nothing of it away"),
        (2.5, "R takes 50 % of what is left without it, and"),
    ],
)
def test_the_barrier_in_honest_words(rotated: float, words: str) -> None:
    told = weights_told(space(barriers(rotated))).replace("\u00a0", " ")
    assert words in told
    assert told.startswith("half way between the weights the loss is 5.20 nats above")


def test_the_lines_are_the_losses_and_the_legend_has_the_barriers() -> None:
    made = space(barriers(2.5))
    figure = weights.between(made, DARK)
    assert [tuple(trace.y) for trace in figure.data] == [made.paths[name].losses for name in weights.LINES]
    legend = figure.layout.annotations[-1].text
    assert "R, then matched 2.50" in legend and "as they are 5.20" in legend
    told = " ".join(weights.facts(made, space(barriers(0.0))))
    assert "The twin,</b> whose weights are turned by a known Q: 5.20 as they are, 0.000" in told
    assert "Nearer is not better" in told
    assert "Nearer" not in " ".join(weights.facts(space({**barriers(2.5), "refined": 2.0})))


def test_restored_needs_room() -> None:
    assert share_restored(0.8, 0.3, 0.9) == pytest.approx(5 / 6)
    assert share_restored(0.8, 0.3, 0.31) is None
    assert share_restored(0.8, None, 0.9) is None
