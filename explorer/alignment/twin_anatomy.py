"""Where each family of models reads and writes its residual stream: what a twin must turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

Symmetry = Literal["rotation", "rotation that keeps the mean", "signed permutation"]
"""Which changes of coordinates the norms of a family allow: every rotation for RMSNorm whose gains can be folded away;
those with Q1 = 1 for LayerNorm (they keep each row's mean and norm); signed permutations where a gained norm stands
behind a sublayer and cannot be folded into what reads it.
"""


@dataclass(frozen=True)
class Norm:
    """A norm of rows of the stream, and what reads its output."""

    module: Any
    """The norm."""
    readers: tuple[nn.Module, ...]
    """Linear maps, or transformers' Conv1D, of its output; none where its output goes into the stream."""


@dataclass(frozen=True)
class Block:
    """One block, as far as it touches the stream."""

    norms: tuple[Norm, ...]
    """Its norms."""
    writers: tuple[nn.Module, ...]
    """What writes into the stream."""
    bare: tuple[nn.Module, ...] = ()
    """What reads the stream without a norm before it."""


@dataclass(frozen=True)
class Family:
    """How a family is built."""

    symmetry: Symmetry
    """Which twins are exact."""
    block: Callable[[Any], Block]
    """The parts of one block."""
    embeddings: Callable[[Any], tuple[nn.Module, ...]]
    """Every table that is added into the stream, of the base model."""
    final: Callable[[Any], Any]
    """The final norm, of the base model."""
    one_more: bool = False
    """Whether its norms multiply by 1 + their weight."""


def _llama(block: Any) -> Block:
    a, m = block.self_attn, block.mlp
    return Block(
        (
            Norm(block.input_layernorm, (a.q_proj, a.k_proj, a.v_proj)),
            Norm(block.post_attention_layernorm, (m.gate_proj, m.up_proj)),
        ),
        (a.o_proj, m.down_proj),
    )


def _gemma2(block: Any) -> Block:
    a, m = block.self_attn, block.mlp
    return Block(
        (
            Norm(block.input_layernorm, (a.q_proj, a.k_proj, a.v_proj)),
            Norm(block.post_attention_layernorm, ()),
            Norm(block.pre_feedforward_layernorm, (m.gate_proj, m.up_proj)),
            Norm(block.post_feedforward_layernorm, ()),
        ),
        (a.o_proj, m.down_proj),
    )


def _olmo2(block: Any) -> Block:
    a, m = block.self_attn, block.mlp
    return Block(
        (Norm(block.post_attention_layernorm, ()), Norm(block.post_feedforward_layernorm, ())),
        (a.o_proj, m.down_proj),
        (a.q_proj, a.k_proj, a.v_proj, m.gate_proj, m.up_proj),
    )


def _gpt2(block: Any) -> Block:
    return Block(
        (Norm(block.ln_1, (block.attn.c_attn,)), Norm(block.ln_2, (block.mlp.c_fc,))),
        (block.attn.c_proj, block.mlp.c_proj),
    )


def _opt(block: Any) -> Block:
    a = block.self_attn
    return Block(
        (Norm(block.self_attn_layer_norm, (a.q_proj, a.k_proj, a.v_proj)), Norm(block.final_layer_norm, (block.fc1,))),
        (a.out_proj, block.fc2),
    )


def _neox(block: Any) -> Block:
    a, m = block.attention, block.mlp
    return Block(
        (
            Norm(block.input_layernorm, (a.query_key_value,)),
            Norm(block.post_attention_layernorm, (m.dense_h_to_4h,)),
        ),
        (a.dense, m.dense_4h_to_h),
    )


def _tokens(base: Any) -> tuple[nn.Module, ...]:
    return (base.embed_tokens,)


def _norm(base: Any) -> Any:
    return base.norm


_ROTATED = Family("rotation", _llama, _tokens, _norm)
_CENTRED: Symmetry = "rotation that keeps the mean"
ANATOMY: dict[str, Family] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), _ROTATED),
    "gemma": Family("rotation", _llama, _tokens, _norm, one_more=True),
    "gpt2": Family(_CENTRED, _gpt2, lambda base: (base.wte, base.wpe), lambda base: base.ln_f),
    "gpt_neox": Family(_CENTRED, _neox, lambda base: (base.embed_in,), lambda base: base.final_layer_norm),
    "olmo": Family(_CENTRED, _llama, _tokens, _norm),
    "opt": Family(
        _CENTRED,
        _opt,
        lambda base: (base.decoder.embed_tokens, base.decoder.embed_positions),
        lambda base: base.decoder.final_layer_norm,
    ),
    "olmo2": Family("signed permutation", _olmo2, _tokens, _norm),
    "gemma2": Family("signed permutation", _gemma2, _tokens, _norm, one_more=True),
    "gemma3_text": Family("signed permutation", _gemma2, _tokens, _norm, one_more=True),
}
"""By the config's model_type."""
