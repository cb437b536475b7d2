"""The orthogonal factor by inverses and products: against planted factors, scipy, and what the SVD is left to do."""

import pytest
import torch
from scipy.linalg import polar

from explorer.alignment import polar as module
from explorer.alignment.orthogonal import haar, orthogonal_factor, orthogonal_factors
from explorer.alignment.polar import WORST, is_polar_factor, polar_factors


def planted(d: int, condition: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """M = R H with R Haar and H symmetric, positive definite and of a given condition number; and R."""
    r, v = haar(d, seed), haar(d, seed + 1000)
    values = torch.logspace(0, -torch.tensor(condition).log10().item(), d, dtype=torch.float64)
    return r @ (v * values) @ v.T, r


@pytest.fixture
def by_svd(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The matrices that the SVD was asked for."""
    asked: list[torch.Tensor] = []
    svd = torch.linalg.svd

    def noted(m: torch.Tensor) -> object:
        asked.append(m)
        return svd(m)

    monkeypatch.setattr(torch.linalg, "svd", noted)
    return asked


@pytest.mark.parametrize("d", [1, 2, 7, 48, 130])
@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6])
def test_planted_factors_come_back_as_scipy_finds_them(d: int, condition: float, by_svd: list[torch.Tensor]) -> None:
    made = [planted(d, condition, seed) for seed in range(3)]
    stack = torch.stack([m * 10.0**i for i, (m, _) in enumerate(made)])
    found = polar_factors(stack)
    assert by_svd == []
    for r, m, (_, truth) in zip(found, stack, made, strict=True):
        assert (r - truth).abs().max() < 1e-8
        assert (r - torch.from_numpy(polar(m.numpy())[0])).abs().max() < 1e-8
        assert (r.T @ r - torch.eye(d, dtype=torch.float64)).abs().max() < 1e-13


def test_a_stack_is_its_matrices_one_by_one() -> None:
    stack = torch.stack([planted(33, c, i)[0] for i, c in enumerate((1.0, 10.0, 1e4, 1e7))])
    alone = torch.cat([polar_factors(m[None]) for m in stack])
    assert (polar_factors(stack) - alone).abs().max() < 1e-8


def test_only_what_is_ill_conditioned_goes_to_the_svd(by_svd: list[torch.Tensor]) -> None:
    good, truth = planted(40, 100.0, 0)
    bad, _ = planted(40, WORST * 1e3, 1)
    short = torch.ones(40, 40, dtype=torch.float64)
    nothing = torch.zeros(40, 40, dtype=torch.float64)
    found = polar_factors(torch.stack([bad, good, short, nothing]))
    assert len(by_svd) == 3 and all(torch.equal(a, b) for a, b in zip(by_svd, (bad, short, nothing), strict=True))
    assert (found[1] - truth).abs().max() < 1e-10
    for r, m in zip(found, (bad, good, short, nothing), strict=True):
        assert (r.T @ r - torch.eye(40, dtype=torch.float64)).abs().max() < 1e-12
        # tr(RᵀM) is ΣS, the most that any orthogonal matrix reaches.
        assert float((r * m).sum()) == pytest.approx(float(torch.linalg.svdvals(m).sum()), abs=1e-10)


def test_what_has_not_converged_goes_to_the_svd(by_svd: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    m, truth = planted(20, 1e6, 3)
    monkeypatch.setattr(module, "NEWTON_STEPS", 1)
    monkeypatch.setattr(module, "SCHULZ_STEPS", 1)
    found = polar_factors(m[None])[0]
    assert len(by_svd) == 1
    assert (found - truth).abs().max() < 1e-8


def test_the_check_knows_a_factor_from_other_orthogonal_matrices() -> None:
    m, r = planted(24, 50.0, 5)
    flipped = r.clone()
    flipped[:, 0] *= -1
    stretched = r * (1 + 1e-6)
    told = is_polar_factor(torch.stack([r, -r, flipped, stretched]), m.expand(4, -1, -1))
    assert told.tolist() == [True, False, False, False]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_entries_raise(value: float) -> None:
    m = planted(12, 10.0, 0)[0]
    m[3, 4] = value
    with pytest.raises(torch.linalg.LinAlgError):
        polar_factors(torch.stack([m, planted(12, 10.0, 1)[0]]))


def test_the_way_of_a_gpu_gives_what_the_svd_gives() -> None:
    # On the CPU the SVD is faster and is used; a GPU's results rest on both ways being one.
    generator = torch.Generator().manual_seed(0)
    matrices = [torch.randn(30, 30, generator=generator) for _ in range(4)]
    one_way = polar_factors(torch.stack(matrices).double())
    for r, same, m in zip(one_way, orthogonal_factors(matrices), matrices, strict=True):
        assert (r - orthogonal_factor(m)).abs().max() < 1e-9
        assert torch.equal(same, orthogonal_factor(m))
