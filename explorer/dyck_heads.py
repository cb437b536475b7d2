"""The label heads of a Dyck-3 model: what it says of every bracket, and how often it is right.

The vocabulary is the start mark, the six brackets, and 17 label tokens that never occur in the text: "is (", "depth 3",
"valid", "broken". The rows of the unembedding that belong to one head are compared only with each other, so each head
has a softmax of its own, at every bracket and from one residual stream: the paper's three heads in a stock model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import dyck

if TYPE_CHECKING:
    from explorer.models import LanguageModel

N_TEXT = 1 + len(dyck.BRACKETS)
COPY = slice(N_TEXT, N_TEXT + len(dyck.BRACKETS))
"""Label tokens that name the bracket just read (the paper's bracket head)."""
DEPTH = slice(COPY.stop, COPY.stop + dyck.MAX_DEPTH + 1)
"""Label tokens for the number of open brackets."""
VALIDITY = slice(DEPTH.stop, DEPTH.stop + 2)
"""valid, broken."""
VOCABULARY = VALIDITY.stop
LABEL_TOKENS = (
    *(f"is {b}" for b in dyck.BRACKETS),
    *(f"depth {i}" for i in range(dyck.MAX_DEPTH + 1)),
    "valid",
    "broken",
)


@dataclass(frozen=True)
class HeadAccuracy:
    """Share of brackets at which each head is right."""

    bracket: float
    """The bracket just read."""
    depth: float
    """The number of open brackets, at the brackets of valid text."""
    validity: float
    """Whether the document is broken."""


@torch.inference_mode()
def head_accuracy(
    model: LanguageModel, tokens: Int[np.ndarray, "n t"], labels: dyck.Labels, batch: int = 256
) -> HeadAccuracy:
    """How often the heads are right on rows of `dyck.rows`, at every bracket."""
    right, n = torch.zeros(3), torch.zeros(3)
    for i in range(0, len(tokens), batch):
        ids = torch.from_numpy(tokens[i : i + batch])
        logits = model.logits(ids)
        bracket = ids > 0
        depth, broken = (torch.from_numpy(x[i : i + batch]) for x in (labels.depth, labels.broken))
        heads = ((COPY, ids - 1, bracket), (DEPTH, depth, bracket & ~broken), (VALIDITY, broken, bracket))
        right += torch.tensor([float((predictions(logits, h) == truth)[where].sum()) for h, truth, where in heads])
        n += torch.tensor([float(where.sum()) for _, _, where in heads])
    return HeadAccuracy(*(right / n).tolist())


def predictions(logits: Float[Tensor, "*n v"], head: slice) -> Int[Tensor, "*n"]:
    """What a head says: the place of its largest logit."""
    return logits[..., head].argmax(-1)
