"""Ridge regression from moments: every strength from one eigendecomposition, the best by the validation rows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.moments import Moments

STRENGTHS = tuple(10.0**e for e in range(-8, 2))
"""λ in units of the mean variance of the target's dimensions."""


class Ridge:
    """W = (C + λ·mean(diag C)·I)⁻¹ M with C = X̃_Bᵀ X̃_B of the fit rows; λ minimises the error on validation rows."""

    def __init__(self, fit: Moments, validation: Moments) -> None:
        self.fit, self.validation = fit, validation
        values, self.basis = torch.linalg.eigh(fit.covariance_target)
        values = values.clamp_min(0)
        self.shrink = [1 / (values + s * values.mean()) for s in STRENGTHS]
        self.target = self.basis.T @ validation.covariance_target @ self.basis
        self.cross = self.basis.T @ validation.cross
        self.shift_source = validation.sum_source - validation.n * fit.mean_source
        self.shift_target = (validation.sum_target - validation.n * fit.mean_target) @ self.basis

    def best(self, cross: Float[Tensor, "d d"] | None = None) -> Float[Tensor, "d d"]:
        """W for M = `cross` (the fit's own if None), at the strength that does best on the validation rows."""
        m = self.basis.T @ (self.fit.cross if cross is None else cross)
        weight = (m * self.cross).sum(1)
        gram = self.target * (m @ m.T)

        def error(shrink: Tensor) -> float:
            # Σ‖x_A − f(x_B)‖² of the validation rows, less what does not depend on W.
            moved = self.shift_source - (self.shift_target * shrink) @ m
            spread = shrink @ gram @ shrink - 2 * (shrink * weight).sum()
            return float(spread + (moved**2).sum() / self.validation.n)

        shrink = min(self.shrink, key=error)
        return self.basis @ (shrink[:, None] * m)
