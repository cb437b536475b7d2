"""Maps from a target's residual stream to a source's: f(x) = (x − μ_B) W + μ_A, the ladder of them, and the dial.

Row vectors throughout. M = X̃_Bᵀ X̃_A = U S Vᵀ, and the orthogonal map is R = U Vᵀ (Schönemann 1966). A direction of the
source is carried to the target by v_B = v_A Rᵀ, without means.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.ridge import Ridge


@dataclass(frozen=True)
class ResidualMap:
    """f(x) = (x − mean_target) @ matrix + mean_source, and the matrix that carries directions from source to target."""

    matrix: Float[Tensor, "d d"]
    """W (R for orthogonal maps): target rows to source rows."""
    mean_source: Float[Tensor, " d"]
    """μ_A (zero for the raw map)."""
    mean_target: Float[Tensor, " d"]
    """μ_B (zero for the raw map)."""
    forward: Float[Tensor, "d d"]
    """Carries directions of the source to the target: Rᵀ for orthogonal maps, a refitted ridge for the affine one."""

    def __call__(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Rows of the target, read in the source's coordinates."""
        return (x - self.mean_target) @ self.matrix + self.mean_source

    def to(self, device: torch.device | str) -> ResidualMap:
        """The same map on a device."""
        parts = (t.to(device) for t in (self.matrix, self.mean_source, self.mean_target, self.forward))
        return ResidualMap(*parts)

    def direction(self, v: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Directions of the source, carried to the target and scaled back to their own norm."""
        carried = v @ self.forward
        return carried * (v.norm(dim=-1, keepdim=True) / carried.norm(dim=-1, keepdim=True).clamp_min(1e-12))


def with_means(moments: Moments, matrix: Float[Tensor, "d d"], forward: Float[Tensor, "d d"]) -> ResidualMap:
    """The map of a matrix with the means of some rows."""
    return ResidualMap(
        matrix.float(), moments.mean_source.float(), moments.mean_target.float(), forward.float().contiguous()
    )


def identity(moments: Moments) -> ResidualMap:
    """f(x) = x: the target's rows as they are."""
    zero = torch.zeros_like(moments.sum_source, dtype=torch.float32)
    eye = torch.eye(len(zero), device=zero.device)
    return ResidualMap(eye, zero, zero, eye)


def translation(moments: Moments) -> ResidualMap:
    """f(x) = x − μ_B + μ_A: moves the mean, turns nothing."""
    eye = torch.eye(len(moments.sum_source), dtype=torch.float64, device=moments.sum_source.device)
    return with_means(moments, eye, eye)


def signed_permutation(moments: Moments) -> ResidualMap:
    """The best map of dimensions onto dimensions with signs (Hungarian algorithm on |M|)."""
    from scipy.optimize import linear_sum_assignment

    m = moments.cross
    rows, columns = linear_sum_assignment(-m.abs().cpu().numpy())
    matrix = torch.zeros_like(m)
    matrix[rows, columns] = torch.sign(m[rows, columns])
    return with_means(moments, matrix, matrix.T)


def orthogonal(moments: Moments, special: bool = False) -> ResidualMap:
    """The orthogonal map with means: R = U Vᵀ (det +1 enforced if `special`)."""
    r = orthogonal_factor(moments.cross, special)
    return with_means(moments, r, r.T)


def best_scale(r: Float[Tensor, "d d"], cross: Float[Tensor, "d d"], moments: Moments) -> float:
    """The s that fits best in f(x) = s (x − μ_B) R + μ_A: tr(Rᵀ M) / ‖X̃_B‖²_F with M = `cross`; ΣS / ‖X̃_B‖²_F for the
    best R.
    """
    return float((r.double() * cross).sum() / moments.covariance_target.trace())


def with_scale(moments: Moments, r: Float[Tensor, "d d"]) -> ResidualMap:
    """f(x) = s (x − μ_B) R + μ_A with the best s. Back it goes by the inverse, Rᵀ / s; where no s above 0 fits, by the
    mean alone.
    """
    scale = best_scale(r, moments.cross, moments)
    return with_means(moments, scale * r, r.T / scale if scale > 0 else torch.zeros_like(r))


def orthogonal_scale(moments: Moments) -> ResidualMap:
    """The orthogonal map times one scale."""
    return with_scale(moments, orthogonal_factor(moments.cross))


def identity_scale(moments: Moments) -> ResidualMap:
    """f(x) = s (x − μ_B) + μ_A: moves the mean and stretches all directions alike, turns nothing."""
    return with_scale(moments, torch.eye(len(moments.sum_source)).to(moments.sum_source))


def _squared_error(matrix: Tensor, fitted: Moments, scored: Moments) -> float:
    """Σ‖x_A − f(x_B)‖² over the scored rows, from their moments alone."""
    n = scored.n
    da = scored.sum_source - n * fitted.mean_source
    db = scored.sum_target - n * fitted.mean_target
    a, b, m = scored.covariance_source, scored.covariance_target, scored.cross
    spread = a.trace() - 2 * (matrix * m).sum() + (matrix * (b @ matrix)).sum()
    return float(spread + ((da - db @ matrix) ** 2).sum() / n)


def linear_ev(matrix: Float[Tensor, "d d"], fitted: Moments, scored: Moments) -> float:
    """EV of (x_B − μ_B) W + μ_A on the scored rows, means from the fitted ones; exact, from moments alone."""
    return 1 - _squared_error(matrix.double(), fitted, scored) / float(scored.covariance_source.trace())


def affine(moments: Moments, validation: Moments) -> ResidualMap:
    """Ridge-regressed affine map; its strength is chosen on the validation rows, in both directions separately."""
    back = Ridge(moments.reverse(), validation.reverse()).best()
    return with_means(moments, Ridge(moments, validation).best(), back)


def random_rotation(moments: Moments, seed: int) -> ResidualMap:
    """A Haar-random R with the true means: what any rotation would do."""
    q = haar(len(moments.sum_source), seed).to(moments.sum_source.device)
    return with_means(moments, q, q.T)
