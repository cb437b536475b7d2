"""The Haar test has its size, and the power that the paper's test lacks."""

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard
from scipy.stats import chi2, kstest

from explorer.alignment import haar_test as haar_module
from explorer.alignment.haar_test import angles, haar_test, reference, shape
from explorer.alignment.orthogonal import haar


@pytest.mark.slow
def test_true_haar_draws_are_rejected_about_as_often_as_the_level_says() -> None:
    p = np.array([haar_test(haar(24, 9000 + i))[0].p for i in range(500)])
    assert 0.03 <= (p < 0.05).mean() <= 0.07


def structured(d: int) -> dict[str, torch.Tensor]:
    """Orthogonal matrices that are not random."""
    fixed = torch.block_diag(torch.eye(d // 20, dtype=torch.float64), haar(d - d // 20, 5))
    permutation = torch.eye(d, dtype=torch.float64)[torch.randperm(d, generator=torch.Generator().manual_seed(2))]
    h = torch.from_numpy(hadamard(d).astype(float)) / d**0.5
    shift = torch.eye(d, dtype=torch.float64).roll(1, 0)
    return {"identity on 5 %": fixed, "permutation": permutation, "H C Hᵀ": h @ shift @ h.T, "identity": torch.eye(d)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identity on 5 %", "permutation", "H C Hᵀ", "identity"])
def test_structure_is_seen_where_the_papers_test_sees_none(name: str) -> None:
    found, _ = haar_test(structured(128)[name])
    assert found.p < 0.05
    if name == "H C Hᵀ":
        assert found.ks_p_paper > 0.99, "eigenvalues as even as a comb: the paper's p is near 1"


def test_the_statistic_is_that_of_the_eigenvalues() -> None:
    r = haar(17, 3)
    values = np.linalg.eigvals(r.numpy())
    expected = sum((np.sum(values**k).real - (k % 2 == 0)) ** 2 / k for k in range(1, 11))
    found = shape(r)
    assert found.statistic == pytest.approx(expected, abs=1e-8)
    scaled = np.sqrt(17) * r.numpy()
    assert found.kurtosis == pytest.approx((scaled**4).mean() / (scaled**2).mean() ** 2)
    assert found.largest == pytest.approx(np.abs(r.numpy()).max())
    np.testing.assert_allclose(np.sort(angles(r)), np.sort(np.abs(np.angle(values))), atol=1e-6)


def test_the_reference_is_about_chi_squared_and_kept() -> None:
    known = reference(48)
    assert known.shape.shape == (3, haar_module.MORE_DRAWS)
    # Traces of powers of a Haar matrix are nearly independent Gaussians of variance k.
    assert kstest(known.shape[0].numpy(), chi2(10).cdf).pvalue > 0.001
    assert reference(48) is known


def test_the_spectrum_counts_every_eigenvalue() -> None:
    _, spectrum = haar_test(haar(48, 1))
    assert sum(spectrum.counts) == 48
    assert sum(spectrum.haar_mean) == pytest.approx(48)
    bands = zip(spectrum.haar_low, spectrum.haar_high, strict=True)
    assert all(0 <= low <= high for low, high in bands)
    _, one_sided = haar_test(torch.eye(48))
    assert one_sided.counts[0] == 48
