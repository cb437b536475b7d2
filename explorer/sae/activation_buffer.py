"""Residual rows of a text for training dictionaries: read in pools, handed out in batches of random order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from explorer.models import LanguageModel, NormLimits, Site, residuals


class Part(NamedTuple):
    """Some text that goes through a model together."""

    ids: Int[Tensor, "n t"]
    """Token ids."""
    wanted: Bool[Tensor, "n t"]
    """At which tokens rows are read."""


def after_first(ids: Integer[np.ndarray, "n t"]) -> Part:
    """Every token but the first of each row."""
    part = torch.from_numpy(ids.astype(np.int64))
    return Part(part, (torch.arange(part.shape[1]) > 0).expand(part.shape))


def read_rows(
    model: LanguageModel,
    text: Iterable[Part],
    sites: Sequence[Site],
    enough: int | None = None,
    limits: NormLimits | None = None,
) -> dict[Site, Float[Tensor, "m d"]]:
    """The rows of a text at some sites, in the text's order; one forward pass of each part serves all sites.

    Takes no more parts than `enough` tokens need. Rows that `limits` tell to be massive are left out.
    """
    parts: dict[Site, list[Tensor]] = {site: [] for site in sites}
    count = 0
    for ids, wanted in text:
        for site, rows in residuals(model, ids, sites).items():
            here = wanted.to(rows.device)
            kept = here if limits is None else here & limits.within("A", site, rows, here)
            parts[site].append(rows[kept])
        count += int(wanted.sum())
        if enough is not None and count >= enough:
            break
    return {site: torch.cat(found) for site, found in parts.items()}


def shuffled_batches(
    model: LanguageModel,
    text: Iterator[Part],
    sites: Sequence[Site],
    batch: int,
    count: int,
    pool: int,
    rng: np.random.Generator,
    uses: int = 1,
) -> Iterator[dict[Site, Float[Tensor, "b d"]]]:
    """`count` batches of rows at every site. A pool of `pool` batches is filled and emptied in random order.

    Each pool is emptied `uses` times before the next is filled.
    """
    made = 0
    while made < count:
        need = min(pool, count - made) * batch
        rows = read_rows(model, text, sites, need)
        for _ in range(uses):
            order = torch.from_numpy(rng.permutation(len(rows[sites[0]]))).to(model.device)
            for chosen in order[:need].split(batch)[: count - made]:
                yield {site: found[chosen] for site, found in rows.items()}
                made += 1
