"""Controls of a pair: its source against untrained targets, and against itself rotated by Q."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from explorer import ranks
from explorer.alignment import maps
from explorer.alignment.first_pass import plain_moments
from explorer.alignment.fresh_models import untrained_target, weights_digest
from explorer.alignment.moments import SUMS, Moments
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.pairing import paired_rows
from explorer.alignment.results import PositiveControl
from explorer.alignment.site_maps import LEAST_ROWS_PER_DIMENSION
from explorer.alignment.twin import FAMILIES, make_twin
from explorer.cache import Cache
from explorer.models import MASSIVE, LanguageModel, NormLimits, Site
from explorer.progress import Report
from explorer.text import Chunks, sample

UNTRAINED_SEEDS = 3
CONTROL_EV = 0.99

Splits = tuple[Moments, Moments, Moments]


@dataclass(frozen=True)
class Controls:
    """What a pair is judged by."""

    untrained: Mapping[str, Sequence[Splits]]
    """Fit, validation and test moments of the source against each fresh initialisation, by site name."""
    positive: PositiveControl
    """The source against itself, rotated."""


def chunks_digest(chunks: Chunks) -> str:
    """Hash of the token ids, documents, windows and padding: what the text is, to a measurement."""
    total = hashlib.sha256()
    for part in (chunks.ids, chunks.valid, chunks.document, chunks.offset, chunks.first):
        total.update(str(tuple(part.shape)).encode() + part.contiguous().numpy().tobytes())
    return total.hexdigest()


def precision_key(model: LanguageModel) -> dict[str, str]:
    """What tells results of a model from those of the same one in float32."""
    return {} if model.dtype == torch.float32 else {"precision": str(model.dtype)}


def known_digests(source: LanguageModel, target: LanguageModel, digests: tuple[str, str]) -> tuple[str, str]:
    """The digests of both models' files; of a model without files ("") that of its weights."""
    return digests[0] or weights_digest(source), digests[1] or weights_digest(target)


def controls(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    digests: tuple[str, str],
    report: Report,
    cache: Cache,
    massive: float = MASSIVE,
) -> Controls:
    """The controls of a pair, from the cache where they were measured before.

    `digests` are those of the models' files; a model without files ("") is known by its weights.
    """
    known = known_digests(source, target, digests)
    key = {
        "source": known[0],
        "target": known[1],
        "text": chunks_digest(chunks),
        "sites": [s.name for s in sites],
        "massive": massive,
        **precision_key(source),
    }
    untrained: dict[str, list[Splits]] = {s.name: [] for s in sites}
    for number in range(UNTRAINED_SEEDS):

        def make(number: int = number) -> dict[str, torch.Tensor]:
            found = plain_moments(
                source,
                untrained_target(source, target, known, number),
                chunks,
                sites,
                report,
                f"null: untrained target {number + 1} of {UNTRAINED_SEEDS}",
                massive,
            )
            return {
                f"{site.name}|{split}|{part}": torch.as_tensor(getattr(moments, part)).cpu()
                for site, splits in found.items()
                for split, moments in enumerate(splits)
                for part in SUMS
            }

        tensors = cache.tensors("untrained", {**key, "number": number}, make)
        for site in sites:
            loaded = [[tensors[f"{site.name}|{split}|{part}"].to(source.device) for part in SUMS] for split in range(3)]
            a, b, c = (Moments(int(n), *sums) for n, *sums in loaded)
            untrained[site.name].append((a, b, c))
    positive = cache.value(
        "positive",
        {k: v for k, v in key.items() if k != "target"},
        PositiveControl,
        lambda: positive_control(source, chunks, sites, report, massive=massive),
    )
    return Controls(untrained, positive)


def positive_control(
    source: LanguageModel,
    chunks: Chunks,
    sites: Sequence[Site],
    report: Report,
    massive: float = MASSIVE,
    rows_per_dimension: int = LEAST_ROWS_PER_DIMENSION,
) -> PositiveControl:
    """Fit R between the source and itself rotated by a known Q, on about 20·d rows; EV must come back as 1.

    The twin where the family has an exact one, so that hooks and forward passes are tested too; else Q is planted on
    the activations.
    """
    d = source.d_model
    least = rows_per_dimension * d
    fit, test = sample(chunks.split("fit"), least), sample(chunks.split("test"), least // 4)
    exact = source.network.config.model_type in FAMILIES and ranks.slices() == 1
    other = make_twin(source, 0) if exact else source
    q = haar(d, 0, special=True).float().to(source.device)
    limits = NormLimits(factor=massive)
    found = {site: (Moments.zero(d, source.device), Moments.zero(d, source.device)) for site in sites}
    for number, part in enumerate((fit, test)):
        report("positive control", (number + 1) / 2)
        for rows in paired_rows(source, other, part, sites, limits):
            for site, pair in rows.items():
                planted = pair if exact else replace(pair, target=pair.target @ q)
                found[site][number].add(planted.source[pair.keep], planted.target[pair.keep])
    ranks.add_up(part for both in found.values() for sums in both for part in ranks.fields(sums, *SUMS))
    evs = tuple(maps.linear_ev(orthogonal_factor(f.cross), f, t) for f, t in found.values())
    return PositiveControl("twin" if exact else "planted", evs, min(evs) >= CONTROL_EV)
