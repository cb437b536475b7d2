"""Every metric of tensors, defined once; a number with its interval is an `explorer.estimates.Estimate`.

Convention of explained variance everywhere: EV(x, x̂) = 1 − Σ‖x − x̂‖² / Σ‖x − x̄‖², x̄ the per-dimension mean of the
SCORED rows, so that predicting that mean gives exactly 0.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.estimates import Estimate, interval


def explained_variance(x: Float[Tensor, "n d"], x_hat: Float[Tensor, "n d"]) -> float:
    """EV of a prediction of the rows x, in the convention of this module."""
    x, x_hat = x.double(), x_hat.double()
    return 1 - float(((x - x_hat) ** 2).sum() / ((x - x.mean(0)) ** 2).sum())


class ExplainedVariance:
    """Streaming EV: keeps, per document, n, Σx, Σ‖x‖² and the squared error, which is all that the bootstrap needs."""

    def __init__(
        self, n_documents: int, d: int, like: ExplainedVariance | None = None, device: torch.device | None = None
    ) -> None:
        """With `like`, the sums of the rows are that score's: it must be given the same rows, first. Else they are
        summed on `device`, where the rows are.
        """
        self.own = like is None
        zero = torch.zeros(n_documents, dtype=torch.float64, device=device if like is None else like.n.device)
        self.n: Tensor = zero.clone() if like is None else like.n
        self.total: Tensor = zero[:, None].repeat(1, d) if like is None else like.total
        self.square: Tensor = zero.clone() if like is None else like.square
        self.error = zero

    def add(self, x: Float[Tensor, "n d"], x_hat: Float[Tensor, "n d"], document: Int[Tensor, " n"]) -> None:
        """Score rows against their prediction; `document` says which document each row is from."""
        self.error.index_add_(0, document, ((x - x_hat) ** 2).sum(1).double())
        if not self.own:
            return
        # Sums within a batch are small: float32 there, float64 across batches.
        present, row = document.unique(return_inverse=True)
        square = (x * x).sum(1)
        per_row = torch.stack([torch.ones_like(square), square], dim=1)
        sums = torch.zeros(len(present), 2, device=x.device).index_add_(0, row, per_row.float()).double()
        self.n[present] += sums[:, 0]
        self.square[present] += sums[:, 1]
        total = torch.zeros(len(present), x.shape[1], device=x.device)
        self.total[present] += total.index_add_(0, row, x.float()).double()

    @property
    def sums(self) -> list[Tensor]:
        """What is summed here and not in the score that this one is `like`."""
        return [self.error, self.n, self.total, self.square] if self.own else [self.error]

    def draws(self, draws: int = 400, seed: int = 0) -> Float[np.ndarray, " {draws}+1"]:
        """EV on all documents, then on every bootstrap draw of them; the same seed draws the same documents."""
        present = self.n > 0
        n, total, square, error = (t[present].cpu() for t in (self.n, self.total, self.square, self.error))
        weights = bootstrap_weights(int(present.sum()), draws, seed)
        spread = weights @ square - ((weights @ total) ** 2).sum(1) / (weights @ n)
        return np.asarray((1 - (weights @ error) / spread).numpy())

    def estimate(self, draws: int = 400, seed: int = 0) -> Estimate:
        """EV with the interval of a bootstrap over documents."""
        return interval(self.draws(draws, seed))


def bootstrap_weights(count: int, draws: int = 400, seed: int = 0) -> Float[Tensor, "{draws}+1 {count}"]:
    """How often each document counts: once in the first row, as drawn with replacement in the others."""
    rng = np.random.default_rng(seed)
    drawn = torch.from_numpy(rng.multinomial(count, np.full(count, 1 / count), size=draws)).double()
    return torch.cat([torch.ones(1, count, dtype=torch.float64), drawn])


def mean_by_document(values: Float[Tensor, " n"], document: Int[Tensor, " n"]) -> Estimate:
    """The mean of a number of each row, with the interval of a bootstrap over the rows' documents."""
    present, row = document.cpu().unique(return_inverse=True)
    sums = torch.zeros(len(present), dtype=torch.float64).index_add_(0, row, values.double().cpu())
    counts = torch.bincount(row, minlength=len(present)).double()
    weights = bootstrap_weights(len(present))
    return interval(np.asarray((weights @ sums / (weights @ counts)).numpy()))


class FiringCorrelation:
    """Streaming Pearson r between two sets of activations on the same tokens, feature by feature or all against all."""

    def __init__(self, n_left: int, n_right: int, pairwise: bool = False, device: torch.device | None = None) -> None:
        """Everything is summed on `device`, where the activations are."""
        self.n = 0
        self.left = torch.zeros(2, n_left, dtype=torch.float64, device=device)
        self.right = torch.zeros(2, n_right, dtype=torch.float64, device=device)
        self.fired_left = torch.zeros(n_left, dtype=torch.long, device=device)
        self.fired_right = torch.zeros(n_right, dtype=torch.long, device=device)
        self.pairwise = pairwise
        shape = (n_left, n_right) if pairwise else (n_left,)
        self.cross = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(self, left: Float[Tensor, "n f"], right: Float[Tensor, "n g"]) -> None:
        """Add the activations of the same tokens under two readings."""
        # Activations are sparse: work on what is not zero.
        at = left.nonzero(as_tuple=True)
        values = left[at].double()
        self.n += len(left)
        self._tally(self.left, self.fired_left, at[1], values)
        if self.pairwise:
            self.cross += (left.T @ right).double()
        else:
            self.cross.index_add_(0, at[1], values * right[at])
        at = right.nonzero(as_tuple=True)
        self._tally(self.right, self.fired_right, at[1], right[at].double())

    @staticmethod
    def _tally(sums: Tensor, fired: Tensor, features: Int[Tensor, " m"], values: Float[Tensor, " m"]) -> None:
        sums[0].index_add_(0, features, values)
        sums[1].index_add_(0, features, values**2)
        fired += torch.bincount(features[values > 0], minlength=len(fired))

    def correlation(self, least: int = 20) -> Float[Tensor, "..."]:
        """Pearson r; NaN (not 0) where either side fired fewer than `least` times."""
        mean_l, mean_r = self.left[0] / self.n, self.right[0] / self.n
        dev_l = (self.left[1] / self.n - mean_l**2).clamp_min(0).sqrt()
        dev_r = (self.right[1] / self.n - mean_r**2).clamp_min(0).sqrt()
        ok_l, ok_r = self.fired_left >= least, self.fired_right >= least
        if self.pairwise:
            r = (self.cross / self.n - torch.outer(mean_l, mean_r)) / torch.outer(dev_l, dev_r)
            ok = torch.outer(ok_l, ok_r)
        else:
            r = (self.cross / self.n - mean_l * mean_r) / (dev_l * dev_r)
            ok = ok_l & ok_r
        return torch.where(ok, r, torch.full_like(r, math.nan)).float()


def f1(hits: Int[Tensor, "*#n"], fired: Int[Tensor, "*#n"], labelled: Int[Tensor, "*#n"]) -> Float[Tensor, "*n"]:
    """F1 of a detector from its counts: 2·hits / (firings + labelled tokens); 0 where there are neither."""
    return 2 * hits / (fired + labelled).clamp_min(1)


def frobenius_from_identity(rotation: Float[Tensor, "d d"]) -> float:
    """‖R − I‖_F. For any R with trace near 0 it is near √(2d): it measures the trace, not closeness to Haar."""
    return float(torch.linalg.matrix_norm(rotation.double() - torch.eye(len(rotation), dtype=torch.float64)))


def kl_divergence(logits_p: Float[Tensor, "... v"], logits_q: Float[Tensor, "... v"]) -> Float[Tensor, "..."]:
    """KL(P‖Q) per position, nats, from logits."""
    log_p, log_q = logits_p.log_softmax(-1), logits_q.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)
