"""Measure a pair of models: fit every map on the fit rows, score it on the test rows, in two streaming passes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from explorer import metrics
from explorer.corpus import Chunks
from explorer.errors import InputError
from explorer.models import LanguageModel, same_ids
from explorer.paired_rows import BATCH, NormLimits, Report, collect_moments, paired_rows
from explorer.results import FunctionResult, PairResult
from explorer.sae import SAE
from explorer.site_maps import SiteMaps, fit_maps
from explorer.sites import Site
from explorer.tally import Cloud, FeatureFiring, SiteTally


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


def check_comparable(source: LanguageModel, target: LanguageModel, chunks: Chunks) -> None:
    """Raise InputError if the two residual streams or their sites cannot be compared."""
    if source.d_model != target.d_model:
        raise InputError(
            f"not assessable: widths differ ({source.name} {source.d_model}, {target.name} {target.d_model})"
        )
    if source.n_layers != target.n_layers:
        raise InputError(
            f"not assessable: depths differ ({source.name} {source.n_layers}, {target.name} {target.n_layers} blocks)"
        )
    text = source.tokenizer.decode(chunks.ids[0][chunks.valid[0]])
    if not same_ids(source, target, text):
        raise InputError(
            f"not assessable: {source.name} and {target.name} read the same text as different token ids; "
            "a pair needs one tokenizer"
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
    check_comparable(source, target, chunks)
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
