"""What a model writes after one prompt with many vectors: all of them, at one site or several, as rows of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models import LanguageModel, Site, check_prompt, token_text
from explorer.steering.decoding import Batch, Sampling, choose
from explorer.steering.reading_shares import NEW_TOKENS, TEMPERATURE


@torch.inference_mode()
def continuations(
    model: LanguageModel,
    sites: Sequence[Site],
    prompt: str,
    vectors: Float[Tensor, "sites k n d"],
    first: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> list[list[str]]:
    """n texts for each of k vectors (already scaled), without the prompt.

    Text i of every vector has the seed `first` + i, so that vectors differ only in what they do: it is what a lane of
    the page writes with that seed. `tick` is called after every token of all rows.
    """
    _, k, n, _ = vectors.shape
    batch = Batch(model, sites, check_prompt(model, prompt).repeat(k * n, 1), vectors.flatten(1, 2))
    written = []
    for step in range(NEW_TOKENS):
        if batch.full:
            break
        logits = batch.logits().reshape(k, n, -1)
        drawn = [choose(logits[:, i], Sampling(TEMPERATURE, first + i), step) for i in range(n)]
        written.append(torch.stack(drawn, dim=1).flatten())
        batch.give(written[-1])
        tick()
    end = model.tokenizer.eos_token_id
    rows = [row[: row.index(end)] if end in row else row for row in torch.stack(written, dim=1).tolist()]
    texts = [token_text(model.tokenizer, row) for row in rows]
    return [texts[i * n : (i + 1) * n] for i in range(k)]
