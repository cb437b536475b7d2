"""Generalized Procrustes: one orthogonal Q for each of many models, so that all their rows meet in one space.

x̃_i Q_i ≈ x̃_j Q_j for all i, j: Q_i maximises Σ_j tr(Q_iᵀ X̃_iᵀ X̃_j Q_j) in turn (Gower 1975). Then R from B to A is
Q_B Q_Aᵀ, and a circle of three models closes exactly; how far the pairs' own R close says whether one space is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.maps import best_scale, linear_ev
from explorer.alignment.moments import Moments
from explorer.alignment.one_space_results import CycleErrors, OneSpace, SpaceSite
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.pairing import read_rows
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted, silent
from explorer.text import Chunks, sample

FIT_ROWS, TEST_ROWS = 40, 10
"""Rows for each dimension on which rotations are fitted, and scored."""
ROUNDS, SETTLED = 100, 1e-6
"""Rounds of generalized Procrustes, and the gain, as a share of what is reached, at which it ends."""
_SEED = 800_000


@dataclass
class JointMoments:
    """Sums over rows of many models at the same tokens: the blocks of one matrix are all pairs' cross moments."""

    n: int
    """Rows."""
    total: Float[Tensor, "m d"]
    """Σ x_i of each model."""
    products: Float[Tensor, "m m d d"]
    """Σ x_iᵀ x_j of each two models."""

    @classmethod
    def zero(cls, models: int, d: int, device: torch.device | None = None) -> JointMoments:
        """No rows yet."""
        zero = torch.zeros(models, models, d, d, dtype=torch.float64, device=device)
        return cls(0, torch.zeros(models, d, dtype=torch.float64, device=device), zero)

    def add(self, rows: Sequence[Float[Tensor, "n d"]]) -> None:
        """Add rows of every model at the same tokens."""
        n, d = rows[0].shape
        together = torch.cat([x.float() for x in rows], 1)
        self.n += n
        self.total += together.double().sum(0).reshape(len(rows), d)
        self.products += (together.T @ together).double().reshape(len(rows), d, len(rows), d).transpose(1, 2)

    def pair(self, source: int, target: int) -> Moments:
        """The moments of two of the models."""
        p, s = self.products, self.total
        return Moments(self.n, s[source], s[target], p[source, source], p[target, target], p[target, source])


def pair_rotations(cross: Mapping[tuple[int, int], Tensor]) -> dict[tuple[int, int], Tensor]:
    """R of every ordered pair (source, target) from M of each unordered one."""
    found = {pair: orthogonal_factor(m) for pair, m in cross.items()}
    return found | {(b, a): r.T for (a, b), r in found.items()}


def common_space(cross: Mapping[tuple[int, int], Float[Tensor, "d d"]], models: int) -> list[Float[Tensor, "d d"]]:
    """Q of each model from M = X̃_Bᵀ X̃_A of every pair (A, B): the first's is the identity."""
    d = len(next(iter(cross.values())))
    m = {**cross} | {(b, a): x.T for (a, b), x in cross.items()}
    q = [torch.eye(d, dtype=torch.float64, device=next(iter(cross.values())).device)]
    q += [orthogonal_factor(m[0, i]) for i in range(1, models)]
    reached = -torch.inf
    for _ in range(ROUNDS):
        for i in range(models):
            # X̃_iᵀ X̃_j Q_j, summed over the others.
            q[i] = orthogonal_factor(torch.stack([m[j, i] @ q[j] for j in range(models) if j != i]).sum(0))
        now = sum(float((q[b].T @ x @ q[a]).trace()) for (a, b), x in cross.items())
        if now - reached <= SETTLED * abs(now):
            break
        reached = now
    first = q[0].T
    return [x @ first for x in q]


def cycle_errors(
    rotations: Mapping[tuple[int, int], Float[Tensor, "d d"]], covariances: Sequence[Float[Tensor, "d d"]]
) -> CycleErrors:
    """How far circles of three close: rows of A go to C, from there to B, and home."""
    d = len(covariances[0])
    eye = torch.eye(d, dtype=torch.float64, device=covariances[0].device)
    errors, returned = [], []
    for a, b, c in combinations(range(len(covariances)), 3):
        # R of (source, target) takes the target's rows to the source: a → c → b → a.
        off = rotations[c, a] @ rotations[b, c] @ rotations[a, b] - eye
        errors.append(float(torch.linalg.matrix_norm(off)) / (2 * d) ** 0.5)
        lost = float((off * (covariances[a] @ off)).sum() / covariances[a].trace())
        returned.append(1 - lost)
    return CycleErrors(sum(errors) / len(errors), max(errors), sum(returned) / len(returned))


@torch.inference_mode()
def measure_one_space(
    models: Mapping[str, LanguageModel], chunks: Chunks, sites: Sequence[Site], report: Report = silent
) -> OneSpace:
    """At least three models at every site, on at most 40·d fit and 10·d test rows; each model reads the text once."""
    first = next(iter(models.values()))
    d, limits = first.d_model, NormLimits()
    parts = [sample(chunks.split("fit"), FIT_ROWS * d), sample(chunks.split("test"), TEST_ROWS * d)]
    read = counted(report, "reading text with every model", sum(map(len, parts)))
    zero = {site: [JointMoments.zero(len(models), d, first.device) for _ in range(3)] for site in sites}
    for number, part in enumerate(parts):
        for batch in part.batches(BATCH):
            rows = {name: read_rows(model, batch, sites) for name, model in models.items()}
            for site in sites:
                keep = batch.scored
                for name in models:
                    keep = keep & limits.within(name, site, rows[name][site], batch.scored)
                here = [r[site] for r in rows.values()]
                zero[site][number].add([x[keep] for x in here])
                if number == 0:
                    zero[site][2].add(_deranged(here, keep, batch.document))
            read(len(batch))
    return OneSpace(tuple(models), tuple(_site(site, *zero[site]) for site in sites))


def _deranged(rows: Sequence[Tensor], keep: Tensor, document: Tensor) -> list[Tensor]:
    """Every model at another document's window, at equal position; rows count where all of them do."""
    held = keep.clone()
    for i in range(1, len(rows)):
        held &= keep.roll(i, 0) & (document.roll(i) != document)[:, None]
    return [x.roll(i, 0)[held] for i, x in enumerate(rows)]


def _site(site: Site, fit: JointMoments, test: JointMoments, wrong: JointMoments) -> SpaceSite:
    count = len(fit.total)
    pairs = list(combinations(range(count), 2))
    covariances = [fit.pair(i, i).covariance_source for i in range(count)]
    cross = {pair: fit.pair(*pair).cross for pair in pairs}
    # No model counts for more because its rows are longer.
    length = [float(c.trace()) ** 0.5 for c in covariances]
    even = {(a, b): m / (length[a] * length[b]) for (a, b), m in cross.items()}
    rotations, q = pair_rotations(cross), common_space(even, count)
    lost = pair_rotations({pair: wrong.pair(*pair).cross for pair in pairs})

    def table(r: Mapping[tuple[int, int], Tensor]) -> tuple[tuple[float, ...], ...]:
        ev = {p: _scaled_ev(r[p], fit.pair(*p), test.pair(*p)) for p in permutations(range(count), 2)}
        return tuple(tuple(1.0 if a == b else ev[a, b] for b in range(count)) for a in range(count))

    space = {(a, b): q[b] @ q[a].T for a, b in permutations(range(count), 2)}
    nulls = [_scaled_ev(lost[p], fit.pair(*p), test.pair(*p), wrong.pair(*p)) for p in lost]
    return SpaceSite(
        site.name,
        site.label,
        fit.n,
        table(rotations),
        table(space),
        max(nulls),
        cycle_errors(rotations, covariances),
        cycle_errors(lost, covariances),
        _twin_cycles(covariances[0]),
    )


def _scaled_ev(r: Float[Tensor, "d d"], fit: Moments, test: Moments, paired: Moments | None = None) -> float:
    """EV of R with the one scale that fits best on the pairs it was fitted to."""
    own = fit if paired is None else paired
    return linear_ev(best_scale(r, own.cross, own) * r, fit, test)


def _twin_cycles(covariance: Float[Tensor, "d d"]) -> CycleErrors:
    """Circles of a model and two copies turned by known rotations, fitted as any other."""
    d = len(covariance)
    turn = [torch.eye(d, dtype=torch.float64), haar(d, _SEED), haar(d, _SEED + 1)]
    turn = [q.to(covariance) for q in turn]
    cross = {(a, b): turn[b].T @ covariance @ turn[a] for a, b in combinations(range(3), 2)}
    return cycle_errors(pair_rotations(cross), [q.T @ covariance @ q for q in turn])
