"""Where a feature fires: its top contexts with every token's activation in both models, and its label's F1 in both.

A context is a chunk of the test text. Source: SAE_A(x_A). Target: SAE_A(f(x_B)) under one map f.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import metrics
from explorer.activations import residuals
from explorer.corpus import Chunks
from explorer.labels import LabelMatrix
from explorer.maps import ResidualMap
from explorer.models import LanguageModel
from explorer.sae import SAE
from explorer.sites import Site

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEFORE, AFTER = 26, 14
"""Tokens shown on either side of the peak."""


@dataclass(frozen=True)
class Context:
    """One chunk of text, with the activation of one feature at every token of both models."""

    document: int
    """Number of the document that it comes from."""
    pieces: tuple[str, ...]
    """Text of each token; joined they are the text."""
    source: tuple[float, ...]
    """SAE_A(x_A) at each token, NaN where a token is not scored (position 0)."""
    target: tuple[float, ...]
    """SAE_A(f(x_B)) at each token, NaN where a token is not scored."""
    first: bool
    """Whether it begins where its document begins."""

    @property
    def peak(self) -> int:
        """Position of the source's largest activation."""
        return max(range(len(self.source)), key=lambda i: (self.source[i] == self.source[i], self.source[i]))

    def window(self) -> range:
        """Positions around the peak."""
        return range(max(0, self.peak - BEFORE), min(len(self.pieces), self.peak + AFTER + 1))


def token_pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """The text of each token, such that they join to the decoded text.

    A character that several byte-level tokens share goes to the last of them.
    """
    known: dict[int, str] = {i: tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in set(ids)}
    pieces, held = [], 0
    for i, token in enumerate(ids):
        piece = known[token] if held == i else tokenizer.decode(ids[held : i + 1], clean_up_tokenization_spaces=False)
        # U+FFFD: the bytes of a character are not complete yet (four bytes at most).
        if piece.endswith("\ufffd") and i + 1 < len(ids) and i - held < 3:
            pieces.append("")
            continue
        pieces.append(piece)
        held = i + 1
    return pieces


@torch.inference_mode()
def top_contexts(
    source: LanguageModel,
    target: LanguageModel,
    fitted: ResidualMap,
    sae: SAE,
    site: Site,
    feature: int,
    chunks: Chunks,
) -> list[Context]:
    """A feature's activations on some chunks in both models, strongest in the source first, silent chunks left out."""
    own = sae.encode(residuals(source, chunks.ids, [site])[site])[..., feature]
    read = sae.encode(fitted(residuals(target, chunks.ids, [site])[site]))[..., feature]
    out = []
    for row in range(len(chunks)):
        valid, scored = chunks.valid[row], chunks.scored[row]
        if not (own[row][scored] > 0).any():
            continue
        values = [torch.where(scored, a[row], torch.nan)[valid].tolist() for a in (own, read)]
        pieces = token_pieces(source.tokenizer, chunks.ids[row][valid].tolist())
        first = int(chunks.offset[row]) == 0
        out.append(Context(int(chunks.document[row]), tuple(pieces), tuple(values[0]), tuple(values[1]), first))
    return sorted(out, key=lambda c: -c.source[c.peak])


@torch.inference_mode()
def label_f1(
    target: LanguageModel,
    sae: SAE,
    site: Site,
    fitted: Mapping[str, ResidualMap],
    chunks: Chunks,
    labels: LabelMatrix,
    chosen: Sequence[str],
    least: Float[Tensor, " f"],
) -> dict[str, Float[Tensor, " f"]]:
    """F1 of each feature's own label (`chosen`) when SAE_A reads the target's rows, under each map.

    The detector is the source's, unchanged: a feature fires where its activation exceeds `least`.
    """
    has = labels.matrix[chunks.scored]
    column = {name: i for i, name in enumerate(labels.names)}
    index = torch.tensor([column[name] for name in chosen])
    rows = [residuals(target, batch.ids, [site])[site][batch.scored] for batch in chunks.batches(64)]
    out = {}
    for arm, mapped in fitted.items():
        fires = torch.cat([sae.encode(mapped(batch)) > least for batch in rows])
        out[arm] = metrics.f1_own_label(fires, has, index)
    return out
