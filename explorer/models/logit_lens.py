"""What a direction of the residual stream does to the next token: the unembedding, the norm's gain folded in."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models.language_model import LanguageModel
from explorer.models.tokens import token_text

PROMOTED = 8
ROWS = 4096
"""Directions whose effect on every token is held at once."""


@torch.inference_mode()
def norm_gain(model: LanguageModel) -> Float[Tensor, " d"]:
    """What the final norm multiplies a normalised row by: the g that it stores (Llama), 1 + it (Gemma), or 1 (OLMo)."""
    probe = torch.tensor([1.0, -1.0]).repeat(model.d_model // 2 + 1)[: model.d_model].to(model.device, model.dtype)
    if model.d_model % 2:
        probe[-3:] = torch.tensor([1.0, 1.0, -2.0])
    # Of mean 0, so that a LayerNorm only scales it; the odd part leaves a bias out.
    doubled = model.final_norm(probe) - model.final_norm(-probe)
    return doubled.float() / 2 / probe * probe.pow(2).mean().sqrt()


def logit_effect(model: LanguageModel, directions: Float[Tensor, "n d"]) -> Float[Tensor, "n v"]:
    """What a direction adds to each token's logit through the final norm's gain and the unembedding, mean removed; on
    the model's device.

    Direct path only, before the norm's data-dependent scale. Rows of padding, which are no token, are left out.
    """
    effect = (directions.to(model.device) * norm_gain(model)) @ model.unembedding[: len(model.tokenizer)].T
    return effect - effect.mean(1, keepdim=True)


def promoted_tokens(model: LanguageModel, directions: Float[Tensor, "n d"], count: int = PROMOTED) -> list[list[str]]:
    """The tokens whose logits each direction raises most; those of −v are the ones that v suppresses."""
    out = []
    for part in directions.split(ROWS):
        top = logit_effect(model, part).topk(count, dim=1).indices
        out += [[token_text(model.tokenizer, [i]) for i in row] for row in top.tolist()]
    return out
