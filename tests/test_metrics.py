"""Each metric against a second implementation, and the conventions that its docstring promises."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.stats import entropy
from sklearn.metrics import f1_score, r2_score

from explorer import estimates, metrics
from explorer.alignment.orthogonal import haar


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((n, d)) * rng.uniform(0.5, 2, d) + 5 * rng.standard_normal(d)).float()


def test_predicting_the_mean_of_the_scored_rows_is_zero() -> None:
    x = rows(500, 7)
    assert metrics.explained_variance(x, x.double().mean(0).expand_as(x)) == pytest.approx(0, abs=1e-12)
    assert metrics.explained_variance(x, x) == 1
    assert metrics.explained_variance(x, 2 * x.double().mean(0) - x) == pytest.approx(-3, abs=1e-6)


def test_explained_variance_equals_sklearn_pooled_over_dimensions() -> None:
    x = rows(300, 4)
    guess = x + rows(300, 4, 1)
    # Variance-weighted R² is Σ errors / Σ spreads, dimension means removed.
    theirs = r2_score(x.double().numpy(), guess.double().numpy(), multioutput="variance_weighted")
    assert metrics.explained_variance(x, guess) == pytest.approx(theirs, abs=1e-9)


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 1000))
def test_streaming_equals_plain(batch: int, documents: int, seed: int) -> None:
    x, noise = rows(60, 3, seed), rows(60, 3, seed + 1)
    document = torch.randint(0, documents, (60,), generator=torch.Generator().manual_seed(seed))
    score = metrics.ExplainedVariance(documents + 2, 3)
    for i in range(0, 60, batch):
        score.add(x[i : i + batch], (x + noise)[i : i + batch], document[i : i + batch])
    found = score.estimate(draws=50)
    assert found.value == pytest.approx(metrics.explained_variance(x, x + noise), rel=1e-5, abs=1e-5)
    assert found.low <= found.high


def test_restored_is_nothing_at_shuffled_pairs_and_all_at_home() -> None:
    assert estimates.restored(-0.4, -0.4, 0.9) == 0 and estimates.restored(0.9, -0.4, 0.9) == 1
    assert estimates.restored(0.25, -0.4, 0.9) == pytest.approx(0.5) and estimates.restored(-1.05, -0.4, 0.9) < -0.49
    assert np.isnan(estimates.restored(0.5, 0.9, 0.9)) and np.isnan(estimates.restored(0.5, 0.95, 0.9))
    several = estimates.restored(np.array([0.0, 0.5]), np.array([0.0, 0.5]), np.array([1.0, 0.5]))
    assert several[0] == 0 and np.isnan(several[1])


def test_bootstrap_equals_resampling_rows_of_documents() -> None:
    documents, per = 12, 20
    x, noise = rows(documents * per, 3), rows(documents * per, 3, 1)
    document = torch.arange(documents * per) // per
    score = metrics.ExplainedVariance(documents, 3)
    score.add(x, x + noise, document)
    found = score.estimate(draws=300, seed=5)
    rng = np.random.default_rng(5)
    values = []
    for weights in rng.multinomial(documents, np.full(documents, 1 / documents), size=300):
        chosen = torch.cat(
            [torch.nonzero(document == i).squeeze(1) for i in range(documents) for _ in range(weights[i])]
        )
        values.append(metrics.explained_variance(x[chosen], (x + noise)[chosen]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), rel=1e-5)


def test_bootstrap_intervals_cover_the_truth() -> None:
    """Documents differ in how noisy they are; of 200 samples, about 95 % of the intervals hold the population's EV."""
    rng = np.random.default_rng(0)
    documents, per, covered, narrow = 60, 15, 0, 0
    truth = 1 - 0.5 * (0.3**2 + 0.9**2)
    for sample in range(200):
        level = rng.choice([0.3, 0.9], documents).repeat(per)[:, None]
        x = rng.standard_normal((documents * per, 4))
        guess = x + level * rng.standard_normal(x.shape)
        score = metrics.ExplainedVariance(documents, 4)
        score.add(torch.from_numpy(x), torch.from_numpy(guess), torch.arange(documents * per) // per)
        found = score.estimate(draws=200, seed=sample)
        covered += found.low <= truth <= found.high
        narrow += found.high - found.low < 0.3
    assert 180 <= covered <= 199
    assert narrow == 200


def activations(n: int, f: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((n, f))).relu().float()


def test_firing_correlation_equals_numpy() -> None:
    left = activations(400, 5, 0)
    right = (left + activations(400, 5, 1)) * torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])
    tally, pairs = metrics.FiringCorrelation(5, 5), metrics.FiringCorrelation(5, 5, pairwise=True)
    for i in range(0, 400, 70):
        tally.add(left[i : i + 70], right[i : i + 70])
        pairs.add(left[i : i + 70], right[i : i + 70])
    theirs = np.corrcoef(left.T.numpy(), right.T.numpy())[:5, 5:]
    np.testing.assert_allclose(tally.correlation(), np.diag(theirs), atol=1e-5)
    np.testing.assert_allclose(pairs.correlation(), theirs, atol=1e-5)


def test_silent_features_are_not_zero_but_missing() -> None:
    left, right = activations(200, 4, 0), activations(200, 4, 1)
    left[:, 1] = 0
    left[19:, 2] = 0  # at most 19 firings
    right[:, 3] = 0
    tally, pairs = metrics.FiringCorrelation(4, 4), metrics.FiringCorrelation(4, 4, pairwise=True)
    tally.add(left, right)
    pairs.add(left, right)
    assert tally.correlation(20).isnan().tolist() == [False, True, True, True]
    assert pairs.correlation(20).isnan().tolist() == [[i in (1, 2) or j == 3 for j in range(4)] for i in range(4)]


def test_f1_equals_sklearn() -> None:
    rng = np.random.default_rng(0)
    fires, labels = rng.random((300, 6)) < 0.2, rng.random((300, 4)) < 0.3
    fires[:, 5] = labels[:, 0]
    fires[:, 4] = False
    a, b = torch.from_numpy(fires), torch.from_numpy(labels)
    found = metrics.f1((a.float().T @ b.float()).long(), a.sum(0)[:, None], b.sum(0))
    for f in range(6):
        for label in range(4):
            theirs = f1_score(labels[:, label], fires[:, f], zero_division=0)
            assert float(found[f, label]) == pytest.approx(theirs, abs=1e-6)
    assert float(found[5, 0]) == 1


def test_kl_equals_scipy() -> None:
    p, q = torch.randn(5, 3, 11) * 2, torch.randn(5, 3, 11) * 2
    theirs = entropy(p.softmax(-1).numpy(), q.softmax(-1).numpy(), axis=-1)
    np.testing.assert_allclose(metrics.kl_divergence(p, q), theirs, atol=1e-5)
    assert float(metrics.kl_divergence(p, p).abs().max()) < 1e-6


def test_frobenius_distance_depends_on_the_trace_alone() -> None:
    r = haar(40, 0)
    assert metrics.frobenius_from_identity(r) == pytest.approx(math.sqrt(80 - 2 * float(r.trace())), abs=1e-9)
    assert metrics.frobenius_from_identity(torch.eye(5)) == 0


def test_streaming_survives_a_massive_mean() -> None:
    """Residual streams have dimensions whose mean is far larger than everything else varies."""
    x = torch.randn(4000, 64)
    x[:, 3] += 800  # ‖mean‖² is 10,000 times the variance
    guess = x + 0.3 * torch.randn_like(x)
    score = metrics.ExplainedVariance(30, 64)
    score.add(x, guess, torch.arange(4000) // 134)
    assert score.estimate(draws=2).value == pytest.approx(metrics.explained_variance(x, guess), abs=1e-3)
