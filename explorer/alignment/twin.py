"""The twin: a model with every weight turned by a known Q. Identical logits, turned inside.

The norms decide which Q are exact (`Symmetry`). RMSNorm: every rotation, once gains are folded into the weights that
read them. LayerNorm: rotations with Q1 = 1, once gains and biases are folded. Gained norms behind a sublayer: signed
permutations. X_B = X_A Q, so the map back is R = Qᵀ, and a direction travels as v_B = v_A Q. det Q = +1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from explorer.alignment.orthogonal import haar
from explorer.alignment.twin_anatomy import ANATOMY, Family, Norm, Symmetry
from explorer.errors import InputError
from explorer.models import LanguageModel, find_blocks

FAMILIES = tuple(ANATOMY)


def twin_rotation(d: int, seed: int = 0, symmetry: Symmetry = "rotation") -> Float[Tensor, "d d"]:
    """Q of a twin, determinant +1, float64: Haar among the matrices of its symmetry."""
    if symmetry == "rotation":
        return haar(d, seed, special=True)
    if symmetry == "signed permutation":
        random = np.random.default_rng([seed, d])
        q = torch.from_numpy(np.diag(random.choice([-1.0, 1.0], d))[random.permutation(d)])
        if torch.linalg.det(q) < 0:
            q[0] = -q[0]
        return q
    # A reflection that swaps the first axis and the all-ones direction; between, the others are turned.
    axis = torch.full((d,), -(d**-0.5), dtype=torch.float64)
    axis[0] += 1
    swap = torch.eye(d, dtype=torch.float64) - 2 * torch.outer(axis, axis) / axis.dot(axis)
    inner = torch.eye(d, dtype=torch.float64)
    inner[1:, 1:] = haar(d - 1, seed, special=True)
    return swap @ inner @ swap


def symmetry_of(model_type: str) -> Symmetry:
    """Which changes of coordinates a family of models allows; of one that is not known, every rotation."""
    return ANATOMY[model_type].symmetry if model_type in ANATOMY else "rotation"


def rotation_of(model: LanguageModel, seed: int = 0) -> Float[Tensor, "d d"]:
    """Q of a model's twin of this seed. Raises InputError for families without an exact twin."""
    return twin_rotation(model.d_model, seed, _family(model).symmetry)


def _family(model: LanguageModel) -> Family:
    kind = model.network.config.model_type
    if kind not in ANATOMY:
        raise InputError(f"{model.name} is of the family '{kind}': an exact twin exists for {', '.join(FAMILIES)} only")
    return ANATOMY[kind]


def make_twin(model: LanguageModel, seed: int = 0, name: str = "twin") -> LanguageModel:
    """The model turned by `rotation_of(model, seed)`. Raises InputError for families where this is not exact."""
    return turned_model(model, rotation_of(model, seed), name)


@torch.no_grad()
def turned_model(model: LanguageModel, q: Float[Tensor, "d d"], name: str) -> LanguageModel:
    """The model with its residual stream turned, x_B = x_A Q, for a Q that its norms allow: the same function.

    Gains and biases of its norms are folded into what reads them, and tied embeddings are untied, whatever Q is.
    Raises InputError for families without an exact twin.
    """
    family = _family(model)
    network = untied_network(model)
    q = q.double().to(model.device)
    base, blocks = network.base_model, find_blocks(network)
    for embedding in family.embeddings(base):
        embedding.weight.copy_(embedding.weight.double() @ q)  # type: ignore[operator]
    parts = [family.block(block) for block in blocks]
    head = network.get_output_embeddings()
    norms = [*(norm for part in parts for norm in part.norms), Norm(family.final(base), (head,))]
    for norm in norms:
        if family.symmetry == "signed permutation":
            _permute(norm.module, q)
        else:
            _fold(norm, family.one_more)
    for reader in (*(r for norm in norms for r in norm.readers), *(r for part in parts for r in part.bare)):
        _turn_reader(reader, q)
    for writer in (w for part in parts for w in part.writers):
        _turn_writer(writer, q)
    return LanguageModel(name, network.eval().requires_grad_(False), model.tokenizer, blocks, model.begin)


def untied_network(model: LanguageModel) -> Any:
    """A copy of the network whose embedding and unembedding are two matrices: turning and folding change them apart."""
    network: Any = model.copy_network()
    if network.config.tie_word_embeddings:
        network.config.tie_word_embeddings = False
        head = network.get_output_embeddings()
        head.weight = nn.Parameter(network.get_input_embeddings().weight.detach().clone(), requires_grad=False)
    return network


def _matrix(layer: Any) -> Tensor:
    """The weights with a row for each input, in double precision: transformers' Conv1D keeps them so, Linear turned."""
    weight = layer.weight.double()
    return weight.T if isinstance(layer, nn.Linear) else weight


def _set(layer: Any, matrix: Tensor) -> None:
    layer.weight.copy_(matrix.T if isinstance(layer, nn.Linear) else matrix)


def _fold(norm: Norm, one_more: bool) -> None:
    """Put a norm's gain and bias into what reads it. OLMo's has neither."""
    gain, bias = getattr(norm.module, "weight", None), getattr(norm.module, "bias", None)
    for reader in norm.readers:
        matrix, layer = _matrix(reader), reader
        if bias is not None:
            added = bias.double() @ matrix
            if getattr(layer, "bias", None) is None:
                layer.bias = nn.Parameter(added.to(layer.weight), requires_grad=False)
            else:
                layer.bias.copy_(layer.bias.double() + added)  # type: ignore[operator]
        if gain is not None:
            _set(layer, (gain.double() + one_more)[:, None] * matrix)
    if gain is not None:
        gain.fill_(0.0 if one_more else 1.0)
    if bias is not None:
        bias.zero_()


def _permute(norm: Any, q: Tensor) -> None:
    """Gains of a norm follow their coordinates; signs leave them as they are."""
    norm.weight.copy_(norm.weight.double() @ q.abs())


def _turn_reader(layer: nn.Module, q: Tensor) -> None:
    _set(layer, q.T @ _matrix(layer))


def _turn_writer(layer: Any, q: Tensor) -> None:
    _set(layer, _matrix(layer) @ q)
    if getattr(layer, "bias", None) is not None:
        layer.bias.copy_(layer.bias.double() @ q)
