"""The text that the models of the Tales study are trained on: a tokenizer, and rows of tokens, kept for later runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Integer

from explorer.files import replacing
from explorer.text.tales import stories as tales
from explorer.training.pretraining import pack
from explorer.training.tales.recipe import Workshop
from explorer.training.tokenizer import train_tokenizer

POLISH_DOCUMENT = 300_000
"""Number of the first training document of the second phase."""


def make_corpus(workshop: Workshop, polish: bool = False) -> Integer[np.ndarray, "n t"]:
    """The training rows of a phase, from the cache in `work` or made anew (with the tokenizer)."""
    from transformers import AutoTokenizer

    recipe = workshop.recipe
    path = workshop.out / "work" / ("polish.npy" if polish else "rows.npy")
    count = recipe.polish_rows if polish else recipe.rows
    if not workshop.tokenizer_folder.exists():
        workshop.log(f"tokenizer: training on {recipe.tokenizer_documents} documents")
        texts = itertools.islice(_texts(workshop, 0), recipe.tokenizer_documents)
        with replacing(workshop.tokenizer_folder) as partial:
            train_tokenizer(texts, recipe.vocabulary, partial)
    if path.exists():
        return np.load(path, allow_pickle=False)
    workshop.log(f"corpus: packing {count} rows of {recipe.model.context} tokens")
    tokenizer = AutoTokenizer.from_pretrained(workshop.tokenizer_folder)

    def encoded() -> Iterator[list[int]]:
        texts = _texts(workshop, POLISH_DOCUMENT if polish else 0)
        while some := list(itertools.islice(texts, 500)):
            yield from tokenizer(some, add_special_tokens=False)["input_ids"]

    rows = pack(encoded(), count, recipe.model.context, tokenizer.eos_token_id)
    with replacing(path) as partial, partial.open("wb") as file:
        np.save(file, rows)
    return rows


def _texts(workshop: Workshop, start: int) -> Iterator[str]:
    """The training documents without an end: Tales from number `start` on, or one's own text over and over."""
    if workshop.documents is not None:
        yield from itertools.cycle(workshop.documents)
    for index in itertools.count(start):
        yield tales.document("train", index).text
