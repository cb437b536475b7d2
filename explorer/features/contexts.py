"""Where a feature fires: contexts with every token's activation in both models.

A context is a chunk of the test text. Source: SAE_A(x_A). Target: SAE_A(f(x_B)) under one map f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import ResidualMap
from explorer.models import LanguageModel, Site, residuals
from explorer.sae import SAE
from explorer.text import Chunks

BEFORE, AFTER = 10, 5
"""Tokens shown on either side of the peak."""
LONGEST = 60
"""Tokens of the longest sentence that is cut out around a peak."""
ROWS = 256
"""Tokens whose features are compared at once."""


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
        """Position of the source's largest activation; of the target's where the source is silent."""
        values = self.source if max(v for v in self.source if v == v) > 0 else self.target
        return max(range(len(values)), key=lambda i: (values[i] == values[i], values[i]))

    def window(self) -> range:
        """Positions around the peak."""
        return range(max(0, self.peak - BEFORE), min(len(self.pieces), self.peak + AFTER + 1))


def sentence_around(pieces: Sequence[str], peak: int) -> str:
    """The sentence in which the peak stands, without the space around it; at most LONGEST tokens, the peak in them.

    A sentence ends with a full stop, a question or exclamation mark, with the quotation mark after it, or a new line.
    """
    begin = peak
    while begin > max(0, peak - LONGEST // 2) and not _ends_sentence(pieces[begin - 1]):
        begin -= 1
    # A quotation mark that closes the sentence before belongs to that one.
    if begin < peak and pieces[begin].strip() in ('"', "”") and not pieces[begin].startswith(" "):
        begin += 1
    end = peak + 1
    while end < min(len(pieces), begin + LONGEST) and not _ends_sentence(pieces[end - 1]):
        end += 1
    return "".join(pieces[begin:end]).strip()


def _ends_sentence(piece: str) -> bool:
    return "\n" in piece or piece.rstrip('"”').endswith((".", "!", "?"))


def one_feature(sae: SAE, rows: Float[Tensor, "*n d"], feature: int) -> Float[Tensor, "*n"]:
    """`sae.encode(rows)[..., feature]`, with the other features only where TopK must compare: wide ones stay quick."""
    own = (rows - sae.b_dec) @ sae.W_enc[:, feature] + sae.b_enc[feature]
    if sae.threshold is not None:
        return own.relu() * (own > sae.threshold[feature])
    if sae.k is None:
        return own.relu()
    out = torch.zeros_like(own)
    for at in (own > 0).nonzero().split(ROWS):
        place = tuple(at.T)
        before = (rows[place] - sae.b_dec) @ sae.W_enc + sae.b_enc
        value = before[:, feature]
        kept = (before > value[:, None]).sum(1) < sae.k
        out[place] = value.relu() * kept
    return out


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
    """A feature's activations on some chunks in both models, in their order; chunks silent in both are left out."""
    own = one_feature(sae, residuals(source, chunks.ids, [site])[site].cpu(), feature)
    read = one_feature(sae, fitted(residuals(target, chunks.ids, [site])[site].cpu()), feature)
    out = []
    for row in range(len(chunks)):
        valid, scored = chunks.valid[row], chunks.scored[row]
        if not (torch.maximum(own, read)[row][scored] > 0).any():
            continue
        values = [torch.where(scored, a[row], torch.nan)[valid].tolist() for a in (own, read)]
        pieces = chunks.pieces(row, source.tokenizer)
        first = int(chunks.offset[row]) <= 0
        out.append(Context(int(chunks.document[row]), tuple(pieces), tuple(values[0]), tuple(values[1]), first))
    return out
