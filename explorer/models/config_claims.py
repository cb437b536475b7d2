"""What a model's config.json claims, held against the headers of its weights before a network is built of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from torch import nn

from explorer.errors import InputError
from explorer.intake import (
    MOST_WORDS,
    WIDEST,
    Layers,
    Name,
    Place,
    TensorClaim,
    Width,
    read_settings,
    tensor_claims,
    told,
)

REMEDY = "give the config.json that belongs to these weights, or export the model again"
INDEX = "model.safetensors.index.json"
SLACK = 1 << 20
"""Numbers that a network may have beyond twice those of its weights: what is missing is told by name later."""
BUFFERS = 64 << 20
"""Numbers that it may make up for itself, such as masks."""
PARTS = 32
"""Modules that a network may have for each tensor of its weights, and as many times a hundred besides."""

Positive = Annotated[int, msgspec.Meta(ge=1, le=WIDEST * 64)]
Sizes = Positive | list[Positive] | None


class Config(msgspec.Struct):
    """The settings of a config.json that this program reads, by the names that families give them."""

    model_type: str | None = None
    architectures: list[str] | None = None
    is_encoder_decoder: bool | None = None
    text_config: Config | None = None
    hidden_size: Width | None = None
    n_embd: Width | None = None
    d_model: Width | None = None
    num_hidden_layers: Layers | None = None
    n_layer: Layers | None = None
    n_layers: Layers | None = None
    num_layers: Layers | None = None
    vocab_size: Annotated[int, msgspec.Meta(ge=1, le=MOST_WORDS)] | None = None
    num_attention_heads: Sizes = None
    n_head: Sizes = None
    n_heads: Sizes = None
    num_key_value_heads: Sizes = None
    head_dim: Positive | None = None
    intermediate_size: Sizes = None
    n_inner: Sizes = None
    ffn_dim: Sizes = None
    tie_word_embeddings: bool | None = None
    alibi: bool | None = None
    max_position_embeddings: Annotated[int, msgspec.Meta(ge=-1, le=2**31)] | None = None
    n_positions: Annotated[int, msgspec.Meta(ge=-1, le=2**31)] | None = None
    max_seq_len: Annotated[int, msgspec.Meta(ge=-1, le=2**31)] | None = None


class _Index(msgspec.Struct):
    weight_map: dict[Place, Name]


def check_config(path: Path) -> dict[str, Any]:
    """A config.json whose settings are of the right kind and size. Raises InputError."""
    found = read_settings(path, dict[str, Any], REMEDY)
    with told(path, REMEDY):
        msgspec.convert(found, Config)
    return found


def check_claims(folder: Path) -> None:
    """Raise InputError unless a folder's config describes the network that its weights are of: as many numbers, in the
    same shapes. Nothing larger than the headers of the weights is read or made for it.
    """
    config = folder / "config.json"
    check_config(config)
    if (index := folder / INDEX).is_file():
        read_settings(index, _Index, REMEDY)
    claims: dict[str, TensorClaim] = {}
    for path in sorted(folder.glob("*.safetensors")):
        claims |= tensor_claims(path, "download or export the model again")
    held = sum(math.prod(claim.shape) for claim in claims.values())
    with told(config, REMEDY):
        network = _outline(folder, len(claims))
        described = sum(p.numel() for p in network.parameters())
        if described > 2 * held + SLACK:
            raise ValueError(f"it describes a network of {described:,} numbers, the weights hold {held:,}")
        if (made_up := sum(b.numel() for b in network.buffers())) > 2 * held + BUFFERS:
            raise ValueError(f"its network would make up {made_up:,} numbers of its own, the weights hold {held:,}")
        prefix = f"{network.base_model_prefix}."
        for name, tensor in network.state_dict().items():
            claim = claims.get(name) or claims.get(name.removeprefix(prefix))
            if claim is not None and claim.shape != tuple(tensor.shape):
                raise ValueError(f"{name} has the shape {tuple(tensor.shape)} by it, {claim.shape} in the weights")


def _outline(folder: Path, tensors: int) -> Any:
    """The network that a config describes, without memory for its numbers."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"), _at_most(PARTS * (tensors + 100)):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


@contextmanager
def _at_most(parts: int) -> Iterator[None]:
    """Raise InputError as soon as this thread has put together more modules than that."""
    made, thread = 0, threading.get_ident()

    def count(_module: nn.Module, _name: str, _part: nn.Module | None) -> None:
        nonlocal made
        if threading.get_ident() == thread:
            made += 1
            if made > parts:
                raise InputError(f"the config describes a network of more than {parts:,} modules: {REMEDY}")

    handle = nn.modules.module.register_module_module_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
