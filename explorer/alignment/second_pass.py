"""The second pass at one site: every map and the dictionary under every map, scored on the test rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import estimates, metrics, ranks
from explorer.alignment import maps, nulls
from explorer.alignment.control_runs import Controls
from explorer.alignment.dictionary_scorer import DIAL_ROWS, DIAL_STEPS, DictionaryScorer, FeatureFiring
from explorer.alignment.first_pass import SiteMoments
from explorer.alignment.geodesic import dial
from explorer.alignment.haar_test import haar_test
from explorer.alignment.map_registry import rungs
from explorer.alignment.map_results import FitCurve, GateNulls, Ladder, Nulls, Stitch, TokenFacts
from explorer.alignment.moments import SUMS, Moments
from explorer.alignment.orthogonal import orthogonal_factor
from explorer.alignment.pairing import PairedRows
from explorer.alignment.results import SiteResult
from explorer.alignment.ridge import Ridge
from explorer.alignment.rotation_results import RotationFacts
from explorer.alignment.similarity import RowSample, SiteIndices, site_indices
from explorer.alignment.site_maps import SiteMaps
from explorer.models import Site
from explorer.sae import SAE

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


class SiteScorer:
    """Pass 2 at one site: EV of every map, the dictionary under every map, and firing correlations."""

    def __init__(self, fitted: SiteMaps, moments: SiteMoments, sae: SAE | None, n_documents: int, d: int) -> None:
        self.fitted, self.moments, self.rows, self.dropped = fitted, moments, 0, moments.dropped
        self.fit = moments.fit
        # All rungs score the same rows: one keeps their sums, the others only their own errors.
        device = self.fit.sum_source.device
        own = metrics.ExplainedVariance(n_documents, d, device=device)
        self.rungs = {
            rung: (fitted[m.name], own if rung == "identity" else metrics.ExplainedVariance(n_documents, d, own))
            for rung, m in rungs().items()
        }
        self.lookup = metrics.ExplainedVariance(n_documents, d, own)
        self.residual = metrics.ExplainedVariance(n_documents, d, device=device)
        self.means = moments.tokens.means()
        self.residual_matrix = orthogonal_factor(moments.tokens.residual_cross()).float()
        self.known = 0
        self.test = Moments.zero(d, device)
        self.sample: list[tuple[Tensor, Tensor]] = []
        self.drawn = RowSample()
        self.dictionary = None if sae is None else DictionaryScorer(sae, fitted, n_documents, own)

    def add(self, pair: PairedRows) -> None:
        """Score one batch."""
        a, b, document = pair.source[pair.keep], pair.target[pair.keep], pair.document[pair.keep]
        if sum(len(x) for x, _ in self.sample) < DIAL_ROWS:
            self.sample.append((a, b))
        self.drawn.add(pair)
        self.rows += len(a)
        self.dropped += pair.dropped
        for fitted, score in self.rungs.values():
            score.add(a, fitted(b), document)
        self.test.add(a, b)
        self._add_tokens(a, b, pair.ids[pair.keep], document)
        if self.dictionary is not None:
            self.dictionary.add(a, b, document)

    def add_up(self) -> None:
        """Put the sums over all ranks in place of this one's."""
        self.dropped -= self.moments.dropped
        parts = [*ranks.fields(self, "rows", "dropped", "known"), *ranks.fields(self.test, *SUMS)]
        for score in (*(score for _, score in self.rungs.values()), self.lookup, self.residual):
            parts += score.sums
        self.drawn.add_up()
        ranks.add_up(parts + (self.dictionary.sums if self.dictionary is not None else []))
        self.dropped += self.moments.dropped
        # Batches were dealt out in turns: so they are put together again.
        every = ranks.gathered([(a.cpu(), b.cpu()) for a, b in self.sample]) if ranks.count() > 1 else [self.sample]
        device = self.fit.sum_source.device
        self.sample = [(a.to(device), b.to(device)) for turn in zip(*every, strict=False) for a, b in turn]

    def _add_tokens(self, a: Tensor, b: Tensor, tokens: Tensor, document: Tensor) -> None:
        slot = self.moments.tokens.slots(tokens)
        known = slot >= 0
        self.known += int(known.sum())
        guess = self.fit.mean_source.float().expand_as(a).clone()
        guess[known] = self.means[0][slot[known]]
        self.lookup.add(a, guess, document)
        rest_a, rest_b = (x[known] - mean[slot[known]] for x, mean in zip((a, b), self.means, strict=True))
        self.residual.add(rest_a, rest_b @ self.residual_matrix, document[known])

    def ladder(self, shuffled: tuple[float, ...]) -> Ladder:
        """The ladder of maps."""
        found = {name: score.estimate() for name, (_, score) in self.rungs.items()}
        random = maps.linear_ev(self.fitted["random"].matrix, self.fit, self.test)
        mean = maps.linear_ev(torch.zeros_like(self.fit.cross), self.fit, self.test)
        return Ladder(found, shuffled=shuffled, random=random, mean=mean)

    def ratio(self, upper: str) -> estimates.Estimate | None:
        """EV of one rung over the affine's, on the same bootstrap draws; None where the affine map explains nothing."""
        above, below = self.rungs[upper][1].draws(), self.rungs["affine"][1].draws()
        return estimates.interval(above / below) if below.min() > 0 else None

    def result(self, site: Site, controls: Controls | None = None, stitch: Stitch | None = None) -> SiteResult:
        """Everything measured here; without `controls` the nulls of untrained targets are missing."""
        fit, test = self.fit, self.test
        ridge = Ridge(fit, self.moments.validation)
        wrong = nulls.shuffled_evs(self.moments.shuffled, fit, ridge, test)
        fresh = nulls.untrained_evs(controls.untrained[site.name] if controls else ())
        ladder = self.ladder(wrong.orthogonal)
        special, rotated = (maps.linear_ev(self.fitted[name].matrix, fit, test) for name in ("special", "rotated"))
        scores = firing = curve = None
        if self.dictionary is not None:
            scores = self.dictionary.scores()
            firing = {arm: _median(found.r) for arm, found in self.features().items() if arm != "random"}
            curve = self.dictionary.dial(*self._rows_sample(), (ladder["identity"].value, special))
        return SiteResult(
            site=site.name,
            label=site.label,
            rows_fit=fit.n,
            rows_test=self.rows,
            dropped=self.dropped,
            ladder=ladder,
            dictionary=scores,
            dictionary_name=None if self.dictionary is None else self.dictionary.sae.name,
            dial=curve,
            rotation=self._rotation(max(0.0, rotated - special)),
            firing=firing,
            rho=self.ratio("orthogonal"),
            rho_scale=self.ratio("orthogonal_scale"),
            token=TokenFacts(
                lookup=self.lookup.estimate(),
                residual=self.residual.estimate() if self._beyond_token() else None,
                share=self.known / max(1, self.rows),
            ),
            nulls=Nulls(wrong.orthogonal, fresh.orthogonal, nulls.haar_evs(fit, test), nulls.pca_sign_evs(fit, test)),
            nulls_affine=GateNulls(wrong.affine, fresh.affine),
            nulls_scale=GateNulls(wrong.scaled, fresh.scaled),
            fit_curve=self._fit_curve(ladder),
            stitch=stitch,
            verdict=None,
        )

    def indices(self) -> SiteIndices:
        """The field's similarity indices here, with their nulls."""
        return site_indices(self.drawn, self.fit, self.moments.shuffled)

    def _rotation(self, special_cost: float) -> RotationFacts:
        r = self.fitted["rotated"].matrix
        haar, spectrum = haar_test(r.cpu())
        return RotationFacts(
            determinant=float(torch.linalg.det(r.double())),
            frobenius_from_identity=metrics.frobenius_from_identity(r.cpu()),
            special_cost=special_cost,
            identified_rank=nulls.identified(self.fit, self.moments.halves),
            identity_share=nulls.identity_share(self.fit, r),
            haar=haar,
            spectrum=spectrum,
            scale=maps.best_scale(r, self.fit.cross, self.fit),
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
        return {} if self.dictionary is None else self.dictionary.features()

    def _rows_sample(self) -> tuple[Tensor, Tensor]:
        a, b = (torch.cat(parts)[:DIAL_ROWS] for parts in zip(*self.sample, strict=True))
        return a, b

    def cloud(self) -> Cloud:
        """A sample of both models' rows along the dial, in the plane of the source's first two principal directions."""
        a, b = self._rows_sample()
        chosen = torch.randperm(len(a), generator=torch.Generator().manual_seed(0))[:CLOUD_POINTS].to(a.device)
        centre = a.mean(0)
        _, _, directions = torch.linalg.svd(a - centre, full_matrices=False)
        frame = directions[:2].T
        turn = dial(self.fitted["special"])
        steps = [(turn(b[chosen], i / (DIAL_STEPS - 1)) - centre) @ frame for i in range(DIAL_STEPS)]
        return Cloud(((a[chosen] - centre) @ frame).cpu(), torch.stack(steps).cpu())


def _median(r: Tensor) -> float | None:
    alive = r[~r.isnan()]
    return float(alive.median()) if len(alive) else None
