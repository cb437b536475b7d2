"""How many texts count as the class to which a vector leads, lane by lane, counted from fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from explorer.models import Site
from explorer.steering.continuations import continuations
from explorer.steering.generation import Lane
from explorer.steering.reading_shares import ClassCount
from explorer.text import ClassReader

BATCH = 4
"""Seeds whose texts are written at a time: after each batch the counts are told."""


def added(a: Mapping[str, ClassCount], b: Mapping[str, ClassCount]) -> dict[str, ClassCount]:
    """The counts of every lane of both together."""
    return {lane: a.get(lane, ClassCount(0, 0)) + b.get(lane, ClassCount(0, 0)) for lane in {**a, **b}}


def count_texts(
    lanes_of: Callable[[int], Sequence[Lane]],
    sites: Sequence[Site],
    prompt: str,
    reader: ClassReader,
    seeds: Sequence[int],
    tick: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, ClassCount]]:
    """Count the texts that every lane writes after a prompt, one for each seed; the counts of each batch of seeds.

    `lanes_of(seed)` builds the lanes of one seed, as those with a random direction draw it anew; `seeds` follow one
    another. `tick` is called after every token of all lanes of one model. Texts are as long as those of
    `explorer.steering.reading_shares`, and read as they are.
    """
    for start in range(0, len(seeds), BATCH):
        batch = seeds[start : start + BATCH]
        built = [lanes_of(seed) for seed in batch]
        by_model: dict[int, list[int]] = {}
        for k, lane in enumerate(built[0]):
            by_model.setdefault(id(lane.model), []).append(k)
        counts: dict[str, ClassCount] = {}
        for own in by_model.values():
            model = built[0][own[0]].model
            rows = torch.zeros(len(sites), len(own), len(batch), model.d_model)
            for j, k in enumerate(own):
                for i, lanes in enumerate(built):
                    vector = lanes[k].vector
                    if vector is not None:
                        rows[:, j, i] = vector
            written = continuations(model, sites, prompt, rows, batch[0], tick)
            for k, texts in zip(own, written, strict=True):
                counts[built[0][k].key] = ClassCount(sum(reader.read(texts)), len(texts))
        yield {lane.key: counts[lane.key] for lane in built[0]}
