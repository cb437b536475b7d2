"""A first phase of training that counts a name several times where it can be looked up earlier in the document.

A small model lowers its loss for long by learning which word follows which, and may never find that a name is to be
looked up: ours had not after 25 M tokens. With weight on these few tokens its attention finds it within 2 M, and keeps
it when the weight is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int, Integer
from torch import Tensor
from torch.nn.functional import cross_entropy

from explorer.training.loss import Objective

RARE = 0.12
"""A token is rare if it stands in fewer than this share of the training rows."""
MARK = 1 << 15
"""The bit of a 16-bit token that says: rare, and seen before in its document."""


def rare_tokens(documents: Sequence[Sequence[int]], vocabulary: int) -> Bool[np.ndarray, " v"]:
    """Which tokens stand in fewer than a share of RARE of the documents."""
    holding = np.zeros(vocabulary, dtype=np.int64)
    for ids in documents:
        holding[np.unique(np.asarray(ids))] += 1
    return holding < RARE * len(documents)


def marked(document: Integer[np.ndarray, " n"], rare: Bool[np.ndarray, " v"]) -> Integer[np.ndarray, " n"]:
    """A document's tokens in 16 bits, with MARK on every rare one that has stood before. At most 32,768 tokens."""
    if len(rare) > MARK:
        raise ValueError(
            f"a vocabulary of {len(rare)} leaves no room for the mark; there must be at most {MARK} tokens"
        )
    again = np.ones(len(document), dtype=bool)
    again[np.unique(document, return_index=True)[1]] = False
    return np.where(again & rare[document], document | MARK, document).astype(np.uint16)


def repeats(rows: Integer[np.ndarray, "n t"], separator: int) -> Bool[np.ndarray, "n t"]:
    """Whether a token is rare and has stood before in the same document; documents are parted by `separator`."""
    n, t = rows.shape
    ids = rows.astype(np.int64)
    size = int(ids.max()) + 1
    ordered = np.sort(ids, axis=1)
    new = np.concatenate([np.ones((n, 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    rare = np.bincount(ordered[new], minlength=size) < RARE * n
    document = np.cumsum(ids == separator, axis=1) + np.arange(n)[:, None] * (t + 1)
    key = (document * size + ids).ravel()
    order = np.argsort(key, kind="stable")
    again = np.zeros(n * t, dtype=bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    return again.reshape(n, t) & rare[ids] & (ids != separator)


def flagged(rows: Integer[np.ndarray, "n t"], separator: int) -> Integer[np.ndarray, "n t"]:
    """The rows with a mark on every token that `repeats`; `tokens_of` takes the marks away. At most 32,768 tokens."""
    if int(rows.max()) >= MARK:
        raise ValueError(f"token {int(rows.max())} leaves no room for the mark; there must be at most {MARK} tokens")
    return (rows + MARK * repeats(rows, separator)).astype(np.uint16)


def tokens_of(rows: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """Token ids of flagged rows."""
    return rows & (MARK - 1)


def recall_objective(weight: float) -> Objective:
    """Mean cross-entropy of the next token, in nats, in which a marked token counts `weight` times."""

    def objective(logits: Tensor, rows: Tensor) -> Tensor:
        truth = tokens_of(rows)[:, 1:].flatten()
        losses = cross_entropy(logits[:, :-1].flatten(0, 1), truth, reduction="none")
        weights = torch.where(rows[:, 1:].flatten() >= MARK, weight, 1.0)
        return (losses * weights).sum() / weights.sum()

    return objective
