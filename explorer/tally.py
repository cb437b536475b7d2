"""The second pass at one site: every map and the dictionary under every map, scored on the test rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import maps, metrics
from explorer.moments import Moments
from explorer.paired_rows import PairedRows
from explorer.results import (
    ARMS,
    DialCurve,
    DictionaryScore,
    DictionaryScores,
    Firing,
    Ladder,
    RotationFacts,
    SiteResult,
)
from explorer.sae import SAE
from explorer.site_maps import SiteMaps, SiteMoments
from explorer.sites import Site

DIAL_STEPS = 21
DIAL_ROWS = 4096
CLOUD_POINTS = 320


@dataclass(frozen=True)
class Cloud:
    """Points of both models in one 2-D frame: the first two principal directions of the source's test rows."""

    source: Float[Tensor, "n 2"]
    """x_A, projected."""
    target: Float[Tensor, "t n 2"]
    """f_t(x_B), projected, for every position of the dial."""


@dataclass(frozen=True)
class FeatureFiring:
    """How the source's features fire on the target's rows under one map, on the test split."""

    r: Float[Tensor, " f"]
    """Pearson r with the firing on the source's own rows; NaN below 20 firings on either side."""
    density: Float[Tensor, " f"]
    """Share of rows on which each feature fires."""


@dataclass
class _DictionaryTally:
    """What pass 2 accumulates for the source's dictionary under one map."""

    paper: metrics.ExplainedVariance
    faithful: metrics.ExplainedVariance
    active: float = 0.0
    rows: int = 0

    def add(self, sae: SAE, read: Tensor, truth: Tensor, document: Tensor) -> Tensor:
        activations = sae.encode(read)
        rebuilt = sae.decode(activations)
        self.paper.add(read, rebuilt, document)
        self.faithful.add(truth, rebuilt, document)
        self.active += float((activations > 0).sum())
        self.rows += len(read)
        return activations

    def score(self) -> DictionaryScore:
        return DictionaryScore(self.paper.estimate(), self.faithful.estimate(), self.active / max(1, self.rows))


class SiteTally:
    """Pass 2 at one site: EV of every map, the dictionary under every map, and firing correlations."""

    def __init__(self, fitted: SiteMaps, moments: SiteMoments, sae: SAE | None, n_documents: int, d: int) -> None:
        self.fitted, self.moments, self.sae, self.rows, self.dropped = fitted, moments, sae, 0, moments.dropped
        fit = moments.fit
        ladder = {
            "identity": fitted.raw,
            "translation": fitted.translated,
            "permutation": maps.signed_permutation(fit),
            "orthogonal": fitted.rotated,
            "orthogonal_scale": maps.orthogonal_scale(fit),
            "affine": fitted.affine,
        }
        self.rungs = [(name, m, metrics.ExplainedVariance(n_documents, d)) for name, m in ladder.items()]
        self.test = Moments.zero(d)
        self.turn, self.grey = maps.dial(fitted.special), maps.dial(fitted.shuffled_special)
        self.sample: list[tuple[Tensor, Tensor]] = []
        if sae is not None:
            self.tallies = {
                arm: _DictionaryTally(
                    metrics.ExplainedVariance(n_documents, d), metrics.ExplainedVariance(n_documents, d)
                )
                for arm in ("ceiling", *ARMS)
            }
            self.firing = {arm: metrics.FiringCorrelation(sae.n_features, sae.n_features) for arm in ARMS}

    def add(self, pair: PairedRows) -> None:
        """Score one batch."""
        a, b, document = pair.source[pair.keep], pair.target[pair.keep], pair.document[pair.keep]
        if sum(len(x) for x, _ in self.sample) < DIAL_ROWS:
            self.sample.append((a, b))
        self.rows += len(a)
        self.dropped += pair.dropped
        for _, fitted, score in self.rungs:
            score.add(a, fitted(b), document)
        self.test.add(a, b)
        if self.sae is None:
            return
        own = self.tallies["ceiling"].add(self.sae, a, a, document)
        for arm in ARMS:
            read = self.tallies[arm].add(self.sae, self.fitted.arm(arm)(b), a, document)
            self.firing[arm].add(own, read)

    def ladder(self) -> tuple[Ladder, float]:
        """The ladder of maps, and the direct EV that determinant +1 costs."""
        found = {name: score.estimate() for name, _, score in self.rungs}
        fit, test = self.moments.fit, self.test
        nulls = [maps.orthogonal_factor(m.cross) for m in self.moments.shuffled]
        ladder = Ladder(
            identity=found["identity"],
            translation=found["translation"],
            permutation=found["permutation"],
            orthogonal=found["orthogonal"],
            orthogonal_scale=found["orthogonal_scale"],
            affine=found["affine"],
            shuffled=tuple(maps.linear_ev(r, fit, test) for r in nulls),
            random=maps.linear_ev(self.fitted.random.matrix, fit, test),
        )
        special, rotated = (maps.linear_ev(m.matrix, fit, test) for m in (self.fitted.special, self.fitted.rotated))
        return ladder, max(0.0, rotated - special)

    def result(self, site: Site) -> SiteResult:
        """Everything measured here."""
        ladder, cost = self.ladder()
        r = self.fitted.rotated.matrix
        facts = RotationFacts(float(torch.linalg.det(r.double())), metrics.frobenius_from_identity(r), cost)
        dictionary = firing = curve = None
        if self.sae is not None:
            dictionary = DictionaryScores(**{arm: tally.score() for arm, tally in self.tallies.items()})
            medians = {arm: _median(found.r) for arm, found in self.features().items() if arm != "random"}
            firing = Firing(**medians)
            curve = self._dial(self.sae)
        return SiteResult(
            site.name,
            site.label,
            self.moments.fit.n,
            self.rows,
            self.dropped,
            ladder,
            dictionary,
            curve,
            facts,
            firing,
        )

    def features(self) -> dict[str, FeatureFiring]:
        """Firing of every feature under every map."""
        if self.sae is None:
            return {}
        return {
            arm: FeatureFiring(tally.correlation(), (tally.fired_right / tally.n).float())
            for arm, tally in self.firing.items()
        }

    def _rows_sample(self) -> tuple[Tensor, Tensor]:
        a, b = (torch.cat(parts)[:DIAL_ROWS] for parts in zip(*self.sample, strict=True))
        return a, b

    def _dial(self, sae: SAE) -> DialCurve:
        a, b = self._rows_sample()
        ts = [i / (DIAL_STEPS - 1) for i in range(DIAL_STEPS)]
        reads = [self.turn(b, t) for t in ts]
        greys = [self.grey(b, t) for t in ts]
        return DialCurve(
            tuple(ts),
            tuple(metrics.explained_variance(x, sae(x)) for x in reads),
            tuple(metrics.explained_variance(a, x) for x in reads),
            tuple(metrics.explained_variance(x, sae(x)) for x in greys),
            metrics.explained_variance(a, sae(a)),
        )

    def cloud(self, seed: int = 0) -> Cloud:
        """A sample of both models' rows along the dial, in the plane of the source's first two principal directions."""
        a, b = self._rows_sample()
        chosen = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))[:CLOUD_POINTS]
        centre = a.mean(0)
        _, _, directions = torch.linalg.svd(a - centre, full_matrices=False)
        frame = directions[:2].T
        steps = [(self.turn(b[chosen], i / (DIAL_STEPS - 1)) - centre) @ frame for i in range(DIAL_STEPS)]
        return Cloud((a[chosen] - centre) @ frame, torch.stack(steps))


def _median(r: Tensor) -> float | None:
    alive = r[~r.isnan()]
    return float(alive.median()) if len(alive) else None
