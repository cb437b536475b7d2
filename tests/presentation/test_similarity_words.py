"""What pages and the command line say of similarity indices and of many models in one space: planted numbers."""

from dataclasses import replace

import pytest

from explorer.alignment.one_space_results import CycleErrors, OneSpace, SpaceSite
from explorer.alignment.similarity_results import (
    CalibratedIndex,
    DecoderMcc,
    PairSimilarity,
    SiteSimilarity,
    UnpairedFit,
)
from explorer.narrative.one_space_words import one_space_told
from explorer.narrative.similarity_words import placed, similarity_told
from explorer.palette import LIGHT
from explorer.presentation.rotation import one_space
from explorer.presentation.rotation.similarity import facts, similarity_frame, without_pairs

HALF = CalibratedIndex(0.6, 0.2, 0.3, 0.05, 1.0)
NOTHING = CalibratedIndex(0.97, 0.95, 0.98, 0.4, 1.0)
ANGLE = CalibratedIndex(0.6, 1.2, 1.1, 0.05, 0.0)
SITE = SiteSimilarity(
    "blocks.1.hook_resid_pre",
    "after 1",
    900,
    200,
    150,
    {"cka": NOTHING, "procrustes": ANGLE, "cca": HALF},
    DecoderMcc(0.2, 0.6, 0.2, 0.2, 40),
    UnpairedFit(0.1, 0.5, -0.9, 0.9, 0.98, 0.05, 0.3, 0.2),
)
PAIR = PairSimilarity((SITE,), {"cka": NOTHING}, 10)


def test_an_index_stands_between_shuffled_pairs_and_a_turned_copy() -> None:
    assert placed(HALF) == pytest.approx(0.5) == placed(ANGLE)
    assert placed(replace(HALF, twin=0.2)) is None
    frame = similarity_frame(SITE).set_index("index")
    assert frame.loc["Procrustes angle", "0 to 1"] == pytest.approx(0.5)
    assert frame.loc["PW-MCC through R", "0 to 1"] == pytest.approx(0.5)
    assert frame.loc["CKA", "best"] == 0.98


def test_an_index_that_tells_nothing_is_called_so() -> None:
    said = similarity_told(SITE.indices)
    assert said.endswith("CKA tell nothing here: shuffled pairs look as alike".replace("tell", "tells"))
    assert "tell" not in similarity_told({"cca": HALF})
    lines = facts(PAIR, SITE)
    assert any("Tells nothing here:</b> CKA;" in line for line in lines)
    assert not any("Tells nothing" in line for line in facts(PAIR, replace(SITE, indices={"cca": HALF})))
    (told,) = without_pairs(PAIR, SITE.site)
    assert "R explains 0.10 (with pairs 0.50, shuffled pairs −0.90; a turned copy 0.98" in told and told.endswith(
        "the search missed it."
    )
    assert without_pairs(PAIR, "elsewhere") == []


def test_one_rotation_each_is_enough_where_it_costs_nothing() -> None:
    none, errors = CycleErrors(0.0, 0.0, 1.0), CycleErrors(0.4, 0.5, 0.7)
    table = ((1.0, 0.5, 0.6), (0.4, 1.0, 0.5), (0.6, 0.5, 1.0))
    less = tuple(tuple(1.0 if v == 1 else v - 0.1 for v in row) for row in table)
    site = SpaceSite("s", "after 1", 900, table, less, -0.8, errors, replace(errors, mean=1.0), none)
    assert "every pair gains by an R of its own" in one_space_told(site)
    same = replace(site, through_space=table)
    assert "that is enough" in one_space_told(same)
    found = OneSpace(("a", "b", "c"), (site,))
    figure = one_space.matrices(found, site, LIGHT, False)
    assert [[row[j] for j in range(3)] for row in figure.data[0].z] == [
        [None, 0.5, 0.6],
        [0.4, None, 0.5],
        [0.6, 0.5, None],
    ]
    assert figure.data[1].z[0][1] == pytest.approx(0.4)
    assert figure.data[1].y[0] > figure.data[0].y[-1], "one above the other"
