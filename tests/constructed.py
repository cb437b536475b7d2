"""Models whose relation to a source is known, as they were made from it; see alignment/test_constructed_pairs.py."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from explorer.alignment import twin as twin_module
from explorer.alignment.orthogonal import haar
from explorer.alignment.twin import make_twin
from explorer.models.language_model import LanguageModel, find_blocks
from explorer.training.llamas import Llamas, ModelRecipe
from explorer.training.pretraining import Training, train_seeds
from explorer.training.recall_objective import recall_objective
from explorer.training.schedule import Schedule

RECIPE = ModelRecipe(d_model=64, n_layers=4, n_heads=4, d_mlp=128, context=48)
STEEP = 50.0
"""From which condition on a stretching has two values only."""


def named(network: Any, tokenizer: PreTrainedTokenizerBase, name: str) -> LanguageModel:
    """A network as the library's model, frozen."""
    network.eval().requires_grad_(False)
    return LanguageModel(name, network, tokenizer, find_blocks(network))


def start(vocabulary: int, seed: int) -> dict[str, Tensor]:
    """The weights with which training begins."""
    return Llamas(RECIPE, vocabulary, (seed,)).state(0)


def network(state: dict[str, Tensor], folder: Path) -> Any:
    """A network of these weights, as half precision keeps them."""
    RECIPE.save(state, folder)
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def trained(
    states: Sequence[dict[str, Tensor]],
    texts: list[str],
    tokenizer: PreTrainedTokenizerBase,
    schedule: Schedule,
    seeds: tuple[int, ...],
    folder: Path,
) -> list[dict[str, Tensor]]:
    """Weights after training on the first tokens of the texts that are long enough; a seed decides the batches."""
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    rows = np.array([ids[: RECIPE.context] for ids in encoded if len(ids) >= RECIPE.context], dtype=np.uint16)
    llamas = Llamas(RECIPE, len(tokenizer), seeds)
    for number, state in enumerate(states):
        llamas.load(number, state)

    def batches(step: int) -> np.ndarray:
        return np.stack(
            [rows[np.random.default_rng([seed, step]).integers(len(rows), size=schedule.rows)] for seed in seeds]
        )

    training = Training("adamw", schedule, batches, recall_objective)
    train_seeds(llamas, training, folder / "state.safetensors", lambda _p: None)
    return [llamas.state(number) for number in range(len(seeds))]


def copy_of(model: LanguageModel, name: str = "B") -> LanguageModel:
    """The same weights."""
    return named(copy.deepcopy(model.network), model.tokenizer, name)


@torch.no_grad()
def scaled(model: LanguageModel, factor: float) -> LanguageModel:
    """The residual stream times a factor: all that writes to it is multiplied, and the ε of every norm follows, so that
    the logits are the same.
    """
    made = copy_of(model)
    network: Any = made.network
    norms, writers = [network.model.norm], [network.model.embed_tokens]
    for block in network.model.layers:
        writers += [block.self_attn.o_proj, block.mlp.down_proj]
        norms += [block.input_layernorm, block.post_attention_layernorm]
    for layer in writers:
        layer.weight.mul_(factor)
    for norm in norms:
        norm.variance_epsilon *= factor**2
    return made


def permuted(model: LanguageModel) -> LanguageModel:
    """The twin of a permutation instead of a random rotation."""
    order = torch.randperm(model.d_model, generator=torch.Generator().manual_seed(5))
    matrix = torch.eye(model.d_model, dtype=torch.float64)[order]
    with patch.object(twin_module, "twin_rotation", lambda *_given: matrix):
        return make_twin(model, name="B")


@torch.no_grad()
def noisy(model: LanguageModel, share: float) -> LanguageModel:
    """Noise on every matrix, its standard deviation a share of that of the matrix's entries."""
    made, generator = copy_of(model), torch.Generator().manual_seed(7)
    for weights in made.network.parameters():
        if weights.ndim >= 2:
            weights += share * weights.std() * torch.randn(weights.shape, generator=generator)
    return made


def swapped(model: LanguageModel, first: int, second: int) -> LanguageModel:
    """Two of its blocks exchanged."""
    network: Any = copy.deepcopy(model.network)
    blocks = network.model.layers
    blocks[first], blocks[second] = blocks[second], blocks[first]
    for number, block in enumerate(blocks):
        block.self_attn.layer_idx = number
    return named(network, model.tokenizer, "B")


def stretching(d: int, condition: float) -> Tensor:
    """A matrix of determinant ±1 whose largest singular value is `condition` × its smallest.

    Of a small condition most lie near 1. Of a large one, one direction in eight has the largest and the others have the
    smallest, so that no rotation with one scale comes near.
    """
    place = torch.linspace(-1, 1, d, dtype=torch.float64)
    values = condition ** (place.sign() * place.abs() ** 1.5 / 2)
    if condition > STEEP:
        values = torch.where(torch.arange(d) % 8 == 0, values[-1], values[0])
    return ((haar(d, 3) * values) @ haar(d, 4)).float()
