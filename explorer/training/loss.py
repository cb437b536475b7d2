"""The training loss of a stock Llama, several times faster on a CPU than its own forward pass.

The same function as `LlamaForCausalLM` followed by cross-entropy (a test compares both, and the gradients). It gains
where a small model spends its time: one product for q, k, v and one for gate and up, plain attention over short rows,
matrix products in bfloat16 where this CPU has units for them (weights, residual stream, norms and loss stay float32),
and one compiled graph where there is a C++ compiler.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, silu

from explorer.models import bfloat16_pays

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

Loss = Callable[[Int[Tensor, "b t"]], Tensor]
Objective = Callable[[Float[Tensor, "b t v"], Int[Tensor, "b t"]], Tensor]
"""What is to be small, of the logits at every position and the training rows."""


def _identity(rows: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    return rows


def fast_loss(
    network: LlamaForCausalLM,
    dtype: torch.dtype,
    compiled: bool,
    objective: Objective | None = None,
    tokens: Callable[[Int[Tensor, "b t"]], Int[Tensor, "b t"]] = _identity,
) -> Loss:
    """A function from token ids to the mean cross-entropy of tokens 1 … t−1, in nats, with gradients.

    `objective` replaces the cross-entropy, and `tokens` gives the token ids of rows that hold more than these.
    Long because its parts are closures over one network and one dtype, which torch compiles into one graph.
    """
    layers, heads = network.model.layers, network.config.num_attention_heads
    epsilon = network.config.rms_norm_eps

    def norm(x: Tensor, gain: Tensor) -> Tensor:
        return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * gain).to(dtype)

    def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat([-second, first], -1) * sin

    def attention(x: Tensor, layer: LlamaDecoderLayer, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        b, t, d = x.shape
        own = layer.self_attn
        weight = torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]).to(dtype)
        qkv = norm(x, layer.input_layernorm.weight).view(-1, d) @ weight.T
        q, k, v = qkv.view(b, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4).reshape(3, b * heads, t, -1).unbind(0)
        q, k = turned(q, cos, sin) * (d // heads) ** -0.5, turned(k, cos, sin)
        mixed = ((q @ k.transpose(1, 2) + mask).softmax(-1) @ v).view(b, heads, t, -1).transpose(1, 2)
        return (mixed.reshape(-1, d) @ own.o_proj.weight.to(dtype).T).view(b, t, d)

    def mlp(x: Tensor, layer: LlamaDecoderLayer) -> Tensor:
        weight = torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]).to(dtype)
        gate, up = (norm(x, layer.post_attention_layernorm.weight).view(-1, x.shape[-1]) @ weight.T).chunk(2, -1)
        return ((silu(gate) * up) @ layer.mlp.down_proj.weight.to(dtype).T).view_as(x)

    def loss(rows: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        ids = tokens(rows)
        x = network.model.embed_tokens.weight[ids]
        for layer in layers:
            x = x + attention(x, layer, cos, sin, mask)
            x = x + mlp(x, layer)
        if objective is not None:
            return objective((norm(x, network.model.norm.weight) @ network.lm_head.weight.to(dtype).T).float(), rows)
        last = norm(x[:, :-1], network.model.norm.weight)
        logits = last.flatten(0, 1) @ network.lm_head.weight.to(dtype).T
        return cross_entropy(logits.float(), ids[:, 1:].flatten())

    run = torch.compile(loss, dynamic=False) if compiled else loss
    tables: dict[int, tuple[Float[Tensor, "t h"], Float[Tensor, "t h"], Float[Tensor, "t t"]]] = {}

    def call(ids: Int[Tensor, "b t"]) -> Tensor:
        t = ids.shape[1]
        if t not in tables:
            with torch.no_grad():
                cos, sin = network.model.rotary_emb(network.model.norm.weight, torch.arange(t, device=ids.device)[None])
                mask = torch.full((t, t), float("-inf"), device=ids.device).triu(1)
            tables[t] = cos[0].to(dtype), sin[0].to(dtype), mask.to(dtype)
        return run(ids, *tables[t])

    return call


def best_loss(
    network: LlamaForCausalLM,
    objective: Objective | None = None,
    tokens: Callable[[Int[Tensor, "b t"]], Int[Tensor, "b t"]] = _identity,
) -> tuple[Loss, str]:
    """The fastest training loss that this machine has, and a phrase that names it for the log; see `fast_loss`."""
    dtype = torch.bfloat16 if bfloat16_pays() else torch.float32
    compiled = shutil.which("g++") is not None
    how = f"{str(dtype).removeprefix('torch.')} products, {'compiled' if compiled else 'not compiled'}"
    return fast_loss(network, dtype, compiled, objective, tokens), how
