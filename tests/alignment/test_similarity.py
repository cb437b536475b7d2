"""The field's similarity indices: second formulas, planted truth (turned rows, unrelated rows), and their nulls."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes
from scipy.stats import pearsonr
from torch import Tensor

from explorer.alignment.moments import CrossMoments, Moments
from explorer.alignment.orthogonal import haar
from explorer.alignment.pairing import PairedRows
from explorer.alignment.similarity import (
    LEAST_DISTINCT,
    NEIGHBOURS,
    RowSample,
    SiteIndices,
    angular_procrustes,
    debiased_cka,
    distinct,
    mean_cca,
    neighbours,
    pair_similarity,
    shared_neighbours,
    site_indices,
    whitening,
)
from explorer.alignment.similarity_results import INDICES
from explorer.models import all_sites
from explorer.narrative.similarity_words import NO_NULL, similarity_told
from explorer.number_text import sentence_case
from explorer.presentation.rotation.similarity import facts


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng([seed, n, d]).standard_normal((n, d)))


def correlated(n: int = 300, d: int = 6, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    a = normal(n, d, 0) * torch.arange(1, d + 1) + 3
    return a, a @ haar(d, 1) + noise * normal(n, d, 2)


def test_cka_is_that_of_the_whole_gram_matrices() -> None:
    x, y = correlated()
    n = len(x)

    def hsic(k: Tensor, l: Tensor) -> Tensor:
        k, l, one = k.clone().fill_diagonal_(0), l.clone().fill_diagonal_(0), torch.ones(n).double()
        outside = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one)
        return ((k @ l).trace() + outside) / (n * (n - 3))

    k, l = x @ x.T, y @ y.T
    assert debiased_cka(x, y) == pytest.approx(float(hsic(k, l) / (hsic(k, k) * hsic(l, l)).sqrt()), abs=1e-9)


def test_cka_has_no_bias_where_the_plain_one_has() -> None:
    draws = [(normal(60, 40, 2 * i), normal(60, 40, 2 * i + 1)) for i in range(30)]
    assert abs(np.mean([debiased_cka(x, y) for x, y in draws])) < 0.03
    x, y = (t - t.mean(0) for t in draws[0])
    plain = (x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm())
    assert float(plain) > 0.3


def moments(a: Tensor, b: Tensor) -> Moments:
    found = Moments.zero(a.shape[1])
    found.add(a, b)
    return found


def test_angular_procrustes_is_scipys_disparity() -> None:
    a, b = correlated()
    m = moments(a, b)
    found = angular_procrustes(m.cross, m.covariance_source, m.covariance_target)
    # Scipy scales both to norm 1 and lets one be scaled: what is left is sin² of the angle.
    assert math.sin(found) ** 2 == pytest.approx(procrustes(a.numpy(), b.numpy())[2], abs=1e-9)


def test_mean_cca_is_the_cosine_of_the_angles_between_the_row_spaces() -> None:
    a, b = correlated()
    b[:, 0] = b[:, 1] + b[:, 2]
    m = moments(a, b)
    found = mean_cca(m.cross, whitening(m.covariance_source), whitening(m.covariance_target))
    x, y = (t - t.mean(0) for t in (a, b[:, 1:]))
    assert found == pytest.approx(np.cos(subspace_angles(x.numpy(), y.numpy())).mean(), abs=1e-7)
    one = moments(a[:, :1], b[:, 1:2])
    single = mean_cca(one.cross, whitening(one.covariance_source), whitening(one.covariance_target))
    assert single == pytest.approx(abs(pearsonr(a[:, 0], b[:, 1])[0]), abs=1e-9)


def test_neighbours_are_those_of_all_distances() -> None:
    from sklearn.neighbors import NearestNeighbors

    x, y = correlated(200)
    theirs = [NearestNeighbors(n_neighbors=NEIGHBOURS).fit(t).kneighbors(return_distance=False) for t in (x, y)]
    for found, expected in zip((neighbours(x), neighbours(y)), theirs, strict=True):
        assert [set(row) for row in found.tolist()] == [set(row) for row in expected.tolist()]
    shared = [len({*p} & {*q}) / NEIGHBOURS for p, q in zip(*(t.tolist() for t in theirs), strict=True)]
    np.testing.assert_allclose(shared_neighbours(neighbours(x), neighbours(y)), shared)


def test_rows_that_are_there_twice_count_once() -> None:
    x = normal(50, 4, 0)
    assert distinct(torch.cat([x, x[:7]])).tolist() == [True] * 50 + [False] * 7
    y = normal(57, 4, 1)
    y[56] = y[3]
    assert distinct(torch.cat([x, normal(7, 4, 9)]), y).tolist() == [True] * 56 + [False]


def batches(a: Tensor, b: Tensor, length: int = 16, together: int = 5) -> list[PairedRows]:
    """Rows as windows of a text, a document each."""
    windows = [t.float().reshape(-1, length, t.shape[1]) for t in (a, b)]
    document = torch.arange(len(windows[0]))[:, None].expand(-1, length)
    return [
        PairedRows(x, y, torch.ones(x.shape[:2], dtype=torch.bool), of, 0, torch.zeros(x.shape[:2], dtype=torch.long))
        for x, y, of in zip(*(t.split(together) for t in (*windows, document)), strict=True)
    ]


def indices(a: Tensor, b: Tensor, rows: int = 400) -> SiteIndices:
    sample = RowSample(rows)
    for batch in batches(a, b):
        sample.add(batch)
    m, wrong = moments(a, b), [CrossMoments.zero(a.shape[1]) for _ in range(19)]
    for shift, one in enumerate(wrong, 1):
        one.add((a - a.mean(0)).float(), (b - b.mean(0)).roll(37 * shift, 0).float(), len(a))
    return site_indices(sample, m, wrong)


def test_a_sample_holds_pairs_of_all_the_text() -> None:
    a = normal(16 * 60, 5, 0)
    b = a @ haar(5, 3)
    sample, again = RowSample(200), RowSample(200)
    for batch in batches(a, b):
        sample.add(batch), again.add(batch)
    drawn = sample.drawn()
    assert len(drawn) == 200
    np.testing.assert_allclose(drawn.target, drawn.source @ haar(5, 3), atol=1e-5)
    assert len(drawn.document.unique()) > 50
    assert torch.equal(drawn.source, again.drawn().source)


def test_a_turned_copy_is_perfect_and_unrelated_rows_are_like_shuffled_ones() -> None:
    a = normal(16 * 60, 5, 0) * torch.arange(1, 6)
    turned, apart = indices(a, a @ haar(5, 3) + 7), indices(a, normal(16 * 60, 5, 1))
    site, other = all_sites(1)[:2]
    same, random = (pair_similarity({site: found}).sites[0].indices for found in (turned, apart))
    assert tuple(same) == tuple(random) == INDICES
    for name, index in same.items():
        perfect = 0.0 if name == "procrustes" else 1.0
        assert index.value == pytest.approx(perfect, abs=2e-3), name
        assert index.twin == pytest.approx(perfect, abs=1e-5), name
        assert index.p == 0.05
        assert abs(index.shuffled - perfect) > 0.5, name
    for name, index in random.items():
        assert abs(index.value - index.shuffled) < 0.1, name
        assert index.p > 0.05, name
    both = pair_similarity({site: apart, other: turned})
    for name, index in both.best.items():
        assert index.value == same[name].value
        worst = min if name == "procrustes" else max
        assert index.shuffled_best == worst(random[name].shuffled_best, same[name].shuffled_best)
        assert worst(index.shuffled, random[name].shuffled) == index.shuffled, "every shuffle takes its best site"


def test_few_distinct_rows_have_no_neighbours() -> None:
    few = normal(12, 5, 0).repeat(80, 1)
    found = indices(few, few @ haar(5, 1))
    assert found.distinct == 12 < LEAST_DISTINCT
    assert "knn" not in found.true
    assert found.true["cka"] == pytest.approx(1)


def test_a_text_of_one_document_has_no_null_and_no_index() -> None:
    a = normal(16 * 60, 5, 0)
    sample = RowSample(400)
    for batch in batches(a, a @ haar(5, 1)):
        sample.add(replace(batch, document=torch.zeros_like(batch.document)))
    found = site_indices(sample, moments(a, a @ haar(5, 1)), [CrossMoments.zero(5)] * 19)
    assert found.true == {}
    told = pair_similarity({all_sites(1)[0]: found})
    assert told.best == {} and similarity_told(told.best) == NO_NULL
    assert facts(told, told.sites[0])[0] == f"{sentence_case(NO_NULL)}."
