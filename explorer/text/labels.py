"""Latent labels of tokens as a matrix, so that a feature's meaning can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor

from explorer.models import tokenised
from explorer.text.windows import Chunks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from explorer.text.corpus import TextDocument


@dataclass(frozen=True)
class LabelMatrix:
    """Which label each token carries."""

    names: tuple[str, ...]
    """Labels as key=value, e.g. genre=letter or slot=animals."""
    matrix: Bool[Tensor, "n t l"]
    """True where the token at (window, position) carries the label."""

    def of(self, place: slice, batch: Chunks) -> Bool[Tensor, "m l"]:
        """Labels of the scored tokens of a batch, which is `place` of the windows and may be narrower."""
        return self.matrix[place][:, : batch.ids.shape[1]][batch.scored]


def label_tokens(documents: Sequence[TextDocument], chunks: Chunks, tokenizer: PreTrainedTokenizerBase) -> LabelMatrix:
    """Labels of every token of some chunks; `documents` are those that the chunks were cut from, by number."""
    per_token: dict[tuple[int, int], dict[str, str]] = {}
    for number in chunks.document.unique().tolist():
        offsets = tokenised(tokenizer, documents[number].text).offsets
        for position, labels in enumerate(documents[number].labels_at(offsets)):
            per_token[number, position] = labels
    names = tuple(sorted({f"{k}={v}" for labels in per_token.values() for k, v in labels.items()}))
    index = {name: i for i, name in enumerate(names)}
    matrix = torch.zeros(*chunks.ids.shape, len(names), dtype=torch.bool)
    for row, (document, offset) in enumerate(zip(chunks.document.tolist(), chunks.offset.tolist(), strict=True)):
        for position in range(max(0, -offset), int(chunks.valid[row].sum())):
            for key, value in per_token[document, offset + position].items():
                matrix[row, position, index[f"{key}={value}"]] = True
    return LabelMatrix(names, matrix)
