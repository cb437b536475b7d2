"""What a request is made of, cached: vectors of a model, norms, native directions, classes of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explorer.steering import (
    NORM_DOCUMENTS,
    Request,
    Steering,
    TokenClasses,
    VectorSpec,
    Weighted,
    feature_tokens,
    token_classes as effect,
    token_words,
    vectors as steering,
)
from explorer.study import contrast_of, native_vector, own_vector
from explorer.text import class_words
from explorer.ui import cache
from explorer.ui.steering.vector_file import vector_of

NATIVE_CHUNKS = 600
"""Chunks of the text from whose fit split a feature's native vector is taken."""


@cache.of_study(256)
def vector(where: str, model: str, site: int, name: VectorSpec) -> torch.Tensor:
    """A unit vector of a model: its own contrast, or a decoder row of its dictionary."""
    opened = cache.study(where)
    return own_vector(opened, name, cache.model(where, model), opened.site_at(site))


@cache.of_study(256)
def native(where: str, source: str, target: str, site: int, name: VectorSpec) -> torch.Tensor | None:
    """The target's own unit vector for the same thing; None for a vector from a file."""
    if name.file is not None:
        return None
    if name.feature is None:
        return vector(where, target, site, name)
    opened, some = cache.study(where), cache.chunks(where)[slice(0, NATIVE_CHUNKS)]
    a, b = cache.model(where, source), cache.model(where, target)
    return native_vector(opened, name, a, b, opened.site_at(site), some)


@cache.of_study(128)
def stability(where: str, model: str, site: int, name: VectorSpec) -> tuple[int, int, float | None]:
    """Prompts towards and away, and the cosine between the vectors of their halves (None for fewer than two a side)."""
    opened = cache.study(where)
    contrast = contrast_of(opened, name)
    assert contrast is not None
    found = steering.halves_cosine(cache.model(where, model), opened.site_at(site), contrast)
    return len(contrast.positive), len(contrast.negative), found


@cache.of_study(64)
def median_norm(where: str, model: str, site: int) -> float:
    """Median norm of a model's rows at a site: the unit of the dose."""
    opened = cache.study(where)
    return steering.median_norm(cache.model(where, model), opened.site_at(site), opened.chunks(NORM_DOCUMENTS))


def source_vector(request: Request, site: int) -> torch.Tensor:
    """The weighted sum of the request's unit vectors at a site."""
    return torch.stack([w.weight * _unit(request, site, w) for w in request.vectors]).sum(0)


def _unit(request: Request, site: int, weighted: Weighted) -> torch.Tensor:
    if weighted.name.file is not None:
        opened = cache.study(request.study)
        return vector_of(weighted.name.file, opened.site_at(site), opened.file.d_model)
    return vector(request.study, request.source, site, weighted.name)


def class_tokens(request: Request) -> TokenClasses:
    """The two classes of tokens by which effects are read: a single contrast's own, or what A promotes."""
    model = cache.model(request.study, request.source)
    first = request.vectors[0].name
    if len(request.vectors) == 1 and first.feature is None and first.file is None:
        return _contrast_tokens(request.study, request.source, first)
    return feature_tokens(model, source_vector(request, request.sites[-1]))


def class_signs(request: Request) -> frozenset[str]:
    """The words that are signs of what the request steers to: counted in a single contrast's own texts, which needs no
    model; else those that A's vector raises most by the direct path.
    """
    first = request.vectors[0].name
    if len(request.vectors) == 1 and first.feature is None and first.file is None:
        return _contrast_words(request.study, first)
    return token_words(class_tokens(request).positive, cache.model(request.study, request.source))


@cache.of_study(128)
def _contrast_words(where: str, name: VectorSpec) -> frozenset[str]:
    contrast = contrast_of(cache.study(where), name)
    assert contrast is not None
    return class_words(contrast)


@cache.of_study(128)
def _contrast_tokens(where: str, source: str, name: VectorSpec) -> TokenClasses:
    contrast = contrast_of(cache.study(where), name)
    assert contrast is not None
    return effect.typical_tokens(contrast, cache.model(where, source))


def norms(request: Request, site: int) -> tuple[float, float]:
    """Median norms of source and target at a site; loads both models on first use."""
    a, b = (median_norm(request.study, name, site) for name in (request.source, request.target))
    return a, b


def ingredients(request: Request) -> list[Steering]:
    """What the lanes of a request are built from, one entry for each site. Raises InputError."""
    where, found = request.study, []
    fitted = cache.maps(where, request.source, request.target)
    for index in request.sites:
        site, own = cache.study(where).site_at(index), None
        if "native" in request.arms:
            own = _own(request, index)
        found.append(
            Steering(
                cache.model(where, request.source),
                cache.model(where, request.target),
                site,
                source_vector(request, index),
                fitted[site.name],
                norms(request, index),
                own,
            )
        )
    return found


def _own(request: Request, site: int) -> torch.Tensor | None:
    parts: Sequence[torch.Tensor | None] = [
        native(request.study, request.source, request.target, site, w.name) for w in request.vectors
    ]
    weights = [w.weight for w in request.vectors]
    if any(p is None for p in parts):
        return None
    return torch.stack([w * p for w, p in zip(weights, parts, strict=True) if p is not None]).sum(0)
