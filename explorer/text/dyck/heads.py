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
from jaxtyping import Int
from torch import Tensor

from explorer.text.corpus import LabelHead
from explorer.text.dyck import language as dyck
from explorer.text.dyck.label_ids import COPY, DEPTH, VALIDITY

if TYPE_CHECKING:
    from explorer.models import LanguageModel


@dataclass(frozen=True)
class HeadAccuracy:
    """Share of brackets at which each head is right."""

    bracket: float
    """The bracket just read."""
    depth: float
    """The number of open brackets, at the brackets of valid text."""
    validity: float
    """Whether the document is broken."""


def label_heads(tokens: Int[Tensor, "n t"]) -> list[LabelHead]:
    """What each head should say of the brackets of some documents, given from their start marks on."""
    labels, bracket = dyck.label(tokens.numpy()), tokens > 0
    depth, broken = torch.from_numpy(labels.depth), torch.from_numpy(labels.broken)
    heads = (
        (COPY, tokens - 1, bracket),
        (DEPTH, depth, bracket & ~broken),
        (VALIDITY, broken.long(), bracket),
    )
    return [LabelHead(h.start, h.stop, torch.where(where, h.start + truth, -1)) for h, truth, where in heads]


@torch.inference_mode()
def head_accuracy(model: LanguageModel, tokens: Int[np.ndarray, "n t"]) -> HeadAccuracy:
    """How often the heads are right on rows of `dyck.rows`, at every bracket."""
    right, n = torch.zeros(3), torch.zeros(3)
    for ids in torch.from_numpy(tokens).split(256):
        logits = model.logits(ids)
        heads = label_heads(ids)
        said = [logits[..., h.first : h.last].argmax(-1) + h.first for h in heads]
        right += torch.tensor([float((s == h.ids).sum()) for s, h in zip(said, heads, strict=True)])
        n += torch.tensor([float((h.ids >= 0).sum()) for h in heads])
    return HeadAccuracy(*(right / n).tolist())
