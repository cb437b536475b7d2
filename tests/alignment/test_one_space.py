"""Many models in one space: planted rotations close every circle, unrelated rows none; scipy's pairs are the same."""

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from explorer.alignment.one_space import JointMoments, common_space, cycle_errors, measure_one_space, pair_rotations
from explorer.alignment.orthogonal import haar
from explorer.alignment.twin import make_twin

D = 6


def normal(n: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng([seed, n]).standard_normal((n, D)))


def joint(rows: list[Tensor]) -> JointMoments:
    found = JointMoments.zero(len(rows), D)
    for part in range(0, len(rows[0]), 70):
        found.add([x[part : part + 70] for x in rows])
    return found


def crosses(found: JointMoments) -> dict[tuple[int, int], Tensor]:
    count = len(found.total)
    return {(a, b): found.pair(a, b).cross for a in range(count) for b in range(a + 1, count)}


def seeds(noise: float, count: int = 4, n: int = 500) -> list[Tensor]:
    """Rows of one space, each model's turned and disturbed."""
    common = normal(n, 0) * torch.arange(1, D + 1)
    return [common @ haar(D, 10 + i) + noise * normal(n, 20 + i) + i for i in range(count)]


def test_pairs_are_scipys() -> None:
    rows = seeds(1.0)
    rotations = pair_rotations(crosses(joint(rows)))
    for (a, b), r in rotations.items():
        theirs, _ = orthogonal_procrustes((rows[b] - rows[b].mean(0)).numpy(), (rows[a] - rows[a].mean(0)).numpy())
        np.testing.assert_allclose(r, theirs, atol=1e-4)


def test_turned_copies_meet_in_one_space_and_every_circle_closes() -> None:
    rows = seeds(0.0)
    moments = joint(rows)
    q = common_space(crosses(moments), 4)
    for i, x in enumerate(rows):
        np.testing.assert_allclose(q[i], haar(D, 10 + i).T @ haar(D, 10), atol=1e-4)
        np.testing.assert_allclose((x - x.mean(0)) @ q[i], rows[0] - rows[0].mean(0), atol=1e-2)
    covariances = [moments.pair(i, i).covariance_source for i in range(4)]
    closed = cycle_errors(pair_rotations(crosses(moments)), covariances)
    assert closed.largest < 1e-4
    assert closed.returned == pytest.approx(1, abs=1e-6)


def test_unrelated_models_close_no_circle() -> None:
    moments = joint([normal(500, 40 + i) for i in range(4)])
    covariances = [moments.pair(i, i).covariance_source for i in range(4)]
    found = cycle_errors(pair_rotations(crosses(moments)), covariances)
    assert 0.7 < found.mean < 1.3
    assert found.returned < 0.1


def test_the_space_is_the_best_of_its_kind() -> None:
    cross = crosses(joint(seeds(3.0)))

    def reached(q: list[Tensor]) -> float:
        return sum(float((q[b].T @ m @ q[a]).trace()) for (a, b), m in cross.items())

    q = common_space(cross, 4)
    one_by_one = [torch.eye(D).double(), *(pair_rotations(cross)[0, i] for i in range(1, 4))]
    assert reached(q) >= reached(one_by_one)
    for i in range(4):
        for seed in range(5):
            small = torch.matrix_exp(0.05 * (haar(D, seed) - haar(D, seed).T))
            moved = [x @ small if j == i else x for j, x in enumerate(q)]
            assert reached(moved) < reached(q)
    turn = haar(D, 99)
    assert reached([x @ turn for x in q]) == pytest.approx(reached(q)), "one more rotation of all changes nothing"


def test_twins_of_a_model_are_one_space_and_other_models_none(tokenizer: Any) -> None:
    first, other = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=5)
    chunks, sites = tiny.chunks(60), [first.sites[1], first.sites[3]]
    twins = {"a": first, "b": make_twin(first, 1), "c": make_twin(first, 2)}
    found = measure_one_space(twins, chunks, sites)
    assert found.models == ("a", "b", "c")
    assert [s.site for s in found.sites] == [s.name for s in sites]
    for site in found.sites:
        for table in (site.pairwise, site.through_space):
            np.testing.assert_allclose(table, np.ones((3, 3)), atol=1e-4)
        assert site.cycles.largest < 1e-3
        assert site.cycles.returned == pytest.approx(1, abs=1e-4)
        assert site.shuffled_cycles.mean > 0.5
        assert site.shuffled < 0.5
        assert site.twin_cycles.largest < 1e-6
    apart = measure_one_space({**twins, "d": other}, chunks, sites[:1]).sites[0]
    assert apart.pairwise[0][3] < 0.9 and apart.pairwise[0][1] > 0.99
    assert apart.cycles.largest < 0.02, "a circle of twins and one stranger closes: the stranger turns once"
    strangers = {"a": first, "d": other, "e": tiny.model("llama", tokenizer, seed=6)}
    assert measure_one_space(strangers, chunks, sites[:1]).sites[0].cycles.mean > 0.2
