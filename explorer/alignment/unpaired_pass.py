"""R without pairs for two models: the source reads some documents, the target others, and no row has a partner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from explorer import metrics
from explorer.alignment.orthogonal import haar
from explorer.alignment.pairing import paired_rows, read_rows
from explorer.alignment.similarity_results import UnpairedFit
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.unpaired import SCREENED, apart, unpaired_rotation
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted, silent
from explorer.text import Chunks, sample

ROWS = 4096
"""Rows of each cloud."""
TEST_ROWS = 8192
_SEED = 900_000


@torch.inference_mode()
def measure_unpaired(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    fitted: Mapping[str, SiteMaps],
    report: Report = silent,
) -> dict[str, UnpairedFit]:
    """R without pairs at every site, scored on true test pairs beside the maps that were fitted with pairs.

    The control: the source reads the target's documents, its rows are turned by a known Q, and Qᵀ must come back.
    """
    fit = chunks.split("fit")
    mine, theirs = (sample(fit[fit.document % 2 == half], 2 * ROWS) for half in (0, 1))
    test = sample(chunks.split("test"), TEST_ROWS)
    read = counted(report, "reading text without pairs", 2 * len(theirs) + len(mine) + len(test))
    a, b, known = (
        _cloud(model, part, sites, read) for model, part in ((source, mine), (target, theirs), (source, theirs))
    )
    pairs: dict[Site, list[tuple[Tensor, Tensor]]] = {site: [] for site in sites}
    for rows in paired_rows(source, target, test, sites, NormLimits()):
        read(BATCH)
        for site, pair in rows.items():
            pairs[site].append((pair.source[pair.keep], pair.target[pair.keep]))
    found = {}
    for number, site in enumerate(sites):
        report(f"R without pairs at {site.label}", number / len(sites))
        true = tuple(torch.cat(side) for side in zip(*pairs[site], strict=True))
        found[site.name] = _fit(a[site], b[site], known[site], true[0], true[1], fitted[site.name])
    return found


def _cloud(
    model: LanguageModel, chunks: Chunks, sites: Sequence[Site], read: Callable[[float], None]
) -> dict[Site, Tensor]:
    """Some rows of a model at every site, in random order."""
    limits, found = NormLimits(), dict[Site, list[Tensor]]()
    for batch in chunks.batches(BATCH):
        rows = read_rows(model, batch, sites)
        for site in sites:
            keep = batch.scored & limits.within("A", site, rows[site], batch.scored)
            found.setdefault(site, []).append(rows[site][keep])
        read(len(batch))
    out = {}
    for site, parts in found.items():
        whole = torch.cat(parts)
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(_SEED))[:ROWS]
        out[site] = whole[order.to(whole.device)]
    return out


def _fit(a: Tensor, b: Tensor, known: Tensor, true_a: Tensor, true_b: Tensor, fitted: SiteMaps) -> UnpairedFit:
    d = a.shape[1]
    found, q = unpaired_rotation(a, b), haar(d, _SEED, special=True).to(a)
    back = unpaired_rotation(a, known @ q)
    r, again = found.rotation.to(a), back.rotation.to(a)
    guess = (true_b - b.mean(0)) @ r + a.mean(0)
    turned = (true_a @ q - (known @ q).mean(0)) @ again + a.mean(0)

    few = (a - a.mean(0))[:SCREENED], (b - b.mean(0))[:SCREENED]
    spread = float(few[0].square().sum(1).mean())

    def off(one: Tensor, other: Tensor) -> float:
        return float(torch.linalg.matrix_norm((one - other).double())) / (2 * d) ** 0.5

    return UnpairedFit(
        ev=metrics.explained_variance(true_a, guess),
        paired=metrics.explained_variance(true_a, fitted["rotated"](true_b)),
        shuffled=metrics.explained_variance(true_a, fitted["shuffled"](true_b)),
        from_paired=off(r, fitted["rotated"].matrix),
        twin=metrics.explained_variance(true_a, turned),
        from_twin=off(again, q.T),
        apart=apart(*few, r) / spread,
        apart_paired=apart(*few, fitted["rotated"].matrix) / spread,
    )
