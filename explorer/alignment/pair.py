"""Measure a pair of models: fit every map on the fit rows, score it on the test rows, in two streaming passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import metrics, ranks
from explorer.alignment.bootstrap_units import bootstrap_units
from explorer.alignment.control_runs import Controls, chunks_digest, precision_key
from explorer.alignment.first_pass import SiteMoments, collect_moments
from explorer.alignment.growing import Grown
from explorer.alignment.moment_cache import kept_moments
from explorer.alignment.nulls import cross_site
from explorer.alignment.pair_verdict import pair_verdict
from explorer.alignment.pairing import PairedRows, paired_rows
from explorer.alignment.results import FunctionResult, PairResult, PositionLoss, Rows, SiteResult
from explorer.alignment.second_pass import Cloud, FeatureFiring, SiteScorer
from explorer.alignment.similarity import pair_similarity
from explorer.alignment.similarity_results import PairSimilarity
from explorer.alignment.site_maps import SiteMaps, fit_maps
from explorer.alignment.stitching import Stitcher, batch_size, shared_vocabulary
from explorer.alignment.verdict import site_verdict
from explorer.cache import Cache
from explorer.errors import InputError
from explorer.models import BATCH, MASSIVE, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted, silent
from explorer.sae import SAE
from explorer.text import Chunks

POSITION_BINS = 16


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
    similarity: PairSimilarity | None = None
    """The field's similarity indices; None where the controls were not run (a live refit)."""


@torch.inference_mode()
def measure_function(source: LanguageModel, target: LanguageModel, chunks: Chunks, report: Report) -> FunctionResult:
    """Losses, KL(source‖target) and top-1 agreement on the test split, among the tokens that both have a row for."""
    part, shared = chunks.split("test").by_length(), shared_vocabulary(source, target)
    width = part.ids.shape[1]
    sums = torch.zeros(POSITION_BINS, 5, dtype=torch.float64)
    size = batch_size(source, part)
    compared = counted(report, "comparing predictions", len(part))
    for batch in ranks.share(part.batches(size)):
        compared(len(batch) * ranks.count())
        predicted = batch.predicted
        here = batch.to(source.device)
        a, b = (m.logits(batch.ids)[:, :-1, :shared][here.predicted] for m in (source, target))
        truth = here.ids[:, 1:][here.predicted]
        cross = torch.nn.functional.cross_entropy
        values = (
            cross(a, truth, reduction="none"),
            cross(b, truth, reduction="none"),
            metrics.kl_divergence(a, b),
            a.argmax(-1) == b.argmax(-1),
            torch.ones(len(truth)),
        )
        position = torch.arange(1, batch.ids.shape[1]).expand_as(predicted)[predicted]
        sums.index_add_(0, position * POSITION_BINS // width, torch.stack([v.cpu().double() for v in values], dim=1))
    ranks.add_up([sums])
    loss_source, loss_target, kl, same, n = sums.sum(0).tolist()
    return FunctionResult(loss_source / n, loss_target / n, kl / n, same / n, _by_position(sums, width))


def _by_position(sums: Float[Tensor, "bins 5"], width: int) -> tuple[PositionLoss, ...]:
    """Means of each bin of a window of `width` positions in which anything was predicted."""
    starts = [-(-i * width // POSITION_BINS) for i in range(POSITION_BINS + 1)]
    return tuple(
        PositionLoss(starts[i], starts[i + 1] - 1, int(n), a / n, b / n, kl / n)
        for i, (a, b, kl, _, n) in enumerate(sums.tolist())
        if n
    )


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
    report: Report = silent,
    controls: Controls | None = None,
    cache: Cache = Cache(None),  # noqa: B008 (frozen)
    massive: float = MASSIVE,
    tell: Callable[[SiteResult], None] = lambda _site: None,
    grown: Grown | None = None,
) -> Pair:
    """Fit and score every map at the given sites. `dictionaries` are the source's, by site name; sites may lack one.

    `cache` keeps the first pass by `digests` and text. With `controls` the pair is also stitched and judged; without (a
    live refit), what needs them is None or empty. Rows of more than `massive` × the median norm are left out. `tell`
    hears each site's result as soon as it is known, in the order of the sites. `grown` is what was read of the pair
    already: its text takes the place of `chunks`, and only what is not measured of it yet is.
    """
    began = time.monotonic()
    check_comparable(source, target)
    if grown is None:
        moments, limits = _collected(source, target, chunks, sites, digests, report, cache, massive)
    else:
        chunks, limits, moments, controls = grown.chunks, grown.limits, grown.moments, grown.controls
    fitted = _fitted(moments, sites, report)
    test, unit = bootstrap_units(chunks.split("test"))
    own, d = {s: dictionaries.get(s.name) for s in sites}, source.d_model
    scorers = {s: SiteScorer(fitted[s], moments[s], own[s], unit.count, d) for s in sites}
    rows = paired_rows(source, target, test, list(scorers), limits) if grown is None else iter(grown.rows)
    _score(rows, len(test), scorers, report)
    stitcher = Stitcher(source, target, chunks.split("fit"), test, unit.count, limits) if controls else None
    results = [_judged(site, scorers[site], stitcher, controls, report, tell) for site in sites]
    result = PairResult(
        source=source.name,
        target=target.name,
        source_sha256=digests[0],
        target_sha256=digests[1],
        d_model=source.d_model,
        function=measure_function(source, target, chunks, report),
        sites=tuple(results),
        rows=_fewest_rows(results, moments),
        ev_cross_site=_cross_site([scorers[s] for s in sites]),
        control=controls.positive if controls else None,
        verdict=pair_verdict(results, controls.positive) if controls else None,
        unit=unit,
        read=grown.read if grown else None,
        seconds=time.monotonic() - began,
    )
    return Pair(
        result,
        {site.name: fitted[site].to("cpu") for site in sites},
        {site.name: scorers[site].cloud() for site in sites},
        {site.name: scorers[site].features() for site in sites},
        _similarity(scorers, report) if controls else None,
    )


@torch.inference_mode()
def _similarity(scorers: Mapping[Site, SiteScorer], report: Report) -> PairSimilarity:
    report("similarity indices", 0.0)
    found = None if ranks.rank() else pair_similarity({site: s.indices() for site, s in scorers.items()})
    agreed = ranks.agreed(found)
    assert agreed is not None
    return agreed


def _cross_site(scorers: Sequence[SiteScorer]) -> tuple[tuple[float, ...], ...]:
    rotations = [s.fitted["rotated"].matrix for s in scorers]
    return cross_site(rotations, [s.fit for s in scorers], [s.test for s in scorers])


def _collected(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    digests: tuple[str, str],
    report: Report,
    cache: Cache,
    massive: float,
) -> tuple[dict[Site, SiteMoments], NormLimits]:
    """Pass 1, from the cache where it is there, and the norms from which it left rows out."""
    limits = NormLimits(factor=massive)
    key = {"massive": massive, "models": digests, "text": chunks_digest(chunks), "sites": [s.name for s in sites]}
    key |= precision_key(source)

    def make() -> dict[Site, SiteMoments]:
        return collect_moments(source, target, chunks, sites, limits, report)

    return kept_moments(cache, key, sites, limits, make, source.device), limits


def _fitted(moments: Mapping[Site, SiteMoments], sites: Sequence[Site], report: Report) -> dict[Site, SiteMaps]:
    fitted = {}
    for site in sites:
        report(f"fitting maps at {site.label}", 0.0)
        fitted[site] = fit_maps(moments[site])
    return fitted


@torch.inference_mode()
def _score(
    rows: Iterator[dict[Site, PairedRows]], windows: int, scorers: Mapping[Site, SiteScorer], report: Report
) -> None:
    """The second pass: every site's scorer sees the rows of the test text."""
    read = counted(report, "scoring test text", windows)
    for batch in rows:
        read(BATCH * ranks.count())
        for site, pair in batch.items():
            scorers[site].add(pair)
    for scorer in scorers.values():
        scorer.add_up()


@torch.inference_mode()
def _judged(
    site: Site,
    scorer: SiteScorer,
    stitcher: Stitcher | None,
    controls: Controls | None,
    report: Report,
    tell: Callable[[SiteResult], None],
) -> SiteResult:
    """What was scored at a site, with its nulls and, where there are controls, its stitch and verdict; it is told."""
    stitch = stitcher.site(site, scorer.fitted, report) if stitcher else None
    report(f"nulls at {site.label}", 0.0)

    def judged() -> SiteResult:
        result = scorer.result(site, controls, stitch)
        return result if controls is None else replace(result, verdict=site_verdict(result))

    found = ranks.by_first(judged)
    tell(found)
    return found


def _fewest_rows(results: Sequence[SiteResult], moments: Mapping[Site, SiteMoments]) -> Rows:
    return Rows(
        fit=min(r.rows_fit for r in results),
        validation=min(m.validation.n for m in moments.values()),
        test=min(r.rows_test for r in results),
        dropped=max(r.dropped for r in results),
    )
