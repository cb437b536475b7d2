"""Where the training of a dictionary begins: with another dictionary in place of directions drawn at random."""

from __future__ import annotations

import torch

from explorer.sae.sae import SAE
from explorer.sae.trainer import SAETrainer


def begin_from(trainer: SAETrainer, sae: SAE) -> None:
    """Let a trainer begin with a dictionary's weights in place of drawn ones; its decoder rows become unit vectors."""
    length = sae.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12)
    with torch.no_grad():
        trainer.W_dec.copy_(sae.W_dec / length)
        trainer.W_enc.copy_(sae.W_enc * length.T)
        trainer.b_enc.copy_(sae.b_enc * length[:, 0] / trainer.scale)
        trainer.b_dec.copy_(sae.b_dec / trainer.scale)
