"""The shape of a model from its config.json, before anything of it is loaded or, on the hub, downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.files import user_path
from explorer.models.hub import cached_folder, read_config
from explorer.models.hub_name import named_on_hub
from explorer.models.polypythias import VOCABULARY, known_size

_UNGATED = ("gpt2", "gpt_neo", "gptj", "opt", "phi", "bloom", "starcoder2", "falcon", "mpt")
"""Families (by the beginning of model_type) whose MLP has two matrices; the others have a gate as a third."""


@dataclass(frozen=True)
class ModelShape:
    """What decides how long a model takes and how much room it needs."""

    d_model: int
    """Width of the residual stream."""
    n_layers: int
    """Blocks."""
    blocks: int
    """Parameters of all blocks: each costs two operations a token."""
    vocabulary: int
    """Tokens of its vocabulary: the unembedding costs 2·d·v operations a token."""
    parameters: int
    """All parameters, embeddings included."""
    positions: int | None
    """Positions that it can read; None where it does not say, or has no limit."""


def read_shape(place: str, revision: str | None = None) -> ModelShape | None:
    """The shape of a folder's or hub model; None where it cannot be known without asking the hub."""
    folder = user_path(place)
    if folder.is_dir():
        return shape_of(read_config(folder / "config.json") or {})
    name = named_on_hub(place, revision)
    if name is None:
        return None
    if (cached := cached_folder(name)) is not None:
        return shape_of(read_config(cached / "config.json") or {})
    size = known_size(name.repository)
    if size is None:
        return None
    d = size.d_model
    return shape_of(
        {"model_type": "gpt_neox", "hidden_size": d, "num_hidden_layers": size.n_layers, "intermediate_size": 4 * d,
         "vocab_size": VOCABULARY, "max_position_embeddings": 2048, "tie_word_embeddings": False}
    )  # fmt: skip


def shape_of(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape that a config describes, norms and biases left out; None for a config of no decoder."""
    inner = config.get("text_config")
    c: Mapping[str, Any] = inner if isinstance(inner, Mapping) else config

    def number(*names: str, default: int = 0) -> int:
        return next((int(c[n]) for n in names if isinstance(c.get(n), int) and not isinstance(c[n], bool)), default)

    d, layers, vocabulary = (
        number("hidden_size", "n_embd"),
        number("num_hidden_layers", "n_layer"),
        number("vocab_size"),
    )
    if min(d, layers, vocabulary) < 1:
        return None
    heads = number("num_attention_heads", "n_head", default=1) or 1
    head = number("head_dim", default=d // heads)
    keys = number("num_key_value_heads", default=heads)
    wide = number("intermediate_size", "n_inner", "ffn_dim", default=4 * d)
    gated = not str(c.get("model_type", "")).startswith(_UNGATED)
    block = 2 * d * heads * head + 2 * d * keys * head + (3 if gated else 2) * d * wide
    # transformers ties by default in the families that leave the key out.
    embeddings = vocabulary * d * (1 if config.get("tie_word_embeddings", True) else 2)
    return ModelShape(d, layers, layers * block, vocabulary, layers * block + embeddings, positions_of(config))


def positions_of(config: Mapping[str, Any]) -> int | None:
    """How many positions a model reads by its config: rows of its table of positions, or what its rotary angles were
    trained for. None where positions are only distances (ALiBi), or where the config does not say.

    Not a limit: an OPT's two rows of padding, a sliding window of attention, and the n_ctx and seq_length that some
    families keep from their training.
    """
    inner = config.get("text_config")
    c: Mapping[str, Any] = inner if isinstance(inner, Mapping) else config
    if c.get("model_type") == "bloom" or c.get("alibi") is True:
        return None
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        if isinstance(found := c.get(name), int) and found > 0:
            return found
    return None
