"""Maps and moments: planted truth, scipy and numpy as second implementations, and properties of the linear algebra."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.linalg import expm, logm, orthogonal_procrustes
from torch import Tensor

from explorer import metrics
from explorer.alignment import maps
from explorer.alignment.geodesic import dial
from explorer.alignment.moments import CrossMoments, Moments
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.ridge import STRENGTHS
from explorer.errors import InputError

DIMENSIONS = st.integers(2, 9)
SEEDS = st.integers(0, 10_000)


def rows(n: int, d: int, seed: int = 0) -> Tensor:
    """Correlated rows with a mean, so that centring matters."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 3 * rng.standard_normal(d)
    return torch.from_numpy(x)


def moments(source: Tensor, target: Tensor) -> Moments:
    found = Moments.zero(source.shape[1])
    found.add(source, target)
    return found


def noisy_pair(n: int = 400, d: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    a = rows(n, d, seed)
    b = a @ haar(d, seed + 1) + rows(n, d, seed + 2) * 0.3
    return a, b


def test_moments_equal_numpy_whatever_the_batches() -> None:
    a, b = noisy_pair(501)
    whole = moments(a, b)
    left, right = moments(a[:123], b[:123]), moments(a[123:], b[123:])
    merged = left + right
    joint = np.cov(np.concatenate([a, b], axis=1).T, bias=True) * len(a)
    d = a.shape[1]
    for found in (whole, merged):
        assert found.n == 501
        np.testing.assert_allclose(found.mean_source, a.mean(0), atol=1e-12)
        np.testing.assert_allclose(found.mean_target, b.mean(0), atol=1e-12)
        np.testing.assert_allclose(found.covariance_source, joint[:d, :d], atol=1e-8)
        np.testing.assert_allclose(found.covariance_target, joint[d:, d:], atol=1e-8)
        np.testing.assert_allclose(found.cross, joint[d:, :d], atol=1e-8)
    turned = whole.reverse()
    np.testing.assert_allclose(turned.cross, whole.cross.T, atol=1e-12)
    np.testing.assert_allclose(turned.covariance_source, whole.covariance_target)
    assert left.n == 123, "merging must not change its parts"


def test_cross_moments_are_enough_for_the_orthogonal_map() -> None:
    a, b = noisy_pair(501)
    full, light = moments(a, b), CrossMoments.zero(a.shape[1])
    centre_a, centre_b = a[:9].mean(0), b[:9].mean(0)
    for part in (slice(0, 100), slice(100, 501)):
        source, target = (a[part] - centre_a).float(), (b[part] - centre_b).float()
        light.add(source, target, len(source))
    np.testing.assert_allclose(light.cross, full.cross, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(orthogonal_factor(light.cross), orthogonal_factor(full.cross), atol=1e-5)


def test_orthogonal_equals_scipy() -> None:
    a, b = noisy_pair()
    theirs, _ = orthogonal_procrustes((b - b.mean(0)).numpy(), (a - a.mean(0)).numpy())
    ours = maps.orthogonal(moments(a, b))
    np.testing.assert_allclose(ours.matrix, theirs, atol=1e-6)
    np.testing.assert_allclose(ours.forward, theirs.T, atol=1e-6)


@given(DIMENSIONS, SEEDS)
def test_planted_rotation_is_recovered(d: int, seed: int) -> None:
    a, q, shift = rows(40 * d, d, seed), haar(d, seed), rows(1, d, seed + 1)
    b = a @ q + shift
    found = maps.orthogonal(moments(a, b))
    np.testing.assert_allclose(found.matrix, q.T, atol=1e-5)
    np.testing.assert_allclose(found(b.float()), a, atol=1e-3)


@given(DIMENSIONS, SEEDS)
def test_orthogonal_maps_are_orthogonal_and_special_ones_turn(d: int, seed: int) -> None:
    a, b = noisy_pair(30 * d, d, seed)
    m = moments(a, b)
    for special in (False, True):
        r = orthogonal_factor(m.cross, special)
        np.testing.assert_allclose(r @ r.T, np.eye(d), atol=1e-10)
        if special:
            assert float(torch.linalg.det(r)) == pytest.approx(1, abs=1e-9)
    x = rows(5, d, seed + 9).float()
    fitted = maps.orthogonal(m)
    inside, outside = (x - fitted.mean_target).norm(dim=1), (fitted(x) - fitted.mean_source).norm(dim=1)
    np.testing.assert_allclose(inside, outside, rtol=1e-4)
    for found in (fitted, maps.affine(m, m), maps.orthogonal_scale(m)):
        np.testing.assert_allclose(found.direction(x).norm(dim=1), x.norm(dim=1), rtol=1e-4)


@given(DIMENSIONS, SEEDS)
def test_special_is_the_best_rotation(d: int, seed: int) -> None:
    m = torch.from_numpy(np.random.default_rng(seed).standard_normal((d, d)))
    best = float((orthogonal_factor(m, special=True) * m).sum())
    for i in range(20):
        assert float((haar(d, seed + i, special=True) * m).sum()) <= best + 1e-9
    s = torch.linalg.svdvals(m)
    flip = 2 * float(s[-1]) if torch.linalg.det(m) < 0 else 0.0
    assert best == pytest.approx(float(s.sum()) - flip, abs=1e-8)


def special_map(d: int, seed: int) -> maps.ResidualMap:
    q = haar(d, seed, special=True)
    return maps.ResidualMap(q.float(), rows(1, d, seed)[0].float(), rows(1, d, seed + 1)[0].float(), q.T.float())


@given(DIMENSIONS, SEEDS, st.floats(0, 1))
def test_dial_walks_from_identity_to_rotation(d: int, seed: int, t: float) -> None:
    fitted = special_map(d, seed)
    turned, r, eye = dial(fitted), fitted.matrix.double(), np.eye(d)
    np.testing.assert_allclose(turned.rotation(0), eye, atol=1e-5)
    np.testing.assert_allclose(turned.rotation(1), r, atol=1e-5)
    np.testing.assert_allclose(turned.rotation(t) @ turned.rotation(1 - t), r, atol=1e-5)
    np.testing.assert_allclose(turned.rotation(t) @ turned.rotation(t).T, eye, atol=1e-5)
    x = rows(6, d, seed + 2).float()
    np.testing.assert_allclose(turned(x, 0), x, atol=1e-3)
    np.testing.assert_allclose(turned(x, 1), fitted(x), atol=1e-3)
    assert all(0 <= angle <= math.pi + 1e-9 for angle in turned.angles.abs().tolist())


def test_dial_is_the_matrix_exponential() -> None:
    fitted = special_map(6, 3)
    log = logm(fitted.matrix.double().numpy())
    for t in (0.25, 0.5, 0.9):
        np.testing.assert_allclose(dial(fitted).rotation(t), expm(t * log.real), atol=1e-5)


@pytest.mark.parametrize("diagonal", [[-1, -1, 1, 1, 1], [-1, -1, -1, -1, 1], [1, 1, 1, 1, 1]])
def test_dial_turns_pairs_of_minus_ones_by_half_a_circle(diagonal: list[float]) -> None:
    basis = haar(5, 0)
    matrix = (basis @ torch.diag(torch.tensor(diagonal, dtype=torch.float64)) @ basis.T).float()
    turned = dial(maps.ResidualMap(matrix, torch.zeros(5), torch.zeros(5), matrix.T))
    np.testing.assert_allclose(turned.rotation(1), matrix, atol=1e-5)
    np.testing.assert_allclose(turned.rotation(0.5) @ turned.rotation(0.5), matrix, atol=1e-5)


def test_dial_refuses_what_is_no_rotation() -> None:
    zero = torch.zeros(3)
    for matrix in (torch.diag(torch.tensor([1.0, 1.0, -1.0])), 2 * torch.eye(3)):
        with pytest.raises(InputError, match="determinant"):
            dial(maps.ResidualMap(matrix, zero, zero, matrix.T))


def test_affine_recovers_a_planted_affine_map_in_both_directions() -> None:
    d = 6
    b = rows(900, d, 5)
    w, shift = torch.from_numpy(np.random.default_rng(6).standard_normal((d, d))), rows(1, d, 7)
    a = b @ w + shift
    found = maps.affine(moments(a[:600], b[:600]), moments(a[600:], b[600:]))
    np.testing.assert_allclose(found.matrix, w, atol=1e-4)
    np.testing.assert_allclose(found.forward, torch.linalg.inv(w), atol=1e-3)
    np.testing.assert_allclose(found(b.float()), a, atol=2e-3)


def plain_ridge(covariance: Tensor, cross: Tensor, strength: float) -> Tensor:
    penalty = strength * covariance.trace() / len(covariance)
    return torch.linalg.solve(covariance + penalty * torch.eye(len(covariance), dtype=covariance.dtype), cross)


def test_ridge_strength_is_chosen_on_validation_rows() -> None:
    d, n = 30, 40
    a, b = rows(n, d, 1), rows(n, d, 2)
    fresh_a, fresh_b = rows(500, d, 1)[40:], rows(500, d, 2)[40:]
    fit, check = moments(a, b), moments(fresh_a, fresh_b)
    chosen = maps.affine(fit, check)
    errors = {}
    for strength in STRENGTHS:
        w = plain_ridge(fit.covariance_target, fit.cross, strength)
        errors[strength] = float(((fresh_a - fit.mean_source - (fresh_b - fit.mean_target) @ w) ** 2).sum())
    best = min(errors, key=lambda s: errors[s])
    assert best > 1e-3, "unrelated rows need a strong penalty"
    np.testing.assert_allclose(chosen.matrix, plain_ridge(fit.covariance_target, fit.cross, best).float(), atol=1e-6)
    greedy = maps.affine(fit, fit)
    np.testing.assert_allclose(
        greedy.matrix, plain_ridge(fit.covariance_target, fit.cross, min(STRENGTHS)).float(), atol=1e-5
    )


def test_squared_error_from_moments_equals_the_direct_computation() -> None:
    a, b = noisy_pair(300, 5)
    fit, scored = moments(a[:200], b[:200]), moments(a[200:], b[200:])
    for matrix in (haar(5, 1), maps.affine(fit, scored).matrix.double(), torch.eye(5, dtype=torch.float64)):
        direct = ((a[200:] - ((b[200:] - fit.mean_target) @ matrix + fit.mean_source)) ** 2).sum()
        assert maps._squared_error(matrix, fit, scored) == pytest.approx(float(direct), rel=1e-9)
        rebuilt = (b[200:] - fit.mean_target) @ matrix + fit.mean_source
        expected = metrics.explained_variance(a[200:], rebuilt)
        assert maps.linear_ev(matrix, fit, scored) == pytest.approx(expected, abs=1e-9)


def test_signed_permutation_is_recovered() -> None:
    d = 9
    rng = np.random.default_rng(3)
    order, signs = rng.permutation(d), torch.from_numpy(rng.choice([-1.0, 1.0], d))
    a = torch.from_numpy(rng.standard_normal((500, d))) + 2
    b = (a * signs)[:, order]
    found = maps.signed_permutation(moments(a, b))
    np.testing.assert_allclose(found(b.float()), a, atol=1e-5)
    assert sorted(found.matrix.abs().sum(0).tolist()) == [1.0] * d


def test_each_rung_of_the_ladder_is_at_least_as_good_as_the_one_below() -> None:
    a, b = noisy_pair(3000, 6)
    fit = moments(a, b)
    ladder = [
        maps.identity(fit),
        maps.translation(fit),
        maps.signed_permutation(fit),
        maps.orthogonal(fit),
        maps.orthogonal_scale(fit),
        maps.affine(fit, fit),
    ]
    ev = [metrics.explained_variance(a.float(), m(b.float())) for m in ladder]
    assert ev[0] < ev[1] < ev[3] < ev[4] <= ev[5] + 1e-6
    assert ev[2] < ev[3]
    for i in range(20):
        assert metrics.explained_variance(a.float(), maps.random_rotation(fit, i)(b.float())) < ev[3]


def test_scale_is_the_least_squares_scale() -> None:
    a, b = noisy_pair(800, 5)
    fit = moments(a, b)
    r = orthogonal_factor(fit.cross)
    turned, centred = ((b - b.mean(0)) @ r).flatten(), (a - a.mean(0)).flatten()
    scale = float(turned @ centred / (turned @ turned))
    np.testing.assert_allclose(maps.orthogonal_scale(fit).matrix, scale * r, rtol=1e-5, atol=1e-6)


def test_haar_is_seeded_and_uniform_enough() -> None:
    assert torch.equal(haar(8, 1), haar(8, 1))
    assert not torch.allclose(haar(8, 1), haar(8, 2))
    entries = np.concatenate([haar(16, s).numpy().ravel() for s in range(200)])
    assert abs(entries.mean()) < 0.005
    assert entries.var() == pytest.approx(1 / 16, rel=0.02)
    # E[x⁴] = 3 / (d (d + 2)) for an entry of a Haar matrix.
    assert (entries**4).mean() == pytest.approx(3 / (16 * 18), rel=0.05)
    determinants = [float(torch.linalg.det(haar(5, s))) for s in range(200)]
    assert 70 < sum(x > 0 for x in determinants) < 130


def test_wrong_shapes_are_refused_while_tests_run() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        orthogonal_factor(torch.zeros(3, 4))
