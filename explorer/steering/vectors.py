"""Steering vectors: where they come from, how an arm carries them to the target, and how large a dose is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import SiteMaps, maps
from explorer.errors import InputError
from explorer.models import LanguageModel, Site, residuals
from explorer.sae import SAE
from explorer.steering.arms import Arm
from explorer.text import Chunks, Contrast, TextReading, read_windows

TOGETHER = 16
"""Windows that are read together: the blocks' inner rows then stay in a CPU's caches."""


def unit(v: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """v / ‖v‖. Raises InputError for a zero or non-finite vector."""
    norm = float(v.norm())
    if not 1e-12 < norm < float("inf"):
        raise InputError("the steering vector is zero or not finite: choose another feature or other prompts")
    return v / norm


def carry(
    v: Float[Tensor, " d"], arm: Arm, fitted: SiteMaps, native: Float[Tensor, " d"] | None = None, seed: int = 0
) -> Float[Tensor, " d"]:
    """The vector with which an arm steers the target, for a vector v of the source; as long as v, but for native.

    Raises InputError for the native arm without a native vector.
    """
    if arm == "none":
        raise InputError("the arm 'none' steers nothing and carries no vector")
    if arm == "native":
        if native is None:
            raise InputError("this vector was loaded from a file: B has no vector of its own for it")
        return native
    if arm == "random":
        return unit(maps.haar(len(v), 10_000 + seed)[0].float()) * v.norm()
    return fitted[arm].direction(v)


@torch.inference_mode()
def mean_activation(
    model: LanguageModel,
    site: Site,
    texts: Sequence[str],
    tokens: Sequence[Sequence[int]] | None = None,
) -> Float[Tensor, " d"]:
    """Mean residual row over all tokens of some texts (position 0 left out), or over chosen positions in them."""
    chunks = read_windows(texts, model.tokenizer, TextReading(model.window, model.begin))
    total, n = torch.zeros(model.d_model), 0
    # Windows of like length together: as they come, a third of all positions would be padding.
    for batch in chunks.by_length().batches(TOGETHER):
        counted = batch.scored
        if tokens is not None:
            # Positions are those in the document: a window's begin at its offset.
            own = [
                torch.tensor(tokens[int(d)], dtype=torch.long) - o
                for d, o in zip(batch.document, batch.offset, strict=True)
            ]
            chosen = torch.zeros_like(counted)
            for row, positions in enumerate(own):
                chosen[row, positions[(positions >= 0) & (positions < counted.shape[1])]] = True
            counted = counted & chosen
        rows = residuals(model, batch.ids, [site])[site][counted]
        total, n = total + rows.sum(0).cpu(), n + len(rows)
    if n == 0:
        raise InputError("the prompts hold no token after their first: give longer prompts")
    return total / n


ClassMeans = dict[tuple[tuple[str, ...], tuple[tuple[int, ...], ...] | None], Tensor]
"""Means of classes by their texts and tokens: several contrasts may share a class."""


def contrast_vector(
    model: LanguageModel, site: Site, contrast: Contrast, known: ClassMeans | None = None
) -> Float[Tensor, " d"]:
    """Unit difference of means, positive − negative, measured on one model; `known` keeps the means at this site."""
    known = {} if known is None else known
    means = []
    for texts, tokens in (
        (contrast.positive, contrast.positive_tokens),
        (contrast.negative, contrast.negative_tokens),
    ):
        key = tuple(texts), None if tokens is None else tuple(map(tuple, tokens))
        if key not in known:
            known[key] = mean_activation(model, site, texts, tokens)
        means.append(known[key])
    return unit(means[0] - means[1])


def halves_cosine(model: LanguageModel, site: Site, contrast: Contrast) -> float | None:
    """Cosine between the vectors of the even and of the odd prompts: how much the vector depends on which were given.

    None where a class has fewer than two prompts.
    """
    if min(len(contrast.positive), len(contrast.negative)) < 2:
        return None
    halves = []
    for start in (0, 1):
        every = slice(start, None, 2)
        positive, negative = contrast.positive_tokens, contrast.negative_tokens
        part = replace(
            contrast,
            positive=contrast.positive[every],
            negative=contrast.negative[every],
            positive_tokens=positive and positive[every],
            negative_tokens=negative and negative[every],
        )
        halves.append(contrast_vector(model, site, part))
    return float(halves[0] @ halves[1])


def feature_vector(sae: SAE, feature: int) -> Float[Tensor, " d"]:
    """The decoder row of a feature. Raises InputError for an index that the dictionary does not have."""
    if not 0 <= feature < sae.n_features:
        raise InputError(f"no feature {feature}: this dictionary has 0 … {sae.n_features - 1}")
    return unit(sae.W_dec[feature])


@torch.inference_mode()
def native_vectors(
    source: LanguageModel, target: LanguageModel, sae: SAE, features: Sequence[int], site: Site, chunks: Chunks
) -> list[Float[Tensor, " d"] | None]:
    """The target's own unit direction for each feature of the source: the mean of x̃_B weighted by A's activation.

    None for a feature that never fires on these chunks.
    """
    weighted, total, n = torch.zeros(len(features), target.d_model), torch.zeros(target.d_model), 0
    weight, sae = torch.zeros(len(features)), sae.to(source.device)
    for batch in chunks.batches(64):
        a = residuals(source, batch.ids, [site])[site][batch.scored]
        b = residuals(target, batch.ids, [site])[site][batch.scored]
        activation = sae.encode(a)[:, list(features)]
        weighted += (activation.T @ b).cpu()
        weight += activation.sum(0).cpu()
        total, n = total + b.sum(0).cpu(), n + len(b)
    return [unit(row / w - total / n) if float(w) > 0 else None for row, w in zip(weighted, weight, strict=True)]


@torch.inference_mode()
def median_norm(model: LanguageModel, site: Site, chunks: Chunks) -> float:
    """Median norm of a model's scored rows at a site: the unit of the dose."""
    batch = chunks[slice(0, 64)]
    return float(residuals(model, batch.ids, [site])[site][batch.scored].norm(dim=-1).median())
