"""One look at a site whose text is still growing: the numbers of its verdict, and what the rest of the text may add."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from explorer import estimates, metrics
from explorer.alignment import maps, nulls
from explorer.alignment.early_verdict import DOUBT, Outlook, Reach
from explorer.alignment.first_pass import SiteMoments
from explorer.alignment.grounds import ROTATION, UNTURNED, Grounds, Recovered
from explorer.alignment.growing_nulls import NullMoments
from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import orthogonal_factor
from explorer.alignment.pairing import PairedRows
from explorer.alignment.ridge import Ridge

WRONG = 4
"""Shuffled pairings of which a look takes the null; the verdict itself takes all of them."""
SPREADS = 3.0
"""How many times the spread of these the others may lie outside."""
SEEDS_APART = 0.05
"""How far the nulls of two fresh initialisations may lie apart. On the shipped models it is 0.004 at most."""


class Fit(NamedTuple):
    """The two maps that are fitted, and how much of the first is there without turning."""

    rotation: Float[Tensor, "d d"]
    affine: Float[Tensor, "d d"]
    identity_share: float


def fitted(fit: Moments, ridge: Ridge) -> Fit:
    """R with one scale, the affine map, tr(M)/ΣS."""
    r = orthogonal_factor(fit.cross)
    return Fit(maps.best_scale(r, fit.cross, fit) * r, ridge.best(), nulls.identity_share(fit, r))


class SiteLook:
    """A site after some portions."""

    def __init__(self, moments: SiteMoments, test: Moments, share: float, documents: int) -> None:
        """`share`: of the fit text that was read; `documents`: how many what the bootstrap draws are."""
        self.moments, self.test, self.share, self.fit, self.documents = moments, test, share, moments.fit, documents
        self.ridge = Ridge(self.fit, moments.validation)
        self.now = fitted(self.fit, self.ridge)
        tried = {
            "identity": maps.identity(self.fit),
            "translation": maps.translation(self.fit),
            "identity_scale": maps.identity_scale(self.fit),
            ROTATION: maps.with_means(self.fit, self.now.rotation, self.now.rotation.T),
            "affine": maps.with_means(self.fit, self.now.affine, self.now.affine.T),
        }
        d = len(self.fit.sum_source)
        own = metrics.ExplainedVariance(documents, d, device=self.fit.sum_source.device)
        # All maps score the same rows: one keeps their sums.
        self.scores = {
            name: (tried[name], own if name == "identity" else metrics.ExplainedVariance(documents, d, own))
            for name in tried
        }

    def add(self, pair: PairedRows) -> None:
        """Score a batch of test rows."""
        a, b, document = pair.source[pair.keep], pair.target[pair.keep], pair.document[pair.keep]
        for tried, score in self.scores.values():
            score.add(a, tried(b), document)

    @property
    def sums(self) -> list[Tensor]:
        """What is summed of the scores."""
        return [part for _, score in self.scores.values() for part in score.sums]

    def grounds(self, untrained: Sequence[NullMoments]) -> Grounds:
        """The numbers of the verdict; what stitching says is left open."""
        ladder = {name: score.estimate() for name, (_, score) in self.scores.items()}
        above, below = self.scores[ROTATION][1].draws(), self.scores["affine"][1].draws()
        rho = estimates.interval(above / below) if below.min() > 0 else None
        wrong = nulls.shuffled_evs(self.moments.shuffled[:WRONG], self.fit, self.ridge, self.test)
        fresh = nulls.untrained_evs([n.splits for n in untrained])
        self.wrong, self.fresh = wrong, fresh
        none = Recovered(estimates.Estimate(0.0, 0.0, 0.0), "")
        return Grounds(
            ladder,
            rho,
            max((*wrong.affine, *fresh.affine)),
            max((*wrong.scaled, *fresh.scaled)),
            dict.fromkeys((ROTATION, *UNTURNED), none),
            self.now.identity_share,
            None,
            "",
        )

    def outlook(
        self, grounds: Grounds, untrained: Sequence[NullMoments], tests: int, share: float, seeds: int
    ) -> Outlook:
        """What the rest may add; `seeds`: how many fresh initialisations the whole text would be compared with."""
        rest = 1 - self.share
        if rest <= 0 and share >= 1 and len(untrained) == seeds:
            return Outlook(1.0, self.documents, tests)
        halves = [fitted(h, Ridge(h, self.moments.validation)) for h in self.moments.halves]

        def gain(now: float, before: Sequence[float]) -> float:
            # The error of fitting falls as 1 / rows: what is left of it is what the last doubling took away.
            return (now - fmean(before)) * rest

        def ev(matrix: Tensor) -> float:
            return maps.linear_ev(matrix, self.fit, self.test)

        rotation = gain(ev(self.now.rotation), [ev(h.rotation) for h in halves])
        affine = gain(ev(self.now.affine), [ev(h.affine) for h in halves])
        trace = gain(self.now.identity_share, [h.identity_share for h in halves])
        gains = {ROTATION: _span(rotation), "affine": _span(affine), "identity_share": _span(trace)}
        above, below = grounds.ladder[ROTATION].value, grounds.ladder["affine"].value
        if below > 0 and below + affine > 0:
            corners = [(above + r) / (below + a) - above / below for r in (0, rotation) for a in (0, affine)]
            gains["rho"] = Reach(min(corners), max(corners))
        gate_affine, gate_rotation = self._gates(grounds, untrained, rest, len(untrained) < seeds)
        return Outlook(share, self.documents, tests, gains, gate_affine, gate_rotation)

    def _gates(
        self, grounds: Grounds, untrained: Sequence[NullMoments], rest: float, more: bool
    ) -> tuple[tuple[Reach, Reach], Reach]:
        """What may be added to both gates; the untrained target's gains from more rows as the true target does."""
        apart = SEEDS_APART if more else 0.0
        grown = [[], []]  # type: list[list[float]]
        for found, scaled, affine in zip(untrained, self.fresh.scaled, self.fresh.affine, strict=True):
            before = [fitted(h, Ridge(h, found.validation)) for h in found.halves]
            fit, test = found.splits[0], found.test
            for column, now, which in ((0, scaled, "rotation"), (1, affine, "affine")):
                halves = fmean(maps.linear_ev(getattr(b, which), fit, test) for b in before)
                grown[column].append(max(0.0, DOUBT * (now - halves) * rest))
        spans = []
        for column, name, gate in ((0, "scaled", grounds.gate_rotation), (1, "affine", grounds.gate_affine)):
            wrong, fresh = getattr(self.wrong, name), getattr(self.fresh, name)
            highest = max(wrong) + SPREADS * (max(wrong) - min(wrong)) * (rest > 0)
            # Wrong pairs explain nothing in the end: their null falls with more rows, to 0.
            lowest = min(0.0, *wrong) if rest > 0 else max(wrong)
            still = Reach(
                max(lowest, *(f - apart for f in fresh)) - gate, max(highest, *(f + apart for f in fresh)) - gate
            )
            grew = [f + g for f, g in zip(fresh, grown[column], strict=True)]
            after = Reach(
                max(lowest, *(f - apart for f in grew)) - gate, max(highest, *(f + apart for f in grew)) - gate
            )
            spans.append((still, after))
        rotation = Reach(min(spans[0][0].low, spans[0][1].low), max(spans[0][0].high, spans[0][1].high))
        return spans[1], rotation


def _span(gain: float) -> Reach:
    return Reach(min(0.0, gain), max(0.0, gain))
