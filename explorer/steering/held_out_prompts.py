"""The held-out prompts on which vectors are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from explorer.errors import InputError
from explorer.text import Chunks, Corpus, chunk_documents

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPTS = 24


def held_out_prompts(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, made: bool = False) -> Chunks:
    """The first tokens of documents that no vector was made from, the same for every vector of a study.

    `made` gives others, to choose from without touching these. Raises InputError where fewer than two are long enough.
    """
    # The tokenizer's end is no token of a prompt: documents that are shorter than a prompt are left out.
    chunks = chunk_documents(corpus.prompts(held_out=not made), tokenizer, corpus.prompt_tokens)
    long_enough = (chunks.offset == 0) & chunks.valid.all(1)
    chosen = torch.nonzero(long_enough).squeeze(1)[:PROMPTS]
    if len(chosen) < 2:
        raise InputError(
            f"no two held-out documents have {corpus.prompt_tokens} tokens: steering cannot be measured on this text"
        )
    return chunks[chosen]
