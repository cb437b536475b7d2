"""Rows of two models at the same tokens, batch by batch, without massive activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explorer import ranks
from explorer.errors import InputError
from explorer.models import BATCH, LanguageModel, NormLimits, Site, residuals
from explorer.text import Chunks

FORWARD = 16
"""Windows that go through a model together on a CPU: the blocks' inner rows then stay in its caches."""


@dataclass
class PairedRows:
    """One batch at one site: the rows of both models at the same tokens, and which of them are scored.

    Everything is on the source's device.
    """

    source: Float[Tensor, "b t d"]
    target: Float[Tensor, "b t d"]
    keep: Bool[Tensor, "b t"]
    document: Int[Tensor, "b t"]
    dropped: int
    ids: Int[Tensor, "b t"]


def paired_rows(
    source: LanguageModel, target: LanguageModel, chunks: Chunks, sites: Sequence[Site], limits: NormLimits
) -> Iterator[dict[Site, PairedRows]]:
    """Rows of both models, batch by batch, at every site; a batch is emptied when the next one is asked for.

    Of several ranks each gets every N-th batch, all equally many: what is missing of the last round is a batch without
    windows. The norms that count as massive are those of the first batch of all. Raises InputError for non-finite
    activations.
    """
    if ranks.rank() and not all(limits.known(label, site) for label in "AB" for site in sites):
        with ranks.alone():
            next(paired_rows(source, target, chunks[:BATCH], sites, limits), None)
    for mine in ranks.rounds(chunks.batches(BATCH)):
        batch = chunks[:0].trimmed() if mine is None else mine
        a, b = read_rows(source, batch, sites), read_rows(target, batch, sites)
        here = batch.to(source.device)
        out = {}
        for site in sites:
            scored = here.scored
            keep = scored
            for label, model, rows in (("A", source, a[site]), ("B", target, b[site])):
                norms = rows.norm(dim=-1)
                # The norms are needed anyway, and ten times cheaper to look through than the rows.
                if not torch.isfinite(norms).all() and not torch.isfinite(rows).all():
                    raise InputError(f"{model.name} has non-finite activations at {site.name}: it cannot be assessed")
                keep = keep & limits.below(label, site, norms, scored)
            documents = here.document[:, None].expand_as(keep)
            out[site] = PairedRows(a[site], b[site], keep, documents, int((scored & ~keep).sum()), here.ids)
        del a, b, rows, norms
        yield out
        # Two batches at once would be a third of all memory.
        out.clear()


def read_rows(model: LanguageModel, batch: Chunks, sites: Sequence[Site]) -> dict[Site, Float[Tensor, "b t d"]]:
    """Rows of a batch, windows of like length together; 0 where all of these are padding."""
    found: dict[Site, Tensor] = {}
    if not len(batch):
        return {site: torch.zeros(*batch.ids.shape, model.d_model, device=model.device) for site in sites}
    together = FORWARD if model.device.type == "cpu" else len(batch)
    for rows in batch.valid.sum(1).argsort(stable=True).split(together):
        part = batch[rows].trimmed()
        for site, read in residuals(model, part.ids, sites).items():
            whole = found.setdefault(site, read.new_zeros(*batch.ids.shape, read.shape[-1]))
            whole[rows, : read.shape[1]] = read
    return found
