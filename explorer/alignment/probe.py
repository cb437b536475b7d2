"""Linear probes of a residual stream, and how one is carried through a map.

Row vectors: a probe of the source says x Wᵀ + b. The target reads through f(y) = (y − μ_B) R + μ_A, so that its probe
is f(y) Wᵀ + b = y W'ᵀ + b' with W' = W Rᵀ and b' = b + W μ_A − W' μ_B.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.alignment.maps import ResidualMap

STRENGTHS = (3e-2, 3e-1)
"""Inverse strengths of the ridge, of which the validation rows choose one."""
STEPS = 200


@dataclass(frozen=True)
class Probe:
    """One row of weights for each class, or a single one where there are two: it speaks for the second."""

    weight: Float[Tensor, "c d"]
    """W."""
    bias: Float[Tensor, " c"]
    """b."""

    def scores(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """A score for each class, at least two."""
        found = rows @ self.weight.T + self.bias
        return torch.cat([torch.zeros_like(found), found], 1) if len(self.bias) == 1 else found

    def carried(self, through: ResidualMap) -> Probe:
        """The probe of the target that says of a row what this one says of the row's image."""
        weight = self.weight @ through.matrix.T
        return Probe(weight, self.bias + self.weight @ through.mean_source - weight @ through.mean_target)


def fit_probe(
    rows: Float[Tensor, "n d"],
    classes: Int[Tensor, " n"],
    validation: Float[Tensor, "m d"],
    validation_classes: Int[Tensor, " m"],
) -> Probe:
    """Logistic regression with the ridge that names most validation rows; every class must be among the rows.

    Rows are centred and scaled by one number, so that a turned model gets the turned probe.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean = rows.double().mean(0)
    size = (rows.double() - mean).pow(2).mean().sqrt().clamp_min(1e-12)
    x, y = ((rows.double() - mean) / size).cpu().numpy(), classes.cpu().numpy()
    found: list[tuple[float, Probe]] = []
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            # The last digits of a probe that is chosen by its validation rows do not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(C=strength, max_iter=STEPS).fit(x, y)
        weight = torch.from_numpy(fitted.coef_).to(mean) / size
        probe = Probe(weight.float(), (torch.from_numpy(fitted.intercept_).to(mean) - weight @ mean).float())
        named = probe.scores(validation).argmax(1) == validation_classes
        found.append((float(named.float().mean()), probe))
    return max(found, key=lambda pair: pair[0])[1]
