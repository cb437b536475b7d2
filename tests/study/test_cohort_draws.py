"""Which R are draws by theory, and whether p-values look uniform: in constructed pairs, and in drawn matrices."""

from dataclasses import replace

import pytest
import torch
from cohorts import PLANTED, cohort_study
from scipy.stats import kstest

from explorer.alignment.haar_test import haar_test, reference
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.study.cohort_draws import Law, RotationDraws, law, rotation_draws
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
    assert draws.uniformity == pytest.approx(kstest(counted, "uniform").pvalue) and draws.uniformity > 0.5
    low = replace(draws, pairs=tuple(replace(p, law="theorem") for p in draws.of("optimiser")))
    assert low.uniformity is not None and low.uniformity < 1e-6
    assert replace(draws, pairs=draws.of("optimiser")).uniformity is None


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
