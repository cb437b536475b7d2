"""The twin: a model with every weight rotated by a known Q. Identical logits, rotated inside.

Exact for pre-norm RMSNorm families, whose normalisation commutes with rotations once the gains are folded into the
weights that read them. X_B = X_A Q, so the map back is R = Qᵀ, and a direction travels as v_B = v_A Q.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from explorer.alignment.orthogonal import haar
from explorer.errors import InputError
from explorer.models import LanguageModel, find_blocks

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def twin_rotation(d: int, seed: int = 0) -> Float[Tensor, "d d"]:
    """Q of the twin: Haar, determinant +1, float64."""
    return haar(d, seed, special=True)


@torch.no_grad()
def make_twin(model: LanguageModel, seed: int = 0, name: str = "twin") -> LanguageModel:
    """The model rotated by `twin_rotation(d_model, seed)`. Raises InputError for families where this is not exact."""
    kind = model.network.config.model_type
    if kind not in FAMILIES:
        raise InputError(
            f"{model.name} is of the family '{kind}': an exact twin exists for {', '.join(FAMILIES)} only "
            "(RMSNorm before each sublayer, none after it)"
        )
    network: Any = model.copy_network()
    if network.config.tie_word_embeddings:
        # Rotating and folding change the two uses of the embedding in different ways.
        network.config.tie_word_embeddings = False
        head = network.get_output_embeddings()
        head.weight = nn.Parameter(network.get_input_embeddings().weight.detach().clone(), requires_grad=False)
    q = twin_rotation(model.d_model, seed).to(model.device)

    def fold(norm: Any, readers: list[nn.Linear]) -> None:
        for reader in readers:
            reader.weight.copy_(reader.weight.double() * norm.weight.double())
        norm.weight.fill_(1.0)

    def read(layer: nn.Linear) -> None:
        layer.weight.copy_(layer.weight.double() @ q)

    def write(layer: nn.Linear) -> None:
        layer.weight.copy_(q.T @ layer.weight.double())
        if layer.bias is not None:
            layer.bias.copy_(layer.bias.double() @ q)

    embedding = network.get_input_embeddings()
    embedding.weight.copy_(embedding.weight.double() @ q)
    blocks = find_blocks(network)
    block: Any
    for block in blocks:
        attention, mlp = block.self_attn, block.mlp
        readers = [attention.q_proj, attention.k_proj, attention.v_proj]
        fold(block.input_layernorm, readers)
        fold(block.post_attention_layernorm, [mlp.gate_proj, mlp.up_proj])
        for layer in (*readers, mlp.gate_proj, mlp.up_proj):
            read(layer)
        for layer in (attention.o_proj, mlp.down_proj):
            write(layer)
    head = network.get_output_embeddings()
    fold(network.base_model.norm, [head])
    read(head)
    return LanguageModel(name, network.eval().requires_grad_(False), model.tokenizer, blocks, model.begin)
