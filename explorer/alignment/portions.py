"""Text in growing portions: documents in random order, each portion about as much as all before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.alignment.site_maps import LEAST_ROWS_PER_DIMENSION
from explorer.text import Chunks, number_by_content, shuffle, split_of

SPARE = 1.1
"""The first portion has so many times the rows that are needed: some are dropped for their norm."""
FIT_DOCUMENTS, VALIDATION_DOCUMENTS, TEST_DOCUMENTS = 20, 10, 10
"""Different documents of each split in the first portion."""


@dataclass(frozen=True)
class Portion:
    """Some documents of a text."""

    fit: Chunks
    """Windows of the fit split in random order, documents of the same tokens under one number."""
    validation: Chunks
    """Windows of the validation split."""
    test: Chunks
    """Windows of the test split."""
    windows: Tensor
    """Which windows of the text it has, in their order."""


def draw_portions(chunks: Chunks, d: int, seed: int = 0) -> list[Portion]:
    """A text in portions. The first has what maps of width d need, each other one doubles what was read.

    Documents are drawn at random, so that what was read is always a random part of the whole, however a file is sorted.
    """
    documents, place = chunks.document.unique(return_inverse=True)
    rank = _ranks(documents.tolist(), seed)
    at = rank[place]
    first = _first(chunks, at, len(documents), d)
    ends = [first]
    while ends[-1] < len(documents):
        # What would be left for a last portion must be worth a look of its own.
        doubled = 2 * ends[-1]
        ends.append(doubled if 1.5 * doubled < len(documents) else len(documents))
    splits = {name: chunks.split(name) for name in ("fit", "validation", "test")}
    numbered = {**splits, "fit": number_by_content(splits["fit"])}
    ranks = {name: rank[torch.searchsorted(documents, part.document)] for name, part in splits.items()}
    portions = []
    for begin, end in zip([0, *ends], ends, strict=False):
        parts = {
            name: part[torch.nonzero((ranks[name] >= begin) & (ranks[name] < end)).squeeze(1)]
            for name, part in numbered.items()
        }
        windows = torch.nonzero((at >= begin) & (at < end)).squeeze(1)
        portions.append(Portion(shuffle(parts["fit"]), parts["validation"], parts["test"], windows))
    return portions


def _ranks(documents: list[int], seed: int) -> Tensor:
    """The place of each document in a random order in which every split comes as often as in the whole text."""
    generator = torch.Generator().manual_seed(seed)
    splits = [split_of(document) for document in documents]
    place = torch.zeros(len(documents), dtype=torch.float64)
    for name in sorted(set(splits)):
        mine = torch.tensor([i for i, split in enumerate(splits) if split == name])
        place[mine] = (torch.randperm(len(mine), generator=generator).double() + 0.5) / len(mine)
    rank = torch.empty(len(documents), dtype=torch.long)
    rank[place.argsort(stable=True)] = torch.arange(len(documents))
    return rank


def _first(chunks: Chunks, at: Tensor, count: int, d: int) -> int:
    """How many documents of the random order the first portion needs."""
    rows = torch.zeros(count).index_add_(0, at, chunks.scored.sum(1).float())
    different = number_by_content(chunks)
    number = torch.zeros(count, dtype=torch.long)
    number[at] = different.document
    original = torch.zeros(count, dtype=torch.long)
    original[at] = chunks.document
    least = {"fit": FIT_DOCUMENTS, "validation": VALIDATION_DOCUMENTS, "test": TEST_DOCUMENTS}
    seen: dict[str, set[int]] = {name: set() for name in least}
    fitted = 0.0
    for i in range(count):
        split = split_of(int(original[i]))
        seen[split].add(int(number[i]))
        fitted += float(rows[i]) if split == "fit" else 0.0
        enough = fitted >= SPARE * LEAST_ROWS_PER_DIMENSION * d
        if enough and all(len(seen[name]) >= n for name, n in least.items()):
            return i + 1
    return count
