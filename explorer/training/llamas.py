"""Several seeds of one small Llama as one batch of weights: each weight has a leading axis, one entry for each seed.

The weights have the names and the meaning of transformers' `LlamaForCausalLM`, which reads what is saved here. One
product serves all seeds, so that a GPU which one small model leaves idle trains several in the same time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding, scaled_dot_product_attention, silu

from explorer.errors import InputError
from explorer.files import replacing, write_tensors

if TYPE_CHECKING:
    from transformers import LlamaConfig

EMBEDDING, UNEMBEDDING, LAST_GAIN = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
GAINS = ("input_layernorm", "post_attention_layernorm")
INITIAL = 0.02
"""Standard deviation of every initial weight: a law that no rotation changes."""
EPSILON, THETA = 1e-6, 10_000.0


@dataclass(frozen=True)
class ModelRecipe:
    """The shape of a stock Llama model (RMSNorm, no biases, untied unembedding)."""

    d_model: int = 256
    """Width of the residual stream."""
    n_layers: int = 4
    """Number of blocks."""
    n_heads: int = 8
    """Attention heads in each block."""
    d_mlp: int = 768
    """Width of the gated MLP."""
    context: int = 256
    """Tokens in a training row."""

    def block_weights(self) -> dict[str, tuple[int, int]]:
        """The matrices of one block by name, (outputs, inputs), in the order in which they are drawn."""
        d, m = self.d_model, self.d_mlp
        attention = {f"self_attn.{n}_proj": (d, d) for n in "qkvo"}
        return {**attention, "mlp.gate_proj": (m, d), "mlp.up_proj": (m, d), "mlp.down_proj": (d, m)}

    def config(self, vocabulary: int) -> LlamaConfig:
        """The same as transformers writes it."""
        from transformers import LlamaConfig

        return LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=self.d_model,
            intermediate_size=self.d_mlp,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_heads,
            max_position_embeddings=self.context,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
            rms_norm_eps=EPSILON,
            rope_theta=THETA,
            dtype=torch.float32,
            architectures=["LlamaForCausalLM"],
        )

    def save(self, state: Mapping[str, Tensor], folder: Path) -> None:
        """Write a model folder for transformers: float16 safetensors (read back as float32), into place by one rename.

        Raises InputError for weights that float16 cannot hold.
        """
        weights = {k: v.detach().to("cpu", torch.float16) for k, v in state.items()}
        if not all(torch.isfinite(v).all() for v in weights.values()):
            raise InputError(f"{folder.name}: weights are not finite in float16; training diverged")
        with replacing(folder) as partial:
            self.config(len(state[UNEMBEDDING])).save_pretrained(partial)
            write_tensors(partial / "model.safetensors", weights, {"format": "pt"})


class Llamas:
    """The weights of some seeds, and what they say."""

    def __init__(
        self,
        shape: ModelRecipe,
        vocabulary: int,
        seeds: Sequence[int],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Freshly initialised: each seed fixes its own weights, whichever others there are. Gains are 1."""
        self.shape, self.seeds = shape, tuple(seeds)
        generators = [torch.Generator().manual_seed(1000 + seed) for seed in seeds]

        def drawn(*size: int) -> Tensor:
            made = torch.stack([torch.randn(size, generator=g) * INITIAL for g in generators])
            return made.to(device, dtype)

        def ones() -> Tensor:
            return torch.ones(len(seeds), shape.d_model, device=device, dtype=dtype)

        self.weights = {EMBEDDING: drawn(vocabulary, shape.d_model)}
        for i in range(shape.n_layers):
            for name, size in shape.block_weights().items():
                self.weights[f"model.layers.{i}.{name}.weight"] = drawn(*size)
            self.weights |= {f"model.layers.{i}.{name}.weight": ones() for name in GAINS}
        self.weights[LAST_GAIN] = ones()
        self.weights[UNEMBEDDING] = drawn(vocabulary, shape.d_model)
        self._tables: dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]] = {}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weights[EMBEDDING].device

    def state(self, number: int) -> dict[str, Tensor]:
        """The weights of one seed, as `LlamaForCausalLM` names them; float32, on the CPU."""
        return {name: w[number].detach().to("cpu", torch.float32) for name, w in self.weights.items()}

    @torch.no_grad()
    def load(self, number: int, state: Mapping[str, Tensor]) -> None:
        """Give one seed the weights of a state. Raises ValueError if their names or shapes are others."""
        shapes = {name: w.shape[1:] for name, w in self.weights.items()}
        if {name: w.shape for name, w in state.items()} != shapes:
            raise ValueError("the weights are those of another shape")
        for name, w in state.items():
            self.weights[name][number] = w.to(self.device)

    def is_gain(self, name: str) -> bool:
        """Whether a weight is the gain of a norm."""
        return self.weights[name].ndim == 2

    def in_block(self, name: str) -> bool:
        """Whether a weight is a matrix inside a block, between the residual stream and what the block computes."""
        return name.startswith("model.layers.") and not self.is_gain(name)

    def logits(self, ids: Int[Tensor, "s b t"], dtype: torch.dtype) -> Float[Tensor, "s b t v"]:
        """The logits of each seed at every position of its own rows; products in `dtype`, the rest as the weights."""
        s, b, t = ids.shape
        w, table = self.weights, self.weights[EMBEDDING]
        own = ids + torch.arange(s, device=ids.device)[:, None, None] * table.shape[1]
        x = embedding(own.view(s, b * t), table.flatten(0, 1))
        for i in range(self.shape.n_layers):
            x = self._block(x, f"model.layers.{i}.", b, dtype)
        return _product(_normed(x, w[LAST_GAIN]), w[UNEMBEDDING], dtype).view(s, b, t, -1)

    def _block(self, x: Float[Tensor, "s n d"], at: str, b: int, dtype: torch.dtype) -> Float[Tensor, "s n d"]:
        w, (s, n, d), heads = self.weights, x.shape, self.shape.n_heads
        weight = torch.cat([w[f"{at}self_attn.{name}_proj.weight"] for name in "qkv"], 1)
        qkv = _product(_normed(x, w[f"{at}input_layernorm.weight"]), weight, dtype)
        q, k, v = qkv.view(s * b, n // b, 3, heads, d // heads).permute(2, 0, 3, 1, 4).unbind(0)
        cos, sin = self._rotary(n // b, x.dtype)
        mixed = scaled_dot_product_attention(_turned(q, cos, sin), _turned(k, cos, sin), v, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(s, n, d)
        x = x + _product(mixed, w[f"{at}self_attn.o_proj.weight"], dtype)
        weight = torch.cat([w[f"{at}mlp.gate_proj.weight"], w[f"{at}mlp.up_proj.weight"]], 1)
        gate, up = _product(_normed(x, w[f"{at}post_attention_layernorm.weight"]), weight, dtype).chunk(2, -1)
        return x + _product(silu(gate) * up, w[f"{at}mlp.down_proj.weight"], dtype)

    def _rotary(self, t: int, dtype: torch.dtype) -> tuple[Float[Tensor, "t h"], Float[Tensor, "t h"]]:
        """Cosines and sines of the rotary position embedding."""
        if (t, dtype) not in self._tables:
            half = self.shape.d_model // self.shape.n_heads // 2
            rates = torch.exp(torch.arange(half, dtype=torch.float64) / half * -math.log(THETA))
            angles = torch.outer(torch.arange(t, dtype=torch.float64), rates).repeat(1, 2)
            self._tables[t, dtype] = angles.cos().to(self.device, dtype), angles.sin().to(self.device, dtype)
        return self._tables[t, dtype]


def _normed(x: Float[Tensor, "s n d"], gain: Float[Tensor, "s d"]) -> Float[Tensor, "s n d"]:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * gain[:, None]


def _product(x: Float[Tensor, "s n i"], weight: Float[Tensor, "s o i"], dtype: torch.dtype) -> Float[Tensor, "s n o"]:
    return torch.bmm(x.to(dtype), weight.to(dtype).transpose(1, 2))


def _turned(x: Float[Tensor, "n g t h"], cos: Float[Tensor, "t h"], sin: Float[Tensor, "t h"]) -> Tensor:
    first, second = x.chunk(2, -1)
    return (x * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)
