"""The second pass at one site: every map and the dictionary under every map, scored on the test rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import metrics
from explorer.alignment import maps, nulls
from explorer.alignment.control_runs import Controls
from explorer.alignment.dictionary_results import DialCurve, DictionaryScore
from explorer.alignment.first_pass import SiteMoments
from explorer.alignment.geodesic import dial
from explorer.alignment.haar_test import haar_test
from explorer.alignment.map_registry import arms, rungs
from explorer.alignment.map_results import AffineNulls, FitCurve, Ladder, Nulls, Stitch, TokenFacts
from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import orthogonal_factor
from explorer.alignment.pairing import PairedRows
from explorer.alignment.results import SiteResult
from explorer.alignment.ridge import Ridge
from explorer.alignment.rotation_results import RotationFacts
from explorer.alignment.site_maps import SiteMaps
from explorer.models import Site
from explorer.sae import SAE

DIAL_STEPS = 21
DIAL_ROWS = 4096
CLOUD_POINTS = 320
ROUNDING = 1e-6
"""Share of the variance below which a residual is rounding."""


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


class SiteScorer:
    """Pass 2 at one site: EV of every map, the dictionary under every map, and firing correlations."""

    def __init__(self, fitted: SiteMaps, moments: SiteMoments, sae: SAE | None, n_documents: int, d: int) -> None:
        self.fitted, self.moments, self.sae, self.rows, self.dropped = fitted, moments, sae, 0, moments.dropped
        self.fit = moments.fit
        # All rungs score the same rows: one keeps their sums, the others only their own errors.
        own = metrics.ExplainedVariance(n_documents, d)
        self.rungs = {
            rung: (fitted[m.name], own if rung == "identity" else metrics.ExplainedVariance(n_documents, d, own))
            for rung, m in rungs().items()
        }
        self.lookup = metrics.ExplainedVariance(n_documents, d, own)
        self.residual = metrics.ExplainedVariance(n_documents, d)
        self.means = moments.tokens.means()
        self.residual_matrix = orthogonal_factor(moments.tokens.residual_cross()).float()
        self.known = 0
        self.test = Moments.zero(d)
        self.turn, self.grey = dial(fitted["special"]), dial(fitted["shuffled_special"])
        self.sample: list[tuple[Tensor, Tensor]] = []
        if sae is not None:
            # The faithful reading scores the source's rows too, whatever the map.
            self.tallies = {
                arm: _DictionaryTally(
                    metrics.ExplainedVariance(n_documents, d), metrics.ExplainedVariance(n_documents, d, own)
                )
                for arm in ("ceiling", *arms())
            }
            self.firing = {arm: metrics.FiringCorrelation(sae.n_features, sae.n_features) for arm in arms()}

    def add(self, pair: PairedRows) -> None:
        """Score one batch."""
        a, b, document = pair.source[pair.keep], pair.target[pair.keep], pair.document[pair.keep]
        if sum(len(x) for x, _ in self.sample) < DIAL_ROWS:
            self.sample.append((a, b))
        self.rows += len(a)
        self.dropped += pair.dropped
        for fitted, score in self.rungs.values():
            score.add(a, fitted(b), document)
        self.test.add(a, b)
        self._add_tokens(a, b, pair.ids[pair.keep], document)
        if self.sae is None:
            return
        own = self.tallies["ceiling"].add(self.sae, a, a, document)
        for arm in arms():
            read = self.tallies[arm].add(self.sae, self.fitted[arm](b), a, document)
            self.firing[arm].add(own, read)

    def _add_tokens(self, a: Tensor, b: Tensor, tokens: Tensor, document: Tensor) -> None:
        slot = self.moments.tokens.slots(tokens)
        known = slot >= 0
        self.known += int(known.sum())
        guess = self.fit.mean_source.float().expand_as(a).clone()
        guess[known] = self.means[0][slot[known]]
        self.lookup.add(a, guess, document)
        rest_a, rest_b = (x[known] - mean[slot[known]] for x, mean in zip((a, b), self.means, strict=True))
        self.residual.add(rest_a, rest_b @ self.residual_matrix, document[known])

    def ladder(self, shuffled: tuple[float, ...]) -> tuple[Ladder, float]:
        """The ladder of maps, and the direct EV that determinant +1 costs."""
        found = {name: score.estimate() for name, (_, score) in self.rungs.items()}
        random = maps.linear_ev(self.fitted["random"].matrix, self.fit, self.test)
        mean = maps.linear_ev(torch.zeros_like(self.fit.cross), self.fit, self.test)
        ladder = Ladder(found, shuffled=shuffled, random=random, mean=mean)
        special, rotated = (
            maps.linear_ev(m.matrix, self.fit, self.test) for m in (self.fitted["special"], self.fitted["rotated"])
        )
        return ladder, max(0.0, rotated - special)

    def ratio(self, upper: str) -> metrics.Estimate | None:
        """EV of one rung over the affine's, on the same bootstrap draws; None where the affine map explains nothing."""
        above, below = self.rungs[upper][1].draws(), self.rungs["affine"][1].draws()
        return metrics.interval(above / below) if below.min() > 0 else None

    def result(self, site: Site, controls: Controls | None = None, stitch: Stitch | None = None) -> SiteResult:
        """Everything measured here; without `controls` the nulls of untrained targets are missing."""
        fit, test = self.fit, self.test
        ridge = Ridge(fit, self.moments.validation)
        turned, stretched = nulls.shuffled_evs(self.moments.shuffled, fit, ridge, test)
        fresh = nulls.untrained_evs(controls.untrained[site.name] if controls else ())
        ladder, cost = self.ladder(turned)
        r = self.fitted["rotated"].matrix
        haar, spectrum = haar_test(r)
        facts = RotationFacts(
            determinant=float(torch.linalg.det(r.double())),
            frobenius_from_identity=metrics.frobenius_from_identity(r),
            special_cost=cost,
            identified_rank=nulls.identified(fit, self.moments.halves),
            identity_share=nulls.identity_share(fit, r),
            haar=haar,
            spectrum=spectrum,
        )
        dictionary = firing = curve = None
        if self.sae is not None:
            dictionary = {arm: tally.score() for arm, tally in self.tallies.items()}
            firing = {arm: _median(found.r) for arm, found in self.features().items() if arm != "random"}
            curve = self._dial(self.sae)
        return SiteResult(
            site=site.name,
            label=site.label,
            rows_fit=fit.n,
            rows_test=self.rows,
            dropped=self.dropped,
            ladder=ladder,
            dictionary=dictionary,
            dial=curve,
            rotation=facts,
            firing=firing,
            rho=self.ratio("orthogonal"),
            rho_scale=self.ratio("orthogonal_scale"),
            token=TokenFacts(
                lookup=self.lookup.estimate(),
                residual=self.residual.estimate() if self._beyond_token() else None,
                share=self.known / max(1, self.rows),
            ),
            nulls=Nulls(turned, fresh[0], nulls.haar_evs(fit, test), nulls.pca_sign_evs(fit, test)),
            nulls_affine=AffineNulls(stretched, fresh[1]),
            fit_curve=self._fit_curve(ladder),
            stitch=stitch,
            verdict=None,
        )

    def _beyond_token(self) -> bool:
        """Whether anything but rounding is left once the token is known: not at the embedding, which is the token."""
        if self.moments.tokens.n <= len(self.fit.sum_source) or not self.known:
            return False
        left = float(self.residual.square.sum()) / self.known
        return left > ROUNDING * float(self.test.covariance_source.trace()) / self.rows

    def _fit_curve(self, ladder: Ladder) -> FitCurve:
        points = [
            (n, *(maps.linear_ev(m, self.fit, self.test) for m in matrices)) for n, *matrices in self.moments.curve
        ]
        points.append((self.fit.n, ladder["orthogonal"].value, ladder["affine"].value))
        rows, orthogonal, affine = zip(*sorted({p[0]: p for p in points}.values()), strict=True)
        return FitCurve(rows, orthogonal, affine)

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

    def cloud(self) -> Cloud:
        """A sample of both models' rows along the dial, in the plane of the source's first two principal directions."""
        a, b = self._rows_sample()
        chosen = torch.randperm(len(a), generator=torch.Generator().manual_seed(0))[:CLOUD_POINTS]
        centre = a.mean(0)
        _, _, directions = torch.linalg.svd(a - centre, full_matrices=False)
        frame = directions[:2].T
        steps = [(self.turn(b[chosen], i / (DIAL_STEPS - 1)) - centre) @ frame for i in range(DIAL_STEPS)]
        return Cloud((a[chosen] - centre) @ frame, torch.stack(steps))


def _median(r: Tensor) -> float | None:
    alive = r[~r.isnan()]
    return float(alive.median()) if len(alive) else None
