"""The held-out prompts on which vectors are judged."""

from __future__ import annotations

from dataclasses import replace

import torch

from explorer.errors import InputError
from explorer.models import LanguageModel
from explorer.text import BLOCK, Chunks, Corpus, TextReading, read_windows

PROMPTS = 24


def held_out_prompts(corpus: Corpus, model: LanguageModel, made: bool = False) -> Chunks:
    """The first tokens of documents that no vector was made from, the same for every vector of a study.

    Where documents are few, those of the test split's blocks. `made` gives others, to choose from without touching
    these. Raises InputError where fewer than two are long enough.
    """
    length = corpus.prompt_tokens + (model.begin is not None)
    if corpus.in_blocks:
        found = _of_blocks(corpus, model, made)
    else:
        texts = corpus.prompts(held_out=not made)
        found = read_windows(texts, model.tokenizer, TextReading(length, model.begin, cut=True))
        found = found[torch.nonzero(found.offset <= 0).squeeze(1)]
    # The tokenizer's end is no token of a prompt: documents that are shorter than a prompt are left out.
    chosen = torch.nonzero(found.valid.sum(1) == length).squeeze(1)[:PROMPTS]
    if len(chosen) < 2:
        raise InputError(
            f"no two held-out documents have {corpus.prompt_tokens} tokens: steering cannot be measured on this text"
        )
    return found[chosen]


def _of_blocks(corpus: Corpus, model: LanguageModel, made: bool) -> Chunks:
    """The beginnings of the blocks of one split, each after what stands before a document."""
    whole = read_windows(
        [d.text for d in corpus.documents()], model.tokenizer, TextReading(BLOCK, blocks=True, cut=True)
    )
    found = whole.split("validation" if made else "test")
    ids, valid = found.ids[:, : corpus.prompt_tokens], found.valid[:, : corpus.prompt_tokens]
    if model.begin is not None:
        ids, valid = (torch.cat([torch.full_like(x[:, :1], y), x], 1) for x, y in ((ids, model.begin), (valid, True)))
    return replace(found, ids=ids, valid=valid, first=torch.full_like(found.first, model.begin is not None))
