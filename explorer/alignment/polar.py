"""The orthogonal factor of square matrices by inverses and products, which suit a GPU; on a CPU the SVD is faster.

Newton's iteration X ← (ζ X + X⁻ᵀ / ζ) / 2 with Higham's scaling (Higham 1986, SIAM J. Sci. Stat. Comput. 7) until X is
near orthogonal, then Newton and Schulz's X ← X (3 I − XᵀX) / 2, which needs products only.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

WORST = 1e8
"""Condition number (Frobenius) from which a matrix is left to the SVD: its factor has an error of about 1e-16 times it,
and R is promised to 1e-6."""
NEWTON_STEPS, SCHULZ_STEPS = 12, 8
NEAR = 0.5
"""‖XᵀX − I‖_F from which products converge quickly."""
ORTHOGONAL = 1e-13
"""‖RᵀR − I‖_F / d that is allowed."""
SYMMETRIC = 1e-12
"""‖RᵀM − MᵀR‖_F / ‖M‖_F that is allowed."""


def polar_factors(stack: Float[Tensor, "n d d"]) -> Float[Tensor, "n d d"]:
    """R = U Vᵀ of each M = U S Vᵀ in a stack of float64 matrices, on their device.

    Each R is checked: orthogonal, and RᵀM symmetric and positive definite. A matrix that fails (rank-deficient, of a
    condition number above `WORST`, not converged) gets its R from the SVD. Raises torch.linalg.LinAlgError for
    non-finite entries.
    """
    if not torch.isfinite(stack).all():
        raise torch.linalg.LinAlgError("a matrix with non-finite entries has no orthogonal factor")
    r, done = _newton(stack)
    r = _schulz(r)
    done &= is_polar_factor(r, stack)
    for i in torch.nonzero(~done).flatten().tolist():
        u, _, vh = torch.linalg.svd(stack[i])
        r[i] = u @ vh
    return r


def is_polar_factor(r: Float[Tensor, "n d d"], stack: Float[Tensor, "n d d"]) -> Bool[Tensor, " n"]:
    """Whether each R is orthogonal and each RᵀM symmetric and positive definite: that R is the polar factor of M."""
    h = r.mT @ stack
    upright = _off_orthogonal(r) <= ORTHOGONAL * stack.shape[-1]
    even = _size(h - h.mT) <= SYMMETRIC * _size(stack)
    return upright & even & (torch.linalg.cholesky_ex((h + h.mT) / 2).info == 0)


def _newton(stack: Tensor) -> tuple[Tensor, Bool[Tensor, " n"]]:
    """Matrices near the polar factors, and which have come there; the identity in place of what cannot be inverted."""
    x = stack / _size(stack).clamp_min(torch.finfo(stack.dtype).tiny)[:, None, None]
    eye = torch.eye(stack.shape[-1], dtype=stack.dtype, device=stack.device)
    well = torch.ones(len(stack), dtype=torch.bool, device=stack.device)
    for step in range(NEWTON_STEPS):
        inverse, info = torch.linalg.inv_ex(x)
        if step == 0:
            well = (info == 0) & (_size(inverse) <= WORST)
            x, inverse = (torch.where(well[:, None, None], t, eye) for t in (x, inverse))
        scale = (_spread(inverse) / _spread(x)).pow(0.25)[:, None, None]
        x = (scale * x + inverse.mT / scale) / 2
        if bool((_off_orthogonal(x) < NEAR).all()):
            break
    return x, well


def _schulz(x: Tensor) -> Tensor:
    """Nearly orthogonal matrices, made orthogonal to rounding."""
    eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    for _ in range(SCHULZ_STEPS):
        left = eye - x.mT @ x
        x = x + x @ left / 2
        # The error is squared: what is left after this step is below rounding.
        if bool((_size(left) < 1e-8).all()):
            break
    return x


def _off_orthogonal(x: Tensor) -> Float[Tensor, " n"]:
    return _size(x.mT @ x - torch.eye(x.shape[-1], dtype=x.dtype, device=x.device))


def _size(x: Tensor) -> Float[Tensor, " n"]:
    return torch.linalg.matrix_norm(x)


def _spread(x: Tensor) -> Float[Tensor, " n"]:
    """‖X‖₁ ‖X‖_∞, which stands for the square of the largest singular value."""
    size = x.abs()
    return size.sum(-1).amax(-1) * size.sum(-2).amax(-1)
