"""Cohort A beside cohort B: which pairs stand side by side, planted regimes in the table, one scale for both."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from test_dose import response

from explorer.palette import LIGHT
from explorer.presentation.figure_data import table_csv
from explorer.presentation.steering.cohorts import both_cohorts, cohort_table, sentence
from explorer.presentation.steering.dose import dose_figure, dose_table
from explorer.steering.dose_response import DoseResponse

SITES = {"mid": "after 1", "last": "end"}


def study(cohorts: dict[str, str], pairs: list[tuple[str, str]]) -> Any:
    """What of a study says which models belong together."""
    entries = [SimpleNamespace(source=a, target=b) for a, b in pairs]
    return SimpleNamespace(
        file=SimpleNamespace(pairs=entries), model_entry=lambda name: SimpleNamespace(cohort=cohorts[name])
    )


TOY = study(
    {"A0": "cohort A", "A1": "cohort A", "B0": "cohort B", "B1": "cohort B", "twin": "", "C0": "cohort C"},
    [("A0", "twin"), ("A0", "B0"), ("A0", "A1"), ("A1", "A0"), ("B0", "B1")],
)  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        (("A0", "A1"), (("A0", "A1"), ("B0", "B1"))),
        (("A1", "A0"), (("A1", "A0"), ("B0", "B1"))),
        (("B0", "B1"), (("A0", "A1"), ("B0", "B1"))),
        (("A0", "B0"), None),
        (("A0", "twin"), None),
    ],
)
def test_a_pair_stands_beside_its_like(pair: tuple[str, str], found: object) -> None:
    assert both_cohorts(TOY, *pair) == found


def test_a_study_without_cohorts_has_none() -> None:
    plain = study({"seed0": "", "seed1": ""}, [("seed0", "seed1")])
    assert both_cohorts(plain, "seed0", "seed1") is None


def test_cohorts_that_share_no_weights_are_no_such_two() -> None:
    models = {"seed0": "equivariant", "seed1": "equivariant", "adam0": "adamw", "adam1": "adamw"}
    tales = study(models, [("seed0", "seed1"), ("adam0", "adam1")])
    assert both_cohorts(tales, "seed0", "seed1") is None


def named(found: DoseResponse, vector: str, site: str) -> DoseResponse:
    return replace(found, vector=f"contrast:{vector}", title=vector, site=site)


PAIRS = ("A0", "A1"), ("B0", "B1")
SHARED = [named(response(0.95, 0.9), "depth", "mid"), named(response(0.9, 0.9, 0.02), "valid", "last")]
APART = [named(response(0.9, -0.5), "depth", "mid"), named(response(0.9, 0.0, 0.02), "valid", "last")]


def test_the_table_shows_planted_regimes() -> None:
    table = cohort_table(PAIRS, (SHARED, APART), SITES)
    assert len(table) == 1, "a vector that is nobody's own effect says nothing"
    row = table.iloc[0]
    assert (row["vector"], row["site"]) == ("depth", "after 1")
    assert (row["A0 → A1: raw"], row["B0 → B1: raw"]) == ("clean", "inverted")
    assert row["A0 → A1: raw / own"] == pytest.approx(0.9, abs=0.02)
    assert row["B0 → B1: raw / own"] == pytest.approx(-0.5, abs=0.02)
    assert row["B0 → B1: TE"] == pytest.approx(0.9, abs=0.02)
    said = sentence(PAIRS, (SHARED, APART), SITES)
    assert "A0 and A1 share input and output weights: of 1 raw vectors <b>1</b> clean" in said
    assert "B0 and B1 share nothing: of 1 raw vectors <b>1</b> inverted" in said


def test_figures_side_by_side_have_one_scale() -> None:
    strong, faint = response(3.0, 2.0, 3.0), response(0.2, 0.1, 0.2)
    ranges = [
        [tuple(axis.range) for axis in (f.layout.yaxis, f.layout.yaxis2)]
        for f in (dose_figure(strong, LIGHT, beside=faint), dose_figure(faint, LIGHT, beside=strong))
    ]
    assert ranges[0] == ranges[1]
    low, high = ranges[0][0]
    assert low < -0.8 * 3 < 0.8 * 3 < high < 3, "it holds both, and little more"


def test_a_figure_s_csv_holds_every_number_and_says_where_from() -> None:
    found = named(response(0.95, 0.9), "depth", "mid")
    text = table_csv(dose_table(found).assign(source="A0"), ("study dyck3", "A0 → A1"))
    lines = text.splitlines()
    assert lines[:2] == ["# study dyck3", "# A0 → A1"]
    assert lines[2].startswith("vector,site,arm,dose,dose_norm,effect,low,high,loss_rise,usable,accuracy,source")
    assert len(lines) - 3 == (len(found.arms) + len(found.random)) * len(found.doses)
