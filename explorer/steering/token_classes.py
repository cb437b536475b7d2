"""What a steering vector changes: the tokens that tell two classes apart, and what a steered model predicts of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.models import LanguageModel, Site, edit_residual, token_pieces
from explorer.text import Chunks, Contrast

TYPICAL_TOKENS = 40
LETTERS = 3
"""Shorter tokens are no signs to a reader: commas and syllables say nothing."""


@dataclass(frozen=True)
class TokenClasses:
    """Tokens that tell the two classes of a contrast apart."""

    positive: Int[Tensor, " p"]
    """Token ids most typical of the positive class."""
    negative: Int[Tensor, " n"]
    """Token ids most typical of the negative class."""

    def below(self, vocabulary: int) -> TokenClasses:
        """Without the tokens that a model of a smaller vocabulary never says: to it their probability is 0."""
        return TokenClasses(*(ids[ids < vocabulary] for ids in (self.positive, self.negative)))


@dataclass(frozen=True)
class LogitDifference:
    """What a model predicts on held-out prompts while steered."""

    m: float
    """Mean over positions of log P(positive tokens) − log P(negative tokens)."""
    loss: float
    """Cross-entropy on the prompts' own tokens, nats."""


def typical_tokens(contrast: Contrast, model: LanguageModel, count: int = TYPICAL_TOKENS) -> TokenClasses:
    """The tokens that the contrast names, or those with the largest smoothed log-odds between the two classes."""
    if contrast.outcome is not None:
        return TokenClasses(*(torch.tensor(ids) for ids in contrast.outcome))
    counts = []
    for texts in (contrast.positive, contrast.negative):
        ids = [i for row in model.tokenizer(list(texts), add_special_tokens=False)["input_ids"] for i in row]
        counts.append(torch.bincount(torch.tensor(ids), minlength=model.vocabulary).double() + 2.0)
    # Weighted by the square root of the count, so that frequent telling tokens go before rare ones.
    odds = (counts[0] / counts[0].sum()).log() - (counts[1] / counts[1].sum()).log()
    weighted = odds * (counts[0] + counts[1]).sqrt()
    order = weighted.argsort()
    return TokenClasses(order[-count:].flip(0), order[:count])


def token_words(ids: Int[Tensor, " n"], model: LanguageModel) -> frozenset[str]:
    """Of some tokens those that are whole words by themselves, in small letters: what `mark_words` can mark.

    A token begins a word if a space stands before it where it follows itself.
    """
    pieces = [token_pieces(model.tokenizer, [i, i])[-1] for i in ids.tolist() if i < model.vocabulary]
    words = {p.strip().lower() for p in pieces if p[:1].isspace()}
    return frozenset(w for w in words if w.isalpha() and len(w) >= LETTERS)


@torch.inference_mode()
def read_effect(
    model: LanguageModel,
    site: Site | Sequence[Site],
    vector: Float[Tensor, "*b d"] | None,
    prompts: Chunks,
    typical: TokenClasses,
) -> LogitDifference:
    """Steer a model on some prompts (vector already scaled) and read m and the loss.

    A vector of shape d is added everywhere; with several sites the first axis is the site, and what follows it
    broadcasts against (position, d).
    """
    with ExitStack() as stack:
        if vector is not None:
            pairs = [(site, vector)] if isinstance(site, Site) else list(zip(site, vector, strict=True))
            for where, added in pairs:
                stack.enter_context(edit_residual(model, where, lambda x, a=added: x + a.to(x)))  # type: ignore[misc]
        logits = model.logits(prompts.ids)[:, :-1]
    valid = prompts.predicted
    log_p = logits[valid].log_softmax(-1)
    typical = typical.below(log_p.shape[-1])
    m = log_p[:, typical.positive].logsumexp(-1) - log_p[:, typical.negative].logsumexp(-1)
    loss = -log_p.gather(1, prompts.ids[:, 1:][valid][:, None].to(log_p.device)).mean()
    return LogitDifference(float(m.mean()), float(loss))
