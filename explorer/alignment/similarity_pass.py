"""The field's similarity indices of a pair without the rest of its measurement."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explorer.alignment.first_pass import SiteMoments
from explorer.alignment.pairing import paired_rows
from explorer.alignment.similarity import ROWS, RowSample, pair_similarity, site_indices
from explorer.alignment.similarity_results import PairSimilarity
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted, silent
from explorer.text import Chunks, sample

FIT_ROWS = 100
"""Fit rows for each dimension: they fix the moments to a per cent."""
TEST_ROWS = 4 * ROWS


@torch.inference_mode()
def measure_similarity(
    source: LanguageModel, target: LanguageModel, chunks: Chunks, sites: Sequence[Site], report: Report = silent
) -> PairSimilarity:
    """The indices of a pair that was measured before they were: on at most 100·d fit rows and 8,192 test rows."""
    fit, test = sample(chunks.split("fit"), FIT_ROWS * source.d_model), sample(chunks.split("test"), TEST_ROWS)
    limits, read = NormLimits(), counted(report, "reading text", len(fit) + len(test))
    moments = {site: SiteMoments(source.d_model, fit, device=source.device) for site in sites}
    samples = {site: RowSample() for site in sites}
    for rows in paired_rows(source, target, fit, sites, limits):
        read(BATCH)
        for site, pair in rows.items():
            a, b = pair.source[pair.keep], pair.target[pair.keep]
            moments[site].settle(a, b)
            moments[site].halves[0].add(a, b)
            moments[site].add_shuffled(pair)
    for rows in paired_rows(source, target, test, sites, limits):
        read(BATCH)
        for site, pair in rows.items():
            samples[site].add(pair)
    return pair_similarity({s: site_indices(samples[s], moments[s].fit, moments[s].shuffled) for s in sites})
