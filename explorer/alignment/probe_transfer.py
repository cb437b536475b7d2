"""A probe of the source is carried to the target and scored there, beside the target's own and probes through nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.alignment.carried_results import HOME, OWN, ProbeScore, ProbeTransfer, share_restored
from explorer.alignment.map_registry import arms
from explorer.alignment.maps import ResidualMap
from explorer.alignment.nulls import DRAWS
from explorer.alignment.orthogonal import NULL_SEED, haar
from explorer.alignment.pairing import paired_rows
from explorer.alignment.probe import Probe, fit_probe
from explorer.alignment.site_maps import SiteMaps
from explorer.metrics import mean_by_document
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.text import LabelledTokens

FIT_ROWS, MOST_FIT, TEST_ROWS = 20, 20_480, 8_192
"""Rows for each dimension that a probe is fitted on, the most of them, and those that it is scored on."""


class LabelledRows(NamedTuple):
    """Rows of both models at labelled tokens."""

    source: Float[Tensor, "n d"]
    """Of A."""
    target: Float[Tensor, "n d"]
    """Of B."""
    classes: Int[Tensor, " n"]
    """The class of each."""
    document: Int[Tensor, " n"]
    """The document of each."""


class CarriedProbe(NamedTuple):
    """A probe of the source, the same for the target, and how they do."""

    source: Probe
    """Of A: the given one, or one fitted on A's rows."""
    carried: Probe
    """Of B, through R."""
    found: ProbeTransfer
    """The scores."""


@torch.inference_mode()
def carry_probes(
    source: LanguageModel,
    target: LanguageModel,
    tokens: LabelledTokens,
    sites: Sequence[Site],
    fitted: Mapping[str, SiteMaps],
    probe: Probe | None = None,
) -> dict[Site, CarriedProbe]:
    """Carry a probe of the source, or one of each site that is fitted on its rows first, and score it on the test
    documents.
    """
    limits, most = NormLimits(), min(FIT_ROWS * source.d_model, MOST_FIT)
    wanted = {"fit": most, "validation": most // 4, "test": TEST_ROWS}
    rows = [
        _rows(source, target, tokens.split(split).sample(count), sites, limits)  # type: ignore[arg-type]
        for split, count in wanted.items()
    ]
    return {s: _carried(source, tokens, s, fitted[s.name], [part[s] for part in rows], probe) for s in sites}


def _carried(
    source: LanguageModel,
    tokens: LabelledTokens,
    site: Site,
    fitted: SiteMaps,
    rows: Sequence[LabelledRows],
    probe: Probe | None,
) -> CarriedProbe:
    fit, validation, test = rows
    home = probe or fit_probe(fit.source, fit.classes, validation.source, validation.classes)
    home = Probe(home.weight.to(source.device), home.bias.to(source.device))
    own = fit_probe(fit.target, fit.classes, validation.target, validation.classes)
    maps = {arm: fitted[arm].to(source.device) for arm in arms() if arm in fitted.by_name}
    scores = {HOME: _score(home, test.source, test), OWN: _score(own, test.target, test)}
    scores |= {arm: _score(home.carried(through), test.target, test) for arm, through in maps.items()}
    rotated = maps["rotated"]
    counts = torch.bincount(test.classes, minlength=len(tokens.classes))
    accuracy = {name: score.accuracy.value for name, score in scores.items()}
    found = ProbeTransfer(
        site.name,
        site.label,
        tokens.name,
        tokens.classes,
        len(fit.classes),
        len(test.classes),
        float(counts.max()) / len(test.classes),
        scores,
        max(_named(home.carried(_turned(rotated, i)), test.target, test) for i in range(DRAWS)),
        share_restored(accuracy["rotated"], accuracy.get("shuffled"), accuracy[OWN]),
    )
    return CarriedProbe(home, home.carried(rotated), found)


def _turned(like: ResidualMap, number: int) -> ResidualMap:
    """A random rotation with the means of a map."""
    q = haar(len(like.matrix), NULL_SEED + number).to(like.matrix)
    return ResidualMap(q, like.mean_source, like.mean_target, q.T.contiguous())


def _rows(
    source: LanguageModel, target: LanguageModel, tokens: LabelledTokens, sites: Sequence[Site], limits: NormLimits
) -> dict[Site, LabelledRows]:
    found: dict[Site, list[tuple[Tensor, ...]]] = {site: [] for site in sites}
    read = 0
    for rows in paired_rows(source, target, tokens.chunks, sites, limits):
        for site, pair in rows.items():
            here = tokens.index[read : read + BATCH, : pair.keep.shape[1]].to(pair.keep.device)
            keep = pair.keep & (here >= 0)
            found[site].append((pair.source[keep], pair.target[keep], here[keep], pair.document[keep]))
        read += BATCH
    return {s: LabelledRows(*(torch.cat(parts) for parts in zip(*found[s], strict=True))) for s in sites}


def _named(probe: Probe, rows: Tensor, test: LabelledRows) -> float:
    return float((probe.scores(rows).argmax(1) == test.classes).float().mean())


def _score(probe: Probe, rows: Float[Tensor, "n d"], test: LabelledRows) -> ProbeScore:
    scores = probe.scores(rows)
    named = (scores.argmax(1) == test.classes).double()
    return ProbeScore(mean_by_document(named, test.document), _auc(scores, test.classes))


def _auc(scores: Float[Tensor, "n k"], classes: Int[Tensor, " n"]) -> float:
    """Mean over the classes that some rows have and some lack."""
    from sklearn.metrics import roc_auc_score

    # A score of a class against the best of the others, so that a shift of all is none.
    values = scores.double()
    areas = []
    for c in range(values.shape[1]):
        is_c = (classes == c).cpu().numpy()
        if 0 < is_c.sum() < len(is_c):
            others = torch.cat([values[:, :c], values[:, c + 1 :]], 1).logsumexp(1)
            areas.append(float(roc_auc_score(is_c, (values[:, c] - others).cpu().numpy())))
    return float(np.mean(areas))
