"""R without pairs: a planted rotation of other rows of the same law comes back; of another law it does not."""

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.alignment.orthogonal import haar
from explorer.alignment.unpaired import unpaired_rotation


def clusters(n: int, draw: int, law: int = 0, d: int = 16, kinds: int = 60) -> Tensor:
    """Rows of a language: words of unequal frequency, each somewhere in space, spread a little by their contexts."""
    random = np.random.default_rng([law, d])
    centres = 2 * random.standard_normal((kinds, d)) * np.linspace(1, 0.3, d) + random.standard_normal(d)
    share = 1 / np.arange(1, kinds + 1)
    random = np.random.default_rng([law, draw, n])
    words = random.choice(kinds, n, p=share / share.sum())
    return torch.from_numpy(centres[words] + 0.2 * random.standard_normal((n, d)))


def off(r: Tensor, truth: Tensor) -> float:
    """‖R − truth‖_F / √(2d): 0 where equal, about 1 for unrelated rotations."""
    return float(torch.linalg.matrix_norm(r - truth)) / (2 * len(r)) ** 0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_rotation_of_other_rows_comes_back(seed: int) -> None:
    q = haar(16, 10 + seed)
    found = unpaired_rotation(clusters(1500, 1), clusters(1400, 2 + seed) @ q + 5)
    torch.testing.assert_close(found.rotation @ found.rotation.T, torch.eye(16, dtype=torch.float64), atol=1e-5, rtol=0)
    assert off(found.rotation, q.T) < 0.08
    assert found.mutual > 0.2


def test_rows_of_another_law_do_not() -> None:
    q = haar(16, 10)
    found = unpaired_rotation(clusters(1500, 1), clusters(1400, 2, law=1) @ q)
    assert off(found.rotation, q.T) > 0.7
