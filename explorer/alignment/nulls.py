"""Controls that tell what a map would reach without the right pairing, and directions on which R can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import maps
from explorer.alignment.moments import CrossMoments, Moments
from explorer.alignment.orthogonal import NULL_SEED, STACK, haar, left_directions, orthogonal_factors
from explorer.alignment.ridge import Ridge

DRAWS = 19
SAME = 0.9
"""|uᵢᵀ R₁ R₂ᵀ uᵢ| from which a direction counts as identified."""


class NullEvs(NamedTuple):
    """EV on the true test pairs of three maps, one number a refit without a true pairing."""

    orthogonal: tuple[float, ...]
    """The orthogonal map."""
    scaled: tuple[float, ...]
    """The orthogonal map with one scale, both from the wrong pairs."""
    affine: tuple[float, ...]
    """The ridge-affine map."""


def shuffled_evs(shuffled: Sequence[CrossMoments], fit: Moments, ridge: Ridge, test: Moments) -> NullEvs:
    """Each map fitted to each wrong pairing (fit means kept)."""
    # The wrong pairing lacks the rows that met their own document: M is brought to the scale of all rows.
    wrongs = [wrong for wrong in shuffled if wrong.n]
    # Of a wide pair all cross moments in float64 would not fit: they are made as they are used.
    size = max(1, STACK // fit.cross.numel())
    found = []
    for i in range(0, len(wrongs), size):
        crosses = [wrong.cross * (fit.n / wrong.n) for wrong in wrongs[i : i + size]]
        factors = zip(crosses, orthogonal_factors(crosses), strict=True)
        found += [_evs(r, m, fit, ridge.best(m), test) for m, r in factors]
    return _null_evs(found)


def untrained_evs(found: Sequence[tuple[Moments, Moments, Moments]]) -> NullEvs:
    """Each map fitted to fresh initialisations: (fit, validation, test) moments of each."""
    crosses = [f.cross for f, _, _ in found]
    factors = zip(crosses, orthogonal_factors(crosses), found, strict=True)
    return _null_evs([_evs(r, m, f, Ridge(f, v).best(), t) for m, r, (f, v, t) in factors])


def _evs(
    r: Float[Tensor, "d d"], cross: Float[Tensor, "d d"], fit: Moments, affine: Float[Tensor, "d d"], test: Moments
) -> list[float]:
    """EV of the R of a cross moment, of that R with one scale, and of a given affine map."""
    scaled = maps.best_scale(r, cross, fit) * r
    return [maps.linear_ev(matrix, fit, test) for matrix in (r, scaled, affine)]


def _null_evs(refits: Sequence[Sequence[float]]) -> NullEvs:
    return NullEvs(*zip(*refits, strict=True)) if refits else NullEvs((), (), ())


def haar_evs(fit: Moments, test: Moments) -> tuple[float, ...]:
    """EV of Haar-random rotations with the true means."""
    return tuple(maps.linear_ev(q.to(fit.sum_source.device), fit, test) for q in _haar_draws(len(fit.sum_source)))


@lru_cache(maxsize=1)
def _haar_draws(d: int) -> tuple[Float[Tensor, "d d"], ...]:
    return tuple(haar(d, NULL_SEED + i).float() for i in range(DRAWS))


def pca_sign_evs(fit: Moments, test: Moments) -> tuple[float, ...]:
    """EV of turning B's principal axes onto A's in order of variance, with random signs."""
    axes_source = torch.linalg.eigh(fit.covariance_source).eigenvectors
    axes_target = torch.linalg.eigh(fit.covariance_target).eigenvectors
    generator = torch.Generator().manual_seed(0)
    out = []
    for _ in range(DRAWS):
        signs = torch.randint(0, 2, (len(axes_source),), generator=generator).double() * 2 - 1
        signs = signs.to(axes_source.device)
        out.append(maps.linear_ev(axes_target * signs @ axes_source.T, fit, test))
    return tuple(out)


def identified(fit: Moments, halves: tuple[Moments, Moments]) -> int:
    """k*: left singular directions uᵢ of M with |uᵢᵀ R₁ R₂ᵀ uᵢ| ≥ 0.9, R₁ and R₂ fitted on the halves."""
    u = left_directions(fit.cross)
    first, second = orthogonal_factors([h.cross for h in halves])
    return int((((u.T @ first) * (u.T @ second)).sum(1).abs() >= SAME).sum())


def identity_share(fit: Moments, rotation: Float[Tensor, "d d"]) -> float:
    """tr(M) / ΣS, with ΣS = tr(Rᵀ M)."""
    m = fit.cross
    return float(m.trace() / (rotation.double() * m).sum())


def cross_site(
    rotations: Sequence[Float[Tensor, "d d"]], fits: Sequence[Moments], tests: Sequence[Moments]
) -> tuple[tuple[float, ...], ...]:
    """EV at every site (column) of the R of every site (row), with the means of the site where it is used."""
    return tuple(tuple(maps.linear_ev(r, fit, test) for fit, test in zip(fits, tests, strict=True)) for r in rotations)
