"""Rows of two models at the same tokens, batch by batch, and the first pass: their moments, true and shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explorer.activations import residuals
from explorer.corpus import Chunks
from explorer.errors import InputError
from explorer.models import LanguageModel
from explorer.moments import Moments
from explorer.site_maps import SiteMoments
from explorer.sites import Site

SHUFFLES = 19
BATCH = 64
MASSIVE = 10.0

Report = Callable[[str, float], None]


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
