"""A lens of the source is carried to the target and scored against what the target says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.carried_results import HOME, LOGIT, OWN, LensScore, LensTransfer, share_restored
from explorer.alignment.lens import Lens, LensMoments, fit_lens, logit_lens
from explorer.alignment.map_registry import arms
from explorer.alignment.maps import ResidualMap
from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import NULL_SEED, haar
from explorer.alignment.pairing import paired_rows
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.stitching import TOKENS, batch_size
from explorer.metrics import kl_divergence, mean_by_document
from explorer.models import LanguageModel, NormLimits, Site, start_at
from explorer.progress import Report, counted, silent
from explorer.text import Chunks, sample

FIT_ROWS = 100
"""Rows for each dimension that lenses are fitted on, and a quarter as many to choose their ridge."""


class CarriedLens(NamedTuple):
    """A lens of the source, the same for the target, and how they do."""

    source: Lens
    """Of A: the given one, or one fitted on A's rows."""
    carried: Lens
    """Of B, through R of the site and of the end."""
    found: LensTransfer
    """The scores."""


@torch.inference_mode()
def carry_lenses(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: list[Site],
    fitted: Mapping[str, SiteMaps],
    lenses: Mapping[Site, Lens] | None = None,
    report: Report = silent,
) -> dict[Site, CarriedLens]:
    """Carry lenses of the source, or some that are fitted on its rows first, and score them on at most 4,096 test rows.

    `fitted` must have the end of the models beside the sites.
    """
    limits, end = NormLimits(), source.sites[-1]
    moments = {split: _moments(source, target, chunks, split, sites, limits, report) for split in ("fit", "validation")}
    own, home = (
        {site: fit_lens(LensMoments(*(moments[s][side, site] for s in moments))) for site in sites} for side in "BA"
    )
    home |= {site: lens.to(source.device) for site, lens in (lenses or {}).items()}
    readings: dict[Site, dict[str, Lens]] = {}
    for site in sites:
        maps = _maps(fitted[site.name], fitted[end.name], site, source.device)
        readings[site] = {arm: home[site].carried(*both) for arm, both in maps.items()}
        readings[site] |= {OWN: own[site], LOGIT: logit_lens(target.d_model, target.device)}
    tests = sample(chunks.split("test"), TOKENS)
    at_home = _scores(source, tests, {site: {HOME: home[site]} for site in sites}, limits, "A", report)
    away = _scores(target, tests, readings, limits, "B", report)
    out = {}
    for site in sites:
        scores, rows = away[site][0] | at_home[site][0], away[site][1]
        top = {name: score.top1.value for name, score in scores.items()}
        restored = share_restored(top["rotated"], top.get("shuffled"), top[OWN])
        made = LensTransfer(site.name, site.label, moments["fit"]["B", site].n, rows, scores, restored)
        out[site] = CarriedLens(home[site], readings[site]["rotated"], made)
    return out


def _maps(
    here: SiteMaps, end: SiteMaps, site: Site, device: torch.device
) -> dict[str, tuple[ResidualMap, ResidualMap]]:
    """By arm the maps of the site and of the end; random ones are drawn apart, as one for both would be no null."""
    found = {a: (here[a].to(device), end[a].to(device)) for a in arms() if a in here.by_name and a in end.by_name}
    drawn = [haar(len(here["rotated"].matrix), NULL_SEED + n).float().to(device) for n in (1 + site.index, 0)]
    if "random" in found:
        found["random"] = tuple(  # type: ignore[assignment]
            ResidualMap(q, m.mean_source, m.mean_target, q.T.contiguous())
            for q, m in zip(drawn, found["random"], strict=True)
        )
    return found


def _moments(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    split: str,
    sites: list[Site],
    limits: NormLimits,
    report: Report,
) -> dict[tuple[str, Site], Moments]:
    d, end = source.d_model, source.sites[-1]
    text = sample(chunks.split(split), FIT_ROWS * d // (1 if split == "fit" else 4))  # type: ignore[arg-type]
    found = {(side, site): Moments.zero(d, source.device) for side in "AB" for site in sites}
    read = counted(report, f"reading {split} text", len(text))
    for rows in paired_rows(source, target, text, sorted({*sites, end}), limits):
        read(len(rows[end].ids))
        for site in sites:
            keep = rows[site].keep & rows[end].keep
            found["A", site].add(rows[end].source[keep], rows[site].source[keep])
            found["B", site].add(rows[end].target[keep], rows[site].target[keep])
    return found


class _Tally:
    """KL and agreement of every lens at one site, row by row."""

    def __init__(self) -> None:
        self.kl: dict[str, list[Tensor]] = {}
        self.top: dict[str, list[Tensor]] = {}
        self.document: list[Tensor] = []

    def score(self, name: str) -> LensScore:
        document = torch.cat(self.document)
        kl, top = torch.cat(self.kl[name]), torch.cat(self.top[name])
        return LensScore(mean_by_document(kl, document), mean_by_document(top, document))


def _scores(
    model: LanguageModel,
    tests: Chunks,
    readings: Mapping[Site, Mapping[str, Lens]],
    limits: NormLimits,
    side: str,
    report: Report,
) -> dict[Site, tuple[dict[str, LensScore], int]]:
    """Every lens of a model by site, and on how many rows."""
    from explorer.alignment.pairing import read_rows

    end, found = model.sites[-1], {site: _Tally() for site in readings}
    read = counted(report, f"lenses of {side}", len(tests))
    for batch in tests.batches(max(1, min(16, batch_size(model, tests)))):
        read(len(batch))
        rows, here = read_rows(model, batch, sorted({*readings, end})), batch.to(model.device)
        final = _said(model, end, batch, rows[end])
        for site, lenses in readings.items():
            keep = limits.below(side, site, rows[site].norm(dim=-1), here.scored) & here.scored
            truth, tally = final[keep], found[site]
            tally.document.append(here.document[:, None].expand_as(keep)[keep])
            for name, lens in lenses.items():
                logits = _said(model, end, batch, lens(rows[site]))[keep]
                tally.kl.setdefault(name, []).append(kl_divergence(truth, logits).double())
                tally.top.setdefault(name, []).append((truth.argmax(-1) == logits.argmax(-1)).double())
    return {
        site: ({name: tally.score(name) for name in tally.kl}, len(torch.cat(tally.document)))
        for site, tally in found.items()
    }


def _said(model: LanguageModel, end: Site, batch: Chunks, rows: Float[Tensor, "b t d"]) -> Float[Tensor, "b t v"]:
    """Logits of rows at the end: the model's own norm and unembedding, with whatever it does to logits."""
    with start_at(model, end, rows):
        return model.logits(batch.ids)
