"""Measure a pair of models: fit every map on the fit rows, score it on the test rows, in two streaming passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explorer import maps, metrics
from explorer.activations import residuals
from explorer.corpus import Chunks
from explorer.errors import InputError
from explorer.maps import ResidualMap
from explorer.models import LanguageModel
from explorer.moments import Moments
from explorer.results import (
    DialCurve,
    DictionaryScore,
    DictionaryScores,
    Firing,
    FunctionResult,
    Ladder,
    PairResult,
    RotationFacts,
    SiteResult,
)
from explorer.sae import SAE
from explorer.sites import Site

SHUFFLES = 19
BATCH = 64
DIAL_STEPS = 21
DIAL_ROWS = 4096
CLOUD_POINTS = 320
LEAST_ROWS_PER_DIMENSION = 20
MASSIVE = 10.0
ARMS = ("raw", "translated", "rotated", "affine", "shuffled", "random")

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class SiteMaps:
    """Every map fitted at one site."""

    raw: ResidualMap
    """Identity."""
    translated: ResidualMap
    """Mean moved."""
    rotated: ResidualMap
    """Orthogonal, either determinant."""
    special: ResidualMap
    """Orthogonal of determinant +1, for the dial."""
    affine: ResidualMap
    """Ridge-regressed."""
    shuffled: ResidualMap
    """Orthogonal, refitted to one shuffled pairing (the first of the 19)."""
    shuffled_special: ResidualMap
    """The same of determinant +1, for the grey curve of the dial."""
    random: ResidualMap
    """Haar-random with the true means."""

    def arm(self, name: str) -> ResidualMap:
        """The map of one arm of the switch."""
        if name not in ARMS:
            raise InputError(f"no map '{name}': there are {', '.join(ARMS)}")
        found: ResidualMap = getattr(self, name)
        return found


@dataclass
class SiteMoments:
    """What pass 1 accumulates at one site."""

    fit: Moments
    """True pairs of the fit split."""
    validation: Moments
    """True pairs of the validation split."""
    shuffled: list[Moments]
    """Deranged pairs of the fit split, one for each cyclic shift."""
    dropped: int = 0
    """Rows left out for their norm."""


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


@dataclass(frozen=True)
class Pair:
    """A measured pair with the tensors that pages need again."""

    result: PairResult
    """Every number."""
    maps: dict[str, SiteMaps]
    """Fitted maps by site name."""
    clouds: dict[str, Cloud]
    """Clouds by site name."""
    firing: dict[str, dict[str, FeatureFiring]]
    """How every feature fires under each map, by site name and map; empty where there is no dictionary."""


@dataclass
class PairedRows:
    """One batch at one site: the rows of both models at the same tokens, and which of them are scored."""

    source: Float[Tensor, "b t d"]
    target: Float[Tensor, "b t d"]
    keep: Bool[Tensor, "b t"]
    document: Int[Tensor, "b t"]
    dropped: int


@dataclass
class NormLimits:
    """The largest norm that a row may have, per model and site: 10 × the median norm of the first batch seen."""

    limits: dict[tuple[str, str], float] = field(default_factory=dict)

    def within(self, model: str, site: Site, rows: Float[Tensor, "b t d"], scored: Bool[Tensor, "b t"]) -> Tensor:
        """Which rows are no massive activations."""
        norms = rows.norm(dim=-1)
        limit = self.limits.setdefault((model, site.name), MASSIVE * float(norms[scored].median()))
        return norms <= limit


def paired_rows(
    source: LanguageModel, target: LanguageModel, chunks: Chunks, sites: Sequence[Site], limits: NormLimits
) -> Iterator[dict[Site, PairedRows]]:
    """Rows of both models, batch by batch, at every site. Raises InputError for non-finite activations."""
    for batch in chunks.batches(BATCH):
        a, b = residuals(source, batch.ids, sites), residuals(target, batch.ids, sites)
        out = {}
        for site in sites:
            for model, rows in ((source, a[site]), (target, b[site])):
                if not torch.isfinite(rows).all():
                    raise InputError(f"{model.name} has non-finite activations at {site.name}: it cannot be assessed")
            scored = batch.scored
            keep = scored & limits.within("A", site, a[site], scored) & limits.within("B", site, b[site], scored)
            documents = batch.document[:, None].expand_as(keep)
            out[site] = PairedRows(a[site], b[site], keep, documents, int((scored & ~keep).sum()))
        yield out


def collect_moments(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    limits: NormLimits,
    report: Report,
) -> dict[Site, SiteMoments]:
    """Pass 1: moments of the true pairs (fit and validation) and of 19 shuffled pairings (fit).

    A shuffled pairing shifts the target's chunks cyclically within a batch, at equal position; pairs from one document
    are left out, so that no row meets its own.
    """
    d = source.d_model
    moments = {
        s: SiteMoments(Moments.zero(d), Moments.zero(d), [Moments.zero(d) for _ in range(SHUFFLES)]) for s in sites
    }
    for split in ("fit", "validation"):
        part = chunks.split(split)
        for i, rows in enumerate(paired_rows(source, target, part, sites, limits)):
            report(f"reading {split} text", min(1.0, (i + 1) * BATCH / len(part)))
            for site, pair in rows.items():
                found = moments[site]
                found.dropped += pair.dropped
                kept = getattr(found, split)
                kept.add(pair.source[pair.keep], pair.target[pair.keep])
                if split == "fit":
                    _add_shuffled(found.shuffled, pair)
    return moments


def _add_shuffled(shuffled: list[Moments], pair: PairedRows) -> None:
    for shift, moments in enumerate(shuffled, 1):
        if shift >= len(pair.keep):
            return
        other = pair.document.roll(shift, 0)
        keep = pair.keep & pair.keep.roll(shift, 0) & (other != pair.document)
        moments.add_cross(pair.source[keep], pair.target.roll(shift, 0)[keep])


def fit_maps(moments: SiteMoments, seed: int = 0) -> SiteMaps:
    """Every map of a site from its moments. Raises InputError for fewer than 20·d rows."""
    n, d = moments.fit.n, len(moments.fit.sum_source)
    least = LEAST_ROWS_PER_DIMENSION * d
    if n < least:
        raise InputError(f"not assessable: {n} rows to fit, at least 20·d = {least} are needed: give more text")
    # A shuffled pairing decides R only; the means stay those of the true rows.
    first = moments.shuffled[0]
    grey, grey_special = (
        maps.orthogonal_factor(first.cross),
        maps.orthogonal_factor(first.cross, special=True),
    )
    return SiteMaps(
        raw=maps.identity(moments.fit),
        translated=maps.translation(moments.fit),
        rotated=maps.orthogonal(moments.fit),
        special=maps.orthogonal(moments.fit, special=True),
        affine=maps.affine(moments.fit, moments.validation),
        shuffled=maps.with_means("shuffled", moments.fit, grey, grey.T),
        shuffled_special=maps.with_means("shuffled", moments.fit, grey_special, grey_special.T),
        random=maps.random_rotation(moments.fit, seed),
    )


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
            medians = {arm: _median(self.firing[arm].correlation()) for arm in ARMS if arm != "random"}
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


@torch.inference_mode()
def measure_function(source: LanguageModel, target: LanguageModel, chunks: Chunks, report: Report) -> FunctionResult:
    """Losses, KL(source‖target) and top-1 agreement on the test split."""
    part = chunks.split("test")
    sums, n = torch.zeros(4, dtype=torch.float64), 0
    for i, batch in enumerate(part.batches(BATCH)):
        report("comparing predictions", min(1.0, (i + 1) * BATCH / len(part)))
        predicted = batch.valid[:, 1:]
        a, b = (m.network(input_ids=batch.ids, use_cache=False).logits[:, :-1][predicted] for m in (source, target))
        truth = batch.ids[:, 1:][predicted]
        cross = torch.nn.functional.cross_entropy
        values = (
            cross(a, truth, reduction="sum"),
            cross(b, truth, reduction="sum"),
            metrics.kl_divergence(a, b).sum(),
            (a.argmax(-1) == b.argmax(-1)).sum(),
        )
        sums += torch.stack([v.double() for v in values])
        n += len(truth)
    return FunctionResult(*(sums / n).tolist())


def check_comparable(source: LanguageModel, target: LanguageModel) -> None:
    """Raise InputError if the two residual streams or their sites cannot be compared."""
    if source.d_model != target.d_model:
        raise InputError(
            f"not assessable: widths differ ({source.name} {source.d_model}, {target.name} {target.d_model})"
        )
    if source.n_layers != target.n_layers:
        raise InputError(
            f"not assessable: depths differ ({source.name} {source.n_layers}, {target.name} {target.n_layers} blocks)"
        )


def measure_pair(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    dictionaries: Mapping[str, SAE],
    digests: tuple[str, str] = ("", ""),
    report: Report = lambda _step, _share: None,
) -> Pair:
    """Fit and score every map at the given sites. `dictionaries` are the source's, by site name; sites may lack one."""
    began = time.monotonic()
    check_comparable(source, target)
    limits = NormLimits()
    moments = collect_moments(source, target, chunks, sites, limits, report)
    fitted = {site: fit_maps(moments[site]) for site in sites}
    part = chunks.split("test")
    n_documents = int(chunks.document.max()) + 1
    tallies = {
        s: SiteTally(fitted[s], moments[s], dictionaries.get(s.name), n_documents, source.d_model) for s in sites
    }
    with torch.inference_mode():
        for i, rows in enumerate(paired_rows(source, target, part, sites, limits)):
            report("scoring test text", min(1.0, (i + 1) * BATCH / len(part)))
            for site, pair in rows.items():
                tallies[site].add(pair)
        results = tuple(tallies[site].result(site) for site in sites)
        clouds = {site.name: tallies[site].cloud() for site in sites}
    function = measure_function(source, target, chunks, report)
    result = PairResult(source.name, target.name, *digests, source.d_model, function, results, time.monotonic() - began)
    firing = {site.name: tallies[site].features() for site in sites}
    return Pair(result, {site.name: fitted[site] for site in sites}, clouds, firing)
