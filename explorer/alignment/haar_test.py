"""Is R random? A test against Haar draws on O(d) that has power, and the paper's that has none.

Draws come in pairs' products: of m independent Haar matrices, every product Q_i Q_j (i < j) is Haar, and any two of
them are independent, so that quantiles are as sharp as those of independent draws at a fraction of the cost.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.orthogonal import haar
from explorer.alignment.rotation_results import HaarTest, Spectrum

HAAR_DRAWS, MORE_DRAWS = 999, 4950
"""Haar draws compared with; more where they are cheap, up to width `CHEAP`."""
CHEAP = 128
POWERS = 10
BINS = 24
SPECTRA = 60
"""Haar draws whose eigen-angles are kept."""
_SEED = 500_000


@dataclass(frozen=True)
class Shape:
    """What the test looks at."""

    statistic: float
    """T."""
    kurtosis: float
    """Of √d·R_ij; the mean square is 1 for every orthogonal matrix."""
    largest: float
    """max |R_ij|."""


@dataclass(frozen=True)
class HaarReference:
    """Haar draws of one size, reduced to what is compared."""

    shape: Float[Tensor, "3 n"]
    """T, kurtosis and largest entry of each draw, each row sorted."""
    smallest: Float[Tensor, " n"]
    """The smallest of the three p of each draw, sorted: it makes the joint p exact, however the three hang together."""
    angles: Float[Tensor, "m d"]
    """Eigen-angles |θ| of some draws."""


def shape(matrix: Float[Tensor, "d d"]) -> Shape:
    """T = Σ_{k=1..10} (tr R^k − 1[k even])² / k, kurtosis of √d·R_ij, max |R_ij|."""
    d = len(matrix)
    powers = [matrix]
    for _ in range(POWERS // 2 - 1):
        powers.append(powers[-1] @ matrix)
    total = 0.0
    for k in range(1, POWERS + 1):
        # tr(R^(i+j)) = Σ R^i ∘ (R^j)ᵀ: half of the powers are enough.
        i, j = (k + 1) // 2, k // 2
        trace = powers[i - 1].trace() if j == 0 else (powers[i - 1] * powers[j - 1].T).sum()
        total += (float(trace) - (k % 2 == 0)) ** 2 / k
    return Shape(total, d * d * float((matrix**4).mean()), float(matrix.abs().max()))


def angles(matrix: Float[Tensor, "d d"]) -> Float[Tensor, " d"]:
    """|θ| of every eigenvalue e^{iθ} of an orthogonal matrix, from its symmetric part, whose eigenvalues are cos θ."""
    return torch.linalg.eigvalsh((matrix + matrix.T) / 2).clamp(-1, 1).arccos()


@lru_cache(maxsize=8)
def reference(d: int) -> HaarReference:
    """Haar draws of size d; kept in the user's cache directory, for they depend on d only."""
    from explorer.cache import user_cache

    draws = MORE_DRAWS if d <= CHEAP else HAAR_DRAWS
    bases = next(m for m in range(2, draws) if m * (m - 1) // 2 >= draws)

    def make() -> dict[str, Tensor]:
        independent = [haar(d, _SEED + i).float() for i in range(bases)]
        found: list[tuple[float, ...]] = []
        spectra: list[Tensor] = []
        for i, j in list(combinations(range(bases), 2))[:draws]:
            drawn = independent[i] @ independent[j]
            found.append(astuple(shape(drawn)))
            if len(spectra) < SPECTRA:
                spectra.append(angles(drawn))
        return {"shape": torch.tensor(found, dtype=torch.float64).T, "angles": torch.stack(spectra)}

    tensors = user_cache().tensors("haar", {"d": d, "draws": draws, "seed": _SEED}, make)
    ordered = tensors["shape"].sort(dim=1).values.contiguous()
    smallest = _p_values(tensors["shape"], ordered).min(0).values
    return HaarReference(ordered, smallest.sort().values, tensors["angles"])


def _p_values(values: Float[Tensor, "3 m"], ordered: Float[Tensor, "3 n"]) -> Float[Tensor, "3 m"]:
    """p of T and of the kurtosis, two-sided, and of so large an entry, one-sided."""
    n, values = ordered.shape[1], values.contiguous()
    high = (1 + n - torch.searchsorted(ordered, values)) / (1 + n)
    low = (1 + torch.searchsorted(ordered, values, right=True)) / (1 + n)
    two_sided = (2 * torch.minimum(high, low)).clamp_max(1.0)
    return torch.stack([two_sided[0], two_sided[1], high[2]])


def haar_test(rotation: Float[Tensor, "d d"]) -> tuple[HaarTest, Spectrum]:
    """R against Haar draws of its size: the three p, their joint p, the paper's, and the spectrum."""
    from scipy.stats import ks_2samp

    known = reference(len(rotation))
    found = shape(rotation.float())
    p, joint = _tested(found, known)
    own = angles(rotation.double())
    ks = float(ks_2samp(own.numpy(), known.angles.flatten().numpy()).pvalue)
    test = HaarTest(
        statistic=found.statistic,
        statistic_p=float(p[0]),
        kurtosis=found.kurtosis,
        kurtosis_p=float(p[1]),
        largest=found.largest,
        largest_p=float(p[2]),
        p=joint,
        ks_p_paper=ks,
        draws=known.shape.shape[1],
    )
    return test, _spectrum(own, known.angles)


def joint_p(rotation: Float[Tensor, "d d"]) -> float:
    """The joint p of `haar_test` alone."""
    return _tested(shape(rotation.float()), reference(len(rotation)))[1]


def _tested(found: Shape, known: HaarReference) -> tuple[Float[Tensor, " 3"], float]:
    """The three p of a matrix, and their joint p."""
    p = _p_values(torch.tensor([[v] for v in astuple(found)], dtype=torch.float64), known.shape)[:, 0]
    below = int(torch.searchsorted(known.smallest, p.min(), right=True))
    return p, (1 + below) / (1 + known.shape.shape[1])


def _spectrum(own: Float[Tensor, " d"], drawn: Float[Tensor, "m d"]) -> Spectrum:
    edges = np.linspace(0, np.pi, BINS + 1)
    # The last edge is widened: arccos may round beyond π in float32.
    wide = [*edges[:-1], 4.0]
    counts = np.histogram(own.numpy(), wide)[0]
    others = np.stack([np.histogram(row.numpy(), wide)[0] for row in drawn])
    low, high = np.quantile(others, [0.025, 0.975], axis=0)
    as_floats = [tuple(float(v) for v in values) for values in (edges, others.mean(0), low, high)]
    return Spectrum(as_floats[0], tuple(int(c) for c in counts), as_floats[1], as_floats[2], as_floats[3])
