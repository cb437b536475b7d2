"""The Claims page: every number that it shows is the study's, and each rule reaches each of its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohorts import cohort_study
from streamlit.testing.v1 import AppTest

from explorer.alignment.dictionary_results import DictionaryScore
from explorer.alignment.results import PairResult
from explorer.files import write_json
from explorer.narrative import claim_rules as rules
from explorer.narrative.claim_study import ClaimStudy
from explorer.narrative.claims import CLAIMS, TOY, Agreement, Reading, read_claims, read_on, summary
from explorer.study.cohort_draws import ROTATIONS, FurtherRotations, Uniformity
from explorer.study.library import open_study, shipped_studies
from explorer.study.study import Study
from explorer.ui.claims.claims import poly_command

APP = str(Path(__file__).resolve().parents[2] / "explorer" / "app.py")
NUMBER = re.compile(r"−?\d+\.\d+")


@pytest.fixture(scope="module")
def study() -> Study:
    return open_study("tales")


@pytest.fixture(scope="module")
def readings(study: Study) -> dict[str, Reading]:
    toy = open_study(TOY) if TOY in shipped_studies() else None
    return {r.claim.name: r for r in read_claims(study, "seed0", "seed1", 2, toy)}


def stored(study: Study, target: str, file: str = "result.json") -> Any:
    return json.loads((study.pair_path("seed0", target) / file).read_text(encoding="utf-8"))


def ends(values: list[float], digits: int = 2) -> list[float]:
    """What a range shows: both ends, or one where they are written alike."""
    low, high = min(values), max(values)
    return [low] if round(low, digits) == round(high, digits) else [low, high]


def dictionary(sites: list[Any], arm: str, reading: str = "paper") -> list[float]:
    """EV of the dictionary under one map at some sites of a file."""
    return [s["dictionary"][arm][reading]["value"] for s in sites]


def test_numbers_are_those_of_the_files(study: Study, readings: dict[str, Reading]) -> None:
    seeds = [name for name in study.targets("seed0") if study.model_entry(name).kind == "seed"]
    sites = [s for name in seeds for s in stored(study, name)["sites"]]

    def ev(arm: str, reading: str = "paper") -> list[float]:
        return dictionary(sites, arm, reading)

    def back(arm: str) -> list[float]:
        """What comes back under a map, faithful and paper-style."""
        out: list[float] = []
        for reading in ("faithful", "paper"):
            zero, home = ev("shuffled", reading), ev("ceiling", reading)
            out += ends([(e - z) / (h - z) for e, z, h in zip(ev(arm, reading), zero, home, strict=True)])
        return out

    gap = [c - r for c, r in zip(ev("ceiling"), ev("rotated"), strict=True)]
    turned, affine = ([s["ladder"][k]["value"] for s in sites] for k in ("orthogonal_scale", "affine"))
    distance = [s["rotation"]["frobenius_from_identity"] for s in sites]
    early = stored(study, "early")["sites"]
    expected = {
        "raw": [*ends(ev("raw")), *ends(ev("ceiling")), *back("raw"), *ends(ev("translated"))],
        "rotated": [
            *(*ends(ev("rotated")), *ends(gap), *back("rotated")),
            *(*ends(ev("shuffled")), *ends(ev("rotated", "faithful"))),
        ],
        "rotation only": [*ends(turned), *ends(affine), *ends([t / a for t, a in zip(turned, affine, strict=True)])],
        "distance": [*ends(distance), (2 * study.file.d_model) ** 0.5],
        "firing": [*ends([s["firing"]["raw"] for s in sites]), *ends([s["firing"]["rotated"] for s in sites])],
        "checkpoints": [x for arm in ("ceiling", "raw", "rotated") for x in ends(dictionary(early, arm))],
    }  # fmt: skip
    for name, numbers in expected.items():
        assert np.allclose(readings[name].numbers[: len(numbers)], numbers), name
    responses = [r for name in seeds for r in stored(study, name, "steering.json")]
    judged = [r for r in responses if r["vector"].startswith("contrast:") and r["transfer"] is not None]
    counts = [sum(r["regime"] == regime for r in judged) for regime in ("clean", "partial", "none", "inverted")]
    passed = [r["transfer"]["value"] for r in judged if r["verdict"] == "transfers"]
    expected_counts = (len(judged), len({r["vector"] for r in judged}), *counts, len(passed), *ends(passed))
    assert np.allclose(readings["raw steering"].numbers, expected_counts)


def test_every_number_shown_is_one_of_the_computed(readings: dict[str, Reading]) -> None:
    for r in readings.values():
        written = {f"{round(x, d) + 0.0:.{d}f}".replace("-", "−") for x in r.numbers for d in (1, 2, 3, 4)}
        shown = NUMBER.findall(f"{r.ours} {r.control}")
        assert set(shown) <= written, r.claim.name
        if r.agreement != Agreement.NOT_MEASURED:
            assert r.page and r.link["study"] and (shown or "of" in r.ours)


def test_summary_counts_every_claim(readings: dict[str, Reading]) -> None:
    found = list(readings.values())
    counts = [int(n) for n in re.findall(r"\d+", summary(found))]
    assert sum(counts[1:4]) == counts[0] and counts[0] + sum(counts[4:]) == len(CLAIMS) == len(found)


def with_scores(pair: PairResult, **arms: float) -> PairResult:
    """The pair with these paper-style EVs at every site."""

    def scores(d: Mapping[str, DictionaryScore]) -> dict[str, DictionaryScore]:
        return {**d, **{k: replace(d[k], paper=replace(d[k].paper, value=v)) for k, v in arms.items()}}

    return replace(pair, sites=tuple(replace(s, dictionary=scores(s.dictionary)) for s in pair.sites if s.dictionary))


@pytest.mark.parametrize(
    ("arms", "agrees", "partly"),
    [
        ({"raw": -0.5, "rotated": 0.95, "ceiling": 0.96, "shuffled": 0.2}, True, True),
        ({"raw": -0.5, "rotated": 0.80, "ceiling": 0.96, "shuffled": 0.2}, False, True),
        ({"raw": -0.5, "rotated": 0.80, "ceiling": 0.96, "shuffled": 0.79}, False, False),
    ],
)
def test_one_rotation_repairs_it(study: Study, arms: dict[str, float], agrees: bool, partly: bool) -> None:
    pair = with_scores(study.pair("seed0", "seed1"), **arms)
    found = rules.rotation_repairs(ClaimStudy(study, (pair,), (), None, None, {}))
    assert found is not None and (found.agrees, found.partly) == (agrees, partly)
    toy = rules.toy_independent(ClaimStudy(study, (pair,), (), None, None, {}))
    assert toy is not None and toy.agrees == agrees


def test_raw_fails_only_below_the_mean_agrees_in_full(study: Study) -> None:
    for raw, agrees, partly in ((-0.2, True, True), (0.3, False, True), (0.94, False, False)):
        pair = with_scores(study.pair("seed0", "seed1"), raw=raw, ceiling=0.95)
        found = rules.raw_fails(ClaimStudy(study, (pair,), (), None, None, {}))
        assert found is not None and (found.agrees, found.partly) == (agrees, partly)


@pytest.mark.parametrize(("ks", "powerful", "agrees", "partly"), [(1, 0.4, True, True), (1, 0.001, False, True)])
def test_random_agrees_only_where_the_test_with_power_finds_nothing(
    study: Study, ks: float, powerful: float, agrees: bool, partly: bool
) -> None:
    bare = Study(study.folder, replace(study.file, models=tuple(replace(m, cohort="") for m in study.file.models)))
    pair = study.pair("seed0", "seed1")
    haar = [replace(s.rotation, haar=replace(s.rotation.haar, ks_p_paper=ks, p=powerful)) for s in pair.sites]
    pair = replace(pair, sites=tuple(replace(s, rotation=r) for s, r in zip(pair.sites, haar, strict=True)))
    found = rules.looks_random(ClaimStudy(bare, (pair,), (), None, None, {}))
    assert found is not None and (found.agrees, found.partly) == (agrees, partly)
    n = len(pair.sites)
    assert f"deviates from random at {0 if agrees else n} of {n} sites" in found.ours.text


def test_random_by_cohort_agrees_with_the_theorem_and_not_with_the_paper(tmp_path: Path) -> None:
    made = cohort_study(tmp_path / "study")
    write_json(made.folder / ROTATIONS, FurtherRotations((), Uniformity(0.4, 199)))
    found = rules.looks_random(ClaimStudy.of(made, "seed0", "seed1", 2))
    assert found is not None and (found.agrees, found.partly) == (False, True)
    assert "p = 0.999 by the same test" in found.ours.text
    assert "p = 0.040 to 0.950, uniform (p = 0.40)" in found.ours.text and "AdamW seeds R deviates" in found.ours.text
    assert [n for n in found.numbers if n in (5.0, 0.001)] == [5.0, 5.0, 0.001]
    assert "cannot see it" in found.control.text


def test_a_rise_of_firing_that_shuffled_pairs_give_too_does_not_count(study: Study) -> None:
    pair = study.pair("seed0", "seed1")
    for shuffled, agrees in ((0.0, True), (0.85, False)):
        sites = [
            replace(s, firing={"raw": 0.0, "translated": 0.0, "rotated": 0.9, "affine": 0.9, "shuffled": shuffled})
            for s in pair.sites
        ]
        found = rules.same_features_fire(ClaimStudy(study, (replace(pair, sites=tuple(sites)),), (), None, None, {}))
        assert found is not None and found.agrees == found.partly == agrees


def test_cohorts_are_told_apart_and_every_source_has_the_cross_checkpoint_claim() -> None:
    toy = open_study(TOY)
    for source in toy.sources():
        found, seeds = ClaimStudy.of(toy, source, "", 1), [t for t in toy.targets(source) if t[0] in "AB"]
        frozen = {t for t in seeds if (source[0], t[0]) == ("A", "A")}
        assert {p.target for p in found.shared} == frozen
        assert {p.target for p in found.independent} == set(seeds) - frozen
        assert found.early is not None and (found.early.source, found.early.target) == ("A0", "early")
        checkpoint = rules.checkpoints(found)
        assert checkpoint is not None and checkpoint.link == {"a": "A0", "b": "early", **rules.PAPER}
    both = ClaimStudy.of_toy(toy)
    assert both is not None
    assert {p.source for p in both.independent} == {"B0"} and {p.source for p in both.shared} == {"A0"}
    said = read_on(toy, "B0", "B1", 1, toy)
    assert all(f"B0 → {p.target}" in said for p in both.independent) and "A0 → early" in said
    assert all(f"A0 → {p.target}" in said for p in both.shared) and "(cohort B)" in said and "(cohort A)" in said


def test_a_study_without_controls_leaves_claims_out(study: Study) -> None:
    bare = ClaimStudy(study, (), (), None, None, {})
    for claim in CLAIMS:
        if claim.name != "decoder cosine":
            assert claim.measure(bare) is None, claim.name
    assert ClaimStudy.of_toy(study) is None, "Tales has no cohorts"


def test_the_page_shows_every_claim_and_the_command(readings: dict[str, Reading]) -> None:
    app = AppTest.from_file(APP, default_timeout=120)
    app.switch_page("../pages/claims.py")
    app.query_params["map"] = "affine"  # a widget of the frame stands in the link
    app.run()
    assert not app.exception and not app.error
    text = " ".join(h.proto.body for h in app.get("html"))
    for r in readings.values():
        assert f"data-claim='{r.claim.name}'" in text and r.agreement.value in text
    app.selectbox(key="poly_size").set_value("14m").run()
    assert app.code[0].value == poly_command("14m", 1, 2)
    assert (
        "EleutherAI/pythia-14m-seed1@step143000 EleutherAI/pythia-14m-seed2@step143000 --text hf://"
        in app.code[0].value
    )
    app.button(key="poly_prepare").click().run()
    assert not app.exception and not app.error
    fields = [app.text_input(key=f"check_{name}").value for name in ("source", "target")]
    assert fields == ["EleutherAI/pythia-14m-seed1", "EleutherAI/pythia-14m-seed2"]
    assert app.text_input(key="check_revision_a").value == "step143000", "main of these repositories is empty"
    assert app.session_state["map"] == "affine"
