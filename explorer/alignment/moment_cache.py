"""The first pass of a pair in the cache: a run that was stopped, or has another dictionary, does not read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from explorer.alignment.first_pass import SHUFFLES, SiteMoments
from explorer.alignment.moments import CrossMoments, Moments
from explorer.cache import Cache
from explorer.models import NormLimits, Site
from explorer.text import Chunks

KEPT_MOMENTS = 1_000_000_000
"""Bytes. More is read again rather than kept: the files of a wide and deep pair would fill a disk."""
_TOKENS = ("slot", "count", "source", "target", "target_source")

Found = dict[Site, SiteMoments]


def kept_moments(
    cache: Cache,
    key: Mapping[str, Any],
    sites: Sequence[Site],
    limits: NormLimits,
    make: Callable[[], Found],
    device: torch.device,
) -> Found:
    """Pass 1 from the cache, on `device`, or made and kept; `limits` are filled as pass 1 fills them."""
    fresh: list[Found] = []

    def made() -> dict[str, Tensor]:
        fresh.append(make())
        tensors = {
            f"limit|{model}|{site}": torch.tensor(v, dtype=torch.float64) for (model, site), v in limits.limits.items()
        }
        for site, found in fresh[0].items():
            tensors |= {f"{site.name}|{name}": t for name, t in _pack(found).items()}
        if sum(t.numel() * t.element_size() for t in tensors.values()) > KEPT_MOMENTS:
            raise _TooLarge
        return tensors

    try:
        tensors = cache.tensors("moments", key, made)
    except _TooLarge:
        return fresh[0]
    if fresh:
        return fresh[0]
    for name, value in tensors.items():
        if name.startswith("limit|"):
            _, model, site = name.split("|")
            limits.limits[model, site] = value.item()
    return {
        site: _unpack({n.partition("|")[2]: t.to(device) for n, t in tensors.items() if n.startswith(f"{site.name}|")})
        for site in sites
    }


class _TooLarge(Exception):
    """More than `KEPT_MOMENTS`."""


def _pack(found: SiteMoments) -> dict[str, Tensor]:
    sums = {"half0": found.halves[0], "half1": found.halves[1], "validation": found.validation}
    every: dict[str, Moments | CrossMoments] = {
        **sums,
        **{f"shuffled{i}": s for i, s in enumerate(found.shuffled)},
    }
    out = {f"{name}.{f.name}": torch.as_tensor(getattr(m, f.name)) for name, m in every.items() for f in fields(m)}
    out |= {f"tokens.{name}": getattr(found.tokens, name) for name in _TOKENS}
    out["tokens.n"] = torch.tensor(found.tokens.n)
    if found.tokens.centre is not None:
        out |= {f"tokens.centre{i}": t for i, t in enumerate(found.tokens.centre)}
    for i, (rows, orthogonal, affine) in enumerate(found.curve):
        out |= {f"curve{i}.rows": torch.tensor(rows), f"curve{i}.orthogonal": orthogonal, f"curve{i}.affine": affine}
    out["dropped"] = torch.tensor(found.dropped)
    # Two names of one storage cannot be saved.
    return {name: t.to("cpu", copy=True) for name, t in out.items()}


def _unpack(tensors: Mapping[str, Tensor]) -> SiteMoments:
    def sums(kind: type[Any], name: str) -> Any:
        n, *rest = (tensors[f"{name}.{f.name}"] for f in fields(kind))
        return kind(int(n), *rest)

    none = torch.zeros(0, 1, dtype=torch.long)
    nothing = Chunks(none, none.bool(), none[:, 0], none[:, 0], none[:, 0])
    found = SiteMoments(len(tensors["validation.sum_source"]), nothing, 0)
    found.halves = (sums(Moments, "half0"), sums(Moments, "half1"))
    found.validation = sums(Moments, "validation")
    found.shuffled = [sums(CrossMoments, f"shuffled{i}") for i in range(SHUFFLES)]
    for name in _TOKENS:
        setattr(found.tokens, name, tensors[f"tokens.{name}"])
    found.tokens.n = int(tensors["tokens.n"])
    if "tokens.centre0" in tensors:
        found.tokens.centre = (tensors["tokens.centre0"], tensors["tokens.centre1"])
    i = 0
    while f"curve{i}.rows" in tensors:
        rows, orthogonal, affine = (tensors[f"curve{i}.{part}"] for part in ("rows", "orthogonal", "affine"))
        found.curve.append((int(rows), orthogonal, affine))
        i += 1
    found.dropped = int(tensors["dropped"])
    return found
