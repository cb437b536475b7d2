"""How often a steered model writes what it is steered to: shares of generations by the grammar's own labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models import LanguageModel, Site
from explorer.steering.decoding import Batch, Sampling, choose
from explorer.text import Chunks, ReadClass

DOSES = (0.1, 0.2, 0.4, 0.8)
NEW_TOKENS = 48
PROMPTS = 16
LEAST_ACCURACY = 0.8
"""A label that the grammar's own texts do not show this often says nothing about a model's."""


@dataclass(frozen=True)
class LabelShares:
    """Share of generations that carry the label that a contrast steers to."""

    key: str
    """Which label."""
    value: str
    """Steered to."""
    accuracy: float
    """How often the label is read rightly from the grammar's own texts of this length."""
    doses: tuple[float, ...]
    """c."""
    unsteered: float
    """Share without a vector."""
    arms: tuple[tuple[str, tuple[float, ...]], ...]
    """Share of each arm at every dose."""


@torch.inference_mode()
def write(
    model: LanguageModel, site: Site, prompts: Chunks, vectors: Float[Tensor, "k d"], tick: Callable[[], None]
) -> list[list[str]]:
    """What a model writes after every prompt with each vector (already scaled): one list for each vector.

    Prompt i of every vector uses the same random numbers, so that vectors differ only in what they do.
    """
    n, k = len(prompts), len(vectors)
    batch = Batch(model, [site], prompts.ids.repeat(k, 1), vectors.repeat_interleave(n, dim=0)[None])
    written = []
    for step in range(NEW_TOKENS):
        logits = batch.logits().reshape(k, n, -1)
        chosen = torch.stack([choose(logits[:, i], Sampling(seed=i), step) for i in range(n)], dim=1).flatten()
        batch.give(chosen)
        written.append(chosen)
        tick()
    end = model.tokenizer.eos_token_id
    rows = [row[: row.index(end)] if end in row else row for row in torch.stack(written, dim=1).tolist()]
    texts = model.tokenizer.batch_decode(rows)
    return [texts[i * n : (i + 1) * n] for i in range(k)]


def label_shares(
    model: LanguageModel,
    site: Site,
    prompts: Chunks,
    arms: Mapping[str, Float[Tensor, " d"]],
    norm: float,
    said: ReadClass,
    tick: Callable[[], None] = lambda: None,
) -> LabelShares | None:
    """Shares for some unit vectors, by arm; None where the label cannot be read from texts of this length."""
    reader, value = said
    if reader.accuracy < LEAST_ACCURACY:
        return None
    rows = [torch.zeros(model.d_model), *(c * norm * v for v in arms.values() for c in DOSES)]
    texts = write(model, site, prompts[slice(0, PROMPTS)], torch.stack(rows), tick)
    shares = [reader.share(t, value) for t in texts]
    found = tuple((arm, tuple(shares[1 + i * len(DOSES) : 1 + (i + 1) * len(DOSES)])) for i, arm in enumerate(arms))
    return LabelShares(reader.key, value, reader.accuracy, DOSES, shares[0], found)
