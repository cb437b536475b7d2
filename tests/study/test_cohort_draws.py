"""Which R are draws by theory, and whether p-values look uniform: in constructed pairs, and in drawn matrices."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from cohorts import PLANTED, cohort_study
from scipy.stats import kstest

from explorer.alignment.first_pass import collect_moments
from explorer.alignment.haar_test import haar_test, reference
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.turned_cohort import fit_rotations, uniformity
from explorer.alignment.twin import twin_rotation
from explorer.errors import InputError
from explorer.files import write_json
from explorer.models.massive import NormLimits
from explorer.narrative.random_words import theorem_told
from explorer.progress import silent
from explorer.study.cohort_draws import (
    ROTATIONS,
    FurtherRotations,
    Law,
    RotationDraws,
    Uniformity,
    law,
    lawful_pairs,
    rotation_draws,
)
from explorer.study.library import open_study, shipped_studies
from explorer.study.schema import ModelEntry, ModelKind
from explorer.study.study import Study


def model(cohort: str, seed: int, kind: ModelKind = "seed") -> ModelEntry:
    return ModelEntry(f"{cohort}{seed}", kind, "", "models/x", "00", seed, 1.0, cohort)


@pytest.mark.parametrize(
    ("source", "target", "turned_round", "expected"),
    [
        (model("equivariant", 0), model("equivariant", 1), False, "theorem"),
        (model("equivariant", 0), model("adamw", 10), False, "theorem"),
        (model("adamw", 10), model("equivariant", 0), False, "theorem"),
        (model("", 3), model("equivariant", 0), False, "theorem"),
        (model("equivariant", 1), model("equivariant", 0), True, "way back"),
        (model("equivariant", 0), model("equivariant", 0, "early"), False, "origin"),
        (model("equivariant", 0), model("equivariant", 0, "untrained"), False, "origin"),
        (model("equivariant", 1), model("equivariant", 0, "untrained"), False, "theorem"),
        (model("equivariant", 0), model("equivariant", 7, "twin"), False, "twin"),
        (model("adamw", 10), model("adamw", 11), False, "optimiser"),
        (model("adamw", 10), model("", 1), False, "unknown"),
        (model("cohort A", 0), model("cohort B", 1), False, "unknown"),
    ],
)
def test_theory_goes_by_cohort_and_origin(
    source: ModelEntry, target: ModelEntry, turned_round: bool, expected: Law
) -> None:
    assert law(source, target, turned_round) == expected


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return cohort_study(tmp_path_factory.mktemp("cohorts") / "study")


@pytest.fixture(scope="module")
def draws(study: Study) -> RotationDraws:
    found = rotation_draws(study)
    assert found is not None
    return found


def test_every_pair_is_gathered_and_only_draws_are_counted(study: Study, draws: RotationDraws) -> None:
    expected = {"twin": "twin", "early": "origin", "step0": "origin", "adam1": "optimiser"}
    for pair in draws.pairs:
        back = (pair.source, pair.target) == ("seed1", "seed0")
        assert pair.law == ("way back" if back else expected.get(pair.target, "theorem"))
        assert tuple(t.p for t in pair.tests) == tuple(PLANTED[pair.source, pair.target][0])
        assert pair.sites == tuple(s.label for s in study.sites)
    assert [(p.source, p.target) for p in draws.pairs] == list(PLANTED)
    counted = [*PLANTED["seed0", "seed1"][0], *PLANTED["seed0", "seed2"][0]]
    assert [t.p for t in draws.tests("theorem")] == counted
    assert draws.uniformity is None, "the study keeps no rotations.json"


def test_pairs_that_are_not_measured_in_full_are_read_from_the_study(tmp_path: Path, draws: RotationDraws) -> None:
    study = cohort_study(tmp_path / "study")
    measured, further = lawful_pairs(study)
    assert set(measured) == {("seed0", "seed1"), ("seed0", "seed2"), ("adam0", "adam1")}
    seeds = ("seed0", "seed1", "seed2")
    assert further == {("seed1", "seed2"): "theorem", **{(s, a): "theorem" for s in seeds for a in ("adam0", "adam1")}}
    kept = replace(draws.pairs[0], source="seed1", target="seed2")
    write_json(study.folder / ROTATIONS, FurtherRotations((kept,), Uniformity(0.4, 199)))
    found = rotation_draws(study)
    assert found is not None and found.pairs == (*draws.pairs, kept) and found.uniformity == Uniformity(0.4, 199)
    assert "p = 0.4, no deviation" in theorem_told(found) and "15 p-values of 3 pairs" in theorem_told(found)
    (study.folder / ROTATIONS).write_text('{"pairs": [')
    with pytest.raises(InputError, match=r"rotations\.json' is damaged"):
        rotation_draws(study)


@pytest.mark.parametrize("name", shipped_studies())
def test_a_study_whose_training_is_not_recorded_says_nothing(name: str) -> None:
    study = open_study(name)
    known = {m.cohort for m in study.file.models} & {"equivariant", "adamw"}
    assert (rotation_draws(study) is not None) == bool(known)


def shared_coordinates(d: int, seed: int) -> torch.Tensor:
    """The best rotation of a permutation in noise: what two seeds with the same preferred coordinates have."""
    generator = torch.Generator().manual_seed(seed)
    permutation = torch.eye(d, dtype=torch.float64)[torch.randperm(d, generator=generator)]
    noise = torch.randn(d, d, dtype=torch.float64, generator=generator) / d**0.5
    return orthogonal_factor(permutation + 0.8 * noise)


def test_drawn_rotations_look_uniform_and_shared_coordinates_do_not() -> None:
    d, known = 32, reference(32)
    drawn = [haar_test(haar(d, 40_000 + i))[0] for i in range(60)]
    assert kstest([t.p for t in drawn], "uniform").pvalue > 0.05
    kurtosis = RotationDraws(d, ()).haar_kurtosis
    assert float(known.shape[1].mean()) == pytest.approx(kurtosis, abs=0.01)
    for seed in range(3):
        found, _ = haar_test(shared_coordinates(d, seed))
        assert found.p == pytest.approx(1 / (1 + found.draws)) and found.kurtosis > 1.3 * kurtosis
        assert found.ks_p_paper > 0.05, "the paper's test sees nothing of it"


def test_p_values_of_turned_seeds_are_uniform_together_and_those_of_shared_coordinates_are_not() -> None:
    d, names = 32, ("a", "b", "c")
    # What models of one text have in common: their R are near products, and sites nearly equal.
    turns = [haar(d, 50_000 + i) for i in range(3)]
    alike = [haar(d, 60_000 + i) for i in range(5)]
    pairs = list(combinations(range(3), 2))
    by_theorem = {(names[i], names[j]): [turns[j].T @ s @ turns[i] for s in alike] for i, j in pairs}
    assert 0.05 < uniformity(by_theorem, names, turns=99) <= 1
    shared = {(names[i], names[j]): [shared_coordinates(d, 9 * i + j + k) for k in range(5)] for i, j in pairs}
    assert uniformity(shared, names, turns=99) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="may turn"):
        uniformity(by_theorem, ("a",))


def test_one_reading_gives_the_rotations_that_each_pair_has_alone() -> None:
    study = open_study(shipped_studies()[0])
    models = {name: study.load_model(name) for name in ("seed0", "seed1", "twin")}
    chunks, site = study.chunks(120), study.sites[2]
    pairs = [("seed0", "twin"), ("seed0", "seed1")]
    rotations, tests = fit_rotations(models, pairs, chunks, [site], silent)
    known = twin_rotation(study.file.d_model, study.model_entry("twin").seed)
    assert torch.allclose(rotations["seed0", "twin"][0], known.T.double(), atol=1e-3)
    assert tests["seed0", "twin"][0].identified_rank == study.file.d_model
    moments = collect_moments(models["seed0"], models["seed1"], chunks, [site], NormLimits(), silent, 0)[site].fit
    assert torch.allclose(rotations["seed0", "seed1"][0], orthogonal_factor(moments.cross), atol=1e-4)
    assert tests["seed0", "seed1"][0].haar.p == haar_test(rotations["seed0", "seed1"][0])[0].p
