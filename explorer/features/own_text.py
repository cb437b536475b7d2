"""A person's own text: which features of A fire at each token, and which when B is read through a map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import ResidualMap
from explorer.errors import InputError
from explorer.models import LanguageModel, Site, check_readable, residuals, special_tokens, token_pieces
from explorer.sae import SAE
from explorer.text import TextReading, read_windows

MAX_CHARACTERS = 1000


@dataclass(frozen=True)
class TextFiring:
    """Every feature's activation at every token of a text, in both models."""

    pieces: tuple[str, ...]
    """Text of each token; joined they are the text, as far as it was read."""
    special: tuple[bool, ...]
    """Whether a token is special (stands for no text)."""
    scored: tuple[bool, ...]
    """Whether a token is scored: every one but position 0, as in all text of this project."""
    source: Float[Tensor, "t f"]
    """SAE_A(x_A), 0 at tokens that are not scored."""
    target: Float[Tensor, "t f"]
    """SAE_A(f(x_B)), 0 at tokens that are not scored."""
    left_out: int
    """Tokens after the limit."""

    def ranked(self, token: int) -> list[int]:
        """Features that fire at a token in either model, by the larger activation."""
        both = torch.maximum(self.source[token], self.target[token])
        order = both.argsort(descending=True)
        return order[: int((both > 0).sum())].tolist()

    def shared(self, token: int) -> tuple[int, int, int]:
        """How many features fire at a token in A, in B, and in both."""
        a, b = self.source[token] > 0, self.target[token] > 0
        return int(a.sum()), int(b.sum()), int((a & b).sum())


@torch.inference_mode()
def read_text(
    source: LanguageModel,
    target: LanguageModel,
    fitted: ResidualMap,
    sae: SAE,
    site: Site,
    text: str,
    context: int,
) -> TextFiring:
    """What fires on a text of at most `context` tokens, read as one window. Raises InputError if it is empty."""
    if not text.strip():
        raise InputError("there is no text: write a sentence")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"the text has {len(text)} characters: at most {MAX_CHARACTERS} are read")
    check_readable(source, text)
    chunks = read_windows([text], source.tokenizer, TextReading(context, source.begin))
    ids, begin = chunks.ids[:1, chunks.valid[0]], int(chunks.first[0])
    scored = chunks.scored[0, begin : ids.shape[1]]
    own, read = (
        sae.encode(rows[0, begin:]) * scored[:, None]
        for rows in (
            residuals(source, ids, [site])[site].cpu(),
            fitted(residuals(target, ids, [site])[site].cpu()),
        )
    )
    pieces = token_pieces(source.tokenizer, ids[0, begin:].tolist())
    known = special_tokens(source.tokenizer)
    return TextFiring(
        tuple(pieces),
        tuple(p in known for p in pieces),
        tuple(scored.tolist()),
        own,
        read,
        int(chunks.own.sum()) - len(pieces),
    )
