"""The field's similarity indices of paired rows, each with its null: CKA, angular Procrustes, mean CCA, mutual k-NN.

All four leave a rotation and a shift of the target's rows unnoticed, so that the twin gets a perfect score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explorer import ranks
from explorer.alignment.moments import CrossMoments, Moments
from explorer.alignment.orthogonal import haar
from explorer.alignment.pairing import PairedRows
from explorer.alignment.similarity_results import (
    DISTANCES,
    INDICES,
    CalibratedIndex,
    IndexName,
    PairSimilarity,
    SiteSimilarity,
)
from explorer.models import Site

ROWS = 2048
"""Test rows that are kept for what moments do not tell."""
SHIFTS = 19
NEIGHBOURS = 10
LEAST_DISTINCT = 100
"""Distinct rows without which no neighbours are looked for."""
SAME_ROW = 1e-6
"""Squared distance, as a share of the mean of all, up to which two rows are the same token after the same words."""
RANK = 1e-6
"""Share of the largest variance below which a direction is left out of the canonical correlations."""
_SEED = 700_000


@dataclass(frozen=True)
class Drawn:
    """Rows of both models at the same tokens, in order of their position in the window."""

    source: Float[Tensor, "n d"]
    """Of A."""
    target: Float[Tensor, "n d"]
    """Of B."""
    document: Int[Tensor, " n"]
    """The document of each."""

    def __len__(self) -> int:
        return len(self.document)


class RowSample:
    """A random sample of the rows that stream by, whatever their number; the same text gives the same sample, whatever
    the batches and however many processes read it.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self._parts: tuple[Tensor, ...] | None = None

    def add(self, pair: PairedRows) -> None:
        """See a batch."""
        keep = pair.keep
        position = torch.arange(keep.shape[1], device=keep.device).expand_as(keep)[keep]
        document = pair.document[keep]
        window = _draws(*pair.ids.T)[:, None].expand_as(keep)[keep]
        draw = _draws(document, window, position)
        new = (draw, position, document, pair.source[keep], pair.target[keep])
        if self._parts is not None:
            new = tuple(torch.cat(both) for both in zip(self._parts, new, strict=True))  # type: ignore[assignment]
        first = new[0].argsort()[: self.rows]
        self._parts = tuple(part[first] for part in new)

    def add_up(self) -> None:
        """Draw from the rows of all ranks."""
        if ranks.count() == 1:
            return
        own = None if self._parts is None else tuple(part.cpu() for part in self._parts)
        every = [parts for parts in ranks.gathered(own) if parts is not None]
        device = None if self._parts is None else self._parts[0].device
        whole = [torch.cat(same).to(device) for same in zip(*every, strict=True)]
        first = whole[0].argsort()[: self.rows]
        self._parts = tuple(part[first] for part in whole)

    def drawn(self) -> Drawn:
        """The sample, in order of position; rows of one position in random order."""
        if self._parts is None:
            raise ValueError("no rows have been seen")
        _, position, document, a, b = self._parts
        order = position.argsort(stable=True)
        return Drawn(a[order].double(), b[order].double(), document[order])


def _draws(*names: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """A number for each row that is as good as drawn, and is made of what the row is called (SplitMix64's mixing)."""
    x = torch.full_like(names[0], _SEED)
    for name in names:
        x = (x ^ name) * -7046029254386353131
        x = (x ^ (x >> 30)) * -4658895280553007687
        x = (x ^ (x >> 27)) * -7723592293110705685
        x = x ^ (x >> 31)
    return x


def debiased_cka(x: Float[Tensor, "n d"], y: Float[Tensor, "n e"]) -> float:
    """Linear CKA by the unbiased estimator of HSIC (Song et al. 2012): 0 for independent rows, 1 for turned ones."""
    x, y = x - x.mean(0), y - y.mean(0)
    joint = _unbiased_hsic(x, y)
    own = _unbiased_hsic(x, x) * _unbiased_hsic(y, y)
    return joint / math.sqrt(own) if own > 0 else 0.0


def _unbiased_hsic(x: Tensor, y: Tensor) -> float:
    """n (n − 3) HSIC₁ of centred rows. Of their Gram matrices only the diagonals are needed: K̃1 = −diag K."""
    n, k, l = len(x), (x * x).sum(1), (y * y).sum(1)
    off = (x.T @ y).square().sum() - k @ l
    return float(off + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ l))


def angular_procrustes(cross: Float[Tensor, "d d"], of_source: Tensor, of_target: Tensor) -> float:
    """arccos(ΣS / ‖X̃_A‖‖X̃_B‖) from M and both covariances: 0 for turned rows, up to π/2 (Williams et al. 2021)."""
    share = float(torch.linalg.svdvals(cross).sum() / (of_source.trace() * of_target.trace()).sqrt())
    return math.acos(min(1.0, max(-1.0, share)))


def whitening(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d r"]:
    """Directions of variance 1; those with next to no variance are left out."""
    values, vectors = torch.linalg.eigh(covariance)
    held = values > RANK * values[-1]
    return vectors[:, held] / values[held].sqrt()


def mean_cca(cross: Float[Tensor, "d d"], white_source: Tensor, white_target: Tensor) -> float:
    """Mean canonical correlation over the smaller of both ranks."""
    correlations = torch.linalg.svdvals(white_target.T @ cross @ white_source).clamp(max=1.0)
    return float(correlations.mean())


def distinct(*sides: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
    """Rows with no like before them on any side: ties would be broken by rounding."""
    fresh = torch.ones(len(sides[0]), dtype=torch.bool, device=sides[0].device)
    for x in sides:
        apart = _square_distances(x)
        fresh &= ~(apart.tril(-1).le(SAME_ROW * apart.mean()) & torch.ones_like(apart).tril(-1).bool()).any(1)
    return fresh


def _square_distances(x: Tensor) -> Tensor:
    x = x - x.mean(0)
    k = (x * x).sum(1)
    return (k[:, None] + k[None] - 2 * x @ x.T).clamp_min(0)


def neighbours(x: Float[Tensor, "n d"], k: int = NEIGHBOURS) -> Int[Tensor, "n k"]:
    """The k nearest other rows of each, by Euclidean distance."""
    apart = _square_distances(x)
    apart.fill_diagonal_(torch.inf)
    return apart.topk(k, largest=False).indices


def shared_neighbours(of_source: Int[Tensor, "n k"], of_target: Int[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """For each row the share of its nearest neighbours that it has on both sides."""
    return (of_source[:, :, None] == of_target[:, None, :]).any(2).double().mean(1)


def _calibrated(name: IndexName, true: float, wrong: Sequence[float], twin: float) -> CalibratedIndex:
    sign = -1 if name in DISTANCES else 1
    best = max(wrong, key=lambda value: sign * value)
    alike = sum(sign * value >= sign * true for value in wrong)
    return CalibratedIndex(true, sum(wrong) / len(wrong), best, (1 + alike) / (1 + len(wrong)), twin)


@dataclass(frozen=True)
class SiteIndices:
    """One site's indices before they are summed up: every shuffled pairing by itself."""

    rows_fit: int
    """Fit rows of the moments."""
    rows: int
    """Test rows drawn."""
    distinct: int
    """Of them distinct ones."""
    true: Mapping[IndexName, float]
    """Of the true pairs."""
    wrong: Mapping[IndexName, Sequence[float]]
    """Of each shuffled pairing."""
    twin: Mapping[IndexName, float]
    """Of A's rows and the same rows turned."""


def site_indices(sample: RowSample, fit: Moments, shuffled: Sequence[CrossMoments]) -> SiteIndices:
    """Every index at a site: of drawn test rows, and of the moments of the fit rows and of their shuffled pairings."""
    drawn = sample.drawn()
    rows = _of_rows(drawn)
    kept = distinct(drawn.source, drawn.target)
    by_name: dict[IndexName, tuple[float, Sequence[float], float]] = {"cka": rows, **_of_moments(fit, shuffled)}
    if int(kept.sum()) >= LEAST_DISTINCT:
        by_name["knn"] = _of_neighbours(Drawn(drawn.source[kept], drawn.target[kept], drawn.document[kept]))
    # An index without a null is left out: a text of one document has no wrong pairing.
    found = {name: by_name[name] for name in INDICES if name in by_name and by_name[name][1]}
    parts = [{name: values[i] for name, values in found.items()} for i in range(3)]
    return SiteIndices(fit.n, len(drawn), int(kept.sum()), *parts)  # type: ignore[arg-type]


def _turn(d: int, like: Tensor) -> Tensor:
    return haar(d, _SEED, special=True).to(like)


def _shifts(drawn: Drawn) -> list[tuple[Tensor, Tensor]]:
    """Wrong pairings: each row with one of another document at the same or a near position, by cyclic shifts."""
    own = torch.arange(len(drawn), device=drawn.document.device)
    shifted = [own.roll(shift) for shift in range(1, SHIFTS + 1)]
    return [(partner, drawn.document[partner] != drawn.document) for partner in shifted]


def _of_rows(drawn: Drawn) -> tuple[float, Sequence[float], float]:
    a, b = drawn.source, drawn.target
    wrong = [debiased_cka(a[keep], b[partner[keep]]) for partner, keep in _shifts(drawn) if int(keep.sum()) > 3]
    return debiased_cka(a, b), wrong, debiased_cka(a, a @ _turn(a.shape[1], a))


def _of_neighbours(drawn: Drawn) -> tuple[float, Sequence[float], float]:
    a, b = neighbours(drawn.source), neighbours(drawn.target)
    wrong = []
    for partner, keep in _shifts(drawn):
        if not keep.any():
            continue
        # The partner's neighbours, called by the rows of A that they are paired with.
        back = partner.argsort()
        wrong.append(float(shared_neighbours(a, back[b[partner]])[keep].mean()))
    turned = neighbours(drawn.source @ _turn(drawn.source.shape[1], drawn.source))
    return float(shared_neighbours(a, b).mean()), wrong, float(shared_neighbours(a, turned).mean())


def _of_moments(
    fit: Moments, shuffled: Sequence[CrossMoments]
) -> dict[IndexName, tuple[float, Sequence[float], float]]:
    a, b, q = fit.covariance_source, fit.covariance_target, _turn(len(fit.sum_source), fit.sum_source)
    white_a, white_b = whitening(a), whitening(b)
    # The wrong pairing lacks the rows that met their own document: M is brought to the scale of all rows.
    crosses = [wrong.cross * (fit.n / wrong.n) for wrong in shuffled if wrong.n]
    return {
        "procrustes": (
            angular_procrustes(fit.cross, a, b),
            [angular_procrustes(m, a, b) for m in crosses],
            angular_procrustes(q.T @ a, a, q.T @ a @ q),
        ),
        "cca": (
            mean_cca(fit.cross, white_a, white_b),
            [mean_cca(m, white_a, white_b) for m in crosses],
            mean_cca(q.T @ a, white_a, whitening(q.T @ a @ q)),
        ),
    }


def pair_similarity(found: Mapping[Site, SiteIndices]) -> PairSimilarity:
    """A pair's indices, site by site and at the best site."""
    sites = tuple(
        SiteSimilarity(
            site.name,
            site.label,
            s.rows_fit,
            s.rows,
            s.distinct,
            {name: _calibrated(name, s.true[name], s.wrong[name], s.twin[name]) for name in s.true},
        )
        for site, s in found.items()
    )
    best: dict[IndexName, CalibratedIndex] = {}
    for name in INDICES:
        here = [s for s in found.values() if name in s.true]
        if not here:
            continue
        most = min if name in DISTANCES else max
        # Of every shift the best site: what looking for the best site gains by itself.
        wrong = [most(values) for values in zip(*(s.wrong[name] for s in here), strict=False)]
        best[name] = _calibrated(name, most(s.true[name] for s in here), wrong, most(s.twin[name] for s in here))
    return PairSimilarity(sites, best, NEIGHBOURS)
