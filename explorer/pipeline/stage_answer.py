"""What both models of a pair expect next: whole words with their probabilities, after a prompt that the source chooses."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from explorer.models import token_pieces, token_text
from explorer.study import Answer, NextWord

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.text import Chunks

WORDS = 5
"""Words that are shown of each model."""
DOCUMENTS, LENGTHS, LONGEST = 24, range(7, 17), 48
"""Test documents that are looked through, words of a prompt, and tokens that hold them."""
BRACKETS = 12
"""Tokens of a prompt where the text has no words."""
BRANCHES, MOST_STEPS = 12, 80
"""Tokens that are followed from each beginning of a word, and beginnings that are followed."""


class Prompt(NamedTuple):
    """A beginning of a document."""

    ids: Int[Tensor, " t"]
    """Its tokens, with the one that stands before a document, if any."""
    text: str
    """What a person reads."""


def answer(source: LanguageModel, target: LanguageModel, prompt: Prompt) -> Answer:
    """The likeliest next words of both models."""
    return Answer(prompt.text, *(next_words(model, prompt.ids) for model in (source, target)))


def choose_prompt(model: LanguageModel, chunks: Chunks) -> Prompt | None:
    """Of the beginnings of the first documents the one after which the source's fifth word is likeliest, so that five
    words can be seen; the target has no say. Text without words: the first document's beginning. None without one.
    """
    begins = [i for i in range(len(chunks)) if chunks.offset[i] <= 0][:DOCUMENTS]
    best: tuple[float, Prompt] | None = None
    for i in begins:
        pieces = chunks.pieces(i, model.tokenizer)[:LONGEST]
        ids = chunks.ids[i, : len(pieces)]
        if not any(piece[:1].isspace() for piece in pieces):
            if len(pieces) > BRACKETS:
                return Prompt(ids[:BRACKETS], "".join(pieces[:BRACKETS]))
            continue
        probabilities = model.logits(ids[None])[0].softmax(-1)
        for end in range(2, len(pieces)):
            text = "".join(pieces[:end])
            if not _begins_word(pieces[end]) or len(text.split()) not in LENGTHS or "\n" in text.strip():
                continue
            top = probabilities[end - 1].topk(WORDS)
            words = all(_begins_word(token_text(model.tokenizer, [k])) for k in top.indices.tolist())
            if words and (best is None or float(top.values[-1]) > best[0]):
                best = float(top.values[-1]), Prompt(ids[:end], text.strip())
    return best and best[1]


def next_words(model: LanguageModel, prompt: Int[Tensor, " t"], count: int = WORDS) -> list[NextWord]:
    """The likeliest next words, the likeliest first: P(word) = P(its tokens) · P(a new word begins after them).

    The search goes on from the likeliest beginning that it has; no beginning can become likelier by going on.
    """
    waiting: list[tuple[float, tuple[int, ...], bool]] = [(-1.0, (), False)]
    spaced = any(token_text(model.tokenizer, [i])[:1].isspace() for i in range(model.vocabulary))
    found: list[NextWord] = []
    for _ in range(MOST_STEPS):
        if not waiting or len(found) == count:
            break
        less, tokens, whole = heapq.heappop(waiting)
        if whole:
            found.append(NextWord(model.tokenizer.decode(list(tokens)).strip() or "¶", round(-less, 4)))
            continue
        after = torch.cat([prompt, torch.tensor(tokens, dtype=prompt.dtype)])[None]
        probability = -less * model.logits(after)[0, -1].softmax(-1).cpu()
        order = probability.topk(min(len(probability), 200))
        pieces = {k: token_text(model.tokenizer, [k]) for k in order.indices.tolist()}
        follows = [k for k in pieces if not tokens or pieces[k][:1].isalnum()][:BRANCHES]
        for k in follows:
            ends = not tokens and not (spaced and _begins_word(pieces[k]))
            heapq.heappush(waiting, (-float(probability[k]), (*tokens, k), ends))
        if tokens:
            ended = sum(float(probability[k]) for k in pieces if not pieces[k][:1].isalnum())
            heapq.heappush(waiting, (-ended, tokens, True))
    return found


def _begins_word(piece: str) -> bool:
    return piece[:1].isspace() and piece.strip()[:1].isalpha()


def word_pieces(model: LanguageModel, ids: list[int]) -> list[list[int]]:
    """Places of the tokens of each word; every token by itself where the text has no spaces."""
    pieces = token_pieces(model.tokenizer, ids)
    spaced = any(piece[:1].isspace() for piece in pieces)
    words: list[list[int]] = []
    for i, piece in enumerate(pieces):
        if words and spaced and not piece[:1].isspace():
            words[-1].append(i)
        else:
            words.append([i])
    return words
