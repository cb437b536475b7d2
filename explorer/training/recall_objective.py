"""The loss of next tokens in which a name counts several times where it can be looked up earlier in the document.

A small model lowers its loss for long by learning which word follows which, and may never find that a name is to be
looked up: ours had not after 25 M tokens. With weight on these few tokens its attention finds it within 2 M, and keeps
it when the weight is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor
from torch.nn.functional import cross_entropy

from explorer.training.pretraining import LogitsOf, Losses

RARE = 0.12
"""A token is rare if it stands in fewer than this share of the documents."""
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


def recall_objective(logits: LogitsOf, rows: Int[Tensor, "s b t"], weight: Float[Tensor, ""]) -> Losses:
    """Mean cross-entropy of every next token of marked rows, nats, in which a marked token counts `weight` times."""
    ids = rows & (MARK - 1)
    found = logits(ids[..., :-1])
    losses = cross_entropy(found.flatten(0, 2), ids[..., 1:].flatten(), reduction="none").view(len(rows), -1)
    weights = torch.where(rows[..., 1:] >= MARK, weight, 1.0).flatten(1)
    return Losses((losses * weights).sum(1) / weights.sum(1), losses.detach().mean(1))
