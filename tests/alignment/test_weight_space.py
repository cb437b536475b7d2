"""Between the weights of two models: turned and permuted copies have no barrier once they are written alike."""

import math
from typing import Any

import pytest
import tiny
import torch

from explorer.alignment.orthogonal import haar
from explorer.alignment.twin import make_twin, rotation_of, turned_model, twin_rotation
from explorer.alignment.weight_match import match_parts, matches_heads
from explorer.alignment.weight_space import has_weight_space, measure_weight_space, one_rotation, weight_rotation
from explorer.alignment.weight_space_results import WeightPath, WeightSpace
from explorer.models.language_model import LanguageModel, find_blocks

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma")
FULL = {"num_key_value_heads": 4}
D = tiny.SHAPE["hidden_size"]


def copy(model: LanguageModel) -> LanguageModel:
    network = model.copy_network()
    return LanguageModel("B", network, model.tokenizer, find_blocks(network), model.begin)


@torch.no_grad()
def scrambled(model: LanguageModel, seed: int = 0) -> LanguageModel:
    """The same function with neurons and heads in another order, and some neurons with another sign."""
    made, random = copy(model), torch.Generator().manual_seed(seed)
    for block in made.blocks:
        mlp, attention = block.mlp, block.self_attn
        order = torch.randperm(len(mlp.gate_proj.weight), generator=random)
        sign = torch.randint(0, 2, (len(order), 1), generator=random) * 2.0 - 1
        mlp.gate_proj.weight.copy_(mlp.gate_proj.weight[order])
        mlp.up_proj.weight.copy_(sign * mlp.up_proj.weight[order])
        mlp.down_proj.weight.copy_(mlp.down_proj.weight[:, order] * sign.T)
        heads = torch.randperm(4, generator=random)
        for name in ("q_proj", "k_proj", "v_proj"):
            layer = getattr(attention, name)
            for part in (layer.weight, layer.bias):
                if part is not None:
                    part.copy_(part.reshape(4, len(part) // 4, -1)[heads].reshape(part.shape))
        out = attention.o_proj.weight
        out.copy_(out.reshape(len(out), 4, -1)[:, heads].reshape(out.shape))
    return made


def logits(model: LanguageModel) -> torch.Tensor:
    return model.logits(tiny.chunks(4).ids)


def measured(a: LanguageModel, b: LanguageModel, q: torch.Tensor | None = None) -> WeightSpace:
    """With R and an R of wrong pairs at two sites."""
    r = torch.eye(D).double() if q is None else q.T
    return measure_weight_space(a, b, tiny.chunks(60), [r, r], [haar(D, 71), haar(D, 72)])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("keys", [2, 4])
def test_matching_leaves_the_function_as_it_is(family: str, keys: int, tokenizer: Any) -> None:
    a, b = (tiny.model(family, tokenizer, seed=seed, num_key_value_heads=keys) for seed in (0, 1))
    before, weights = logits(b), {n: w.clone() for n, w in b.weights.items()}
    heads = match_parts(a, b)
    assert heads == (keys == 4 and family != "qwen3")
    torch.testing.assert_close(logits(b), before, atol=2e-4, rtol=1e-4)
    changed = {n.rpartition(".")[0].rpartition(".")[2] for n, w in b.weights.items() if not torch.equal(w, weights[n])}
    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert changed == {"gate_proj", "up_proj", "down_proj"} | (attention if heads else set())


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma"])
def test_a_scrambled_copy_is_put_in_order(family: str, tokenizer: Any) -> None:
    a = tiny.model(family, tokenizer, **FULL)
    b = scrambled(a)
    assert any(not torch.equal(w, b.weights[n]) for n, w in a.weights.items())
    torch.testing.assert_close(logits(b), logits(a), atol=2e-4, rtol=1e-4)
    assert matches_heads(a)
    match_parts(a, b)
    for name, weight in a.weights.items():
        torch.testing.assert_close(b.weights[name], weight, atol=1e-5, rtol=0)


def test_values_and_planes_within_a_head_are_turned_back(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer, **FULL)
    b, width = copy(a), D // 4
    with torch.no_grad():
        for block in b.blocks:
            attention = block.self_attn
            turn = torch.block_diag(*(haar(width, h).float() for h in range(4)))
            attention.v_proj.weight.copy_(turn @ attention.v_proj.weight)
            attention.o_proj.weight.copy_(attention.o_proj.weight @ turn.T)
            angle = torch.arange(width // 2) + 0.3
            cos, sin = torch.diag(angle.cos()), torch.diag(angle.sin())
            plane = torch.cat([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)])
            for layer in (attention.q_proj, attention.k_proj):
                layer.weight.copy_(torch.block_diag(*[plane] * 4) @ layer.weight)
    torch.testing.assert_close(logits(b), logits(a), atol=2e-4, rtol=1e-4)
    match_parts(a, b)
    for name, weight in a.weights.items():
        torch.testing.assert_close(b.weights[name], weight, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("llama", True), ("qwen2", False), ("gemma", True)])
def test_a_twin_has_no_barrier_after_r(family: str, tied: bool, tokenizer: Any) -> None:
    a = tiny.model(family, tokenizer, tied=tied, **FULL)
    found = measured(a, make_twin(a, 3), rotation_of(a, 3))
    assert found.uniform == pytest.approx(math.log(tiny.VOCABULARY))
    assert found.spread < 1e-6
    for name in ("rotated", "refined"):
        assert abs(found.paths[name].barrier) < 1e-3
        assert max(found.paths[name].losses) - min(found.paths[name].losses) < 1e-3
        assert found.paths[name].apart < 1e-4
    for name in ("plain", "permuted", "shuffled"):
        assert abs(found.paths[name].barrier) > 0.005, name
        assert found.paths[name].apart > 0.3
    assert {len(path.losses) for path in found.paths.values()} == {len(found.shares)}


def test_a_permuted_copy_has_no_barrier_once_its_parts_are_matched(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer, **FULL)
    found = measured(a, scrambled(a))
    assert abs(found.paths["plain"].barrier) > 0.005
    for name in ("permuted", "rotated", "refined"):
        assert abs(found.paths[name].barrier) < 1e-5
    both = scrambled(make_twin(a, 3))
    found = measured(a, both, rotation_of(a, 3))
    assert abs(found.paths["permuted"].barrier) > 0.005
    assert abs(found.paths["rotated"].barrier) < 1e-3


def test_the_rotation_of_the_weights_is_the_twins(tokenizer: Any) -> None:
    a = turned_model(tiny.model("qwen2", tokenizer, **FULL), torch.eye(D).double(), "A")
    q = twin_rotation(D, 5)
    torch.testing.assert_close(weight_rotation(a, make_twin(a, 5)), q.T, atol=1e-5, rtol=0)


def test_refining_brings_strangers_nearer_and_keeps_their_function(tokenizer: Any) -> None:
    a, b = (tiny.model("llama", tokenizer, seed=seed, **FULL) for seed in (0, 1))
    found = measured(a, b).paths
    assert found["refined"].apart < found["rotated"].apart < 1.2
    assert found["permuted"].apart < found["plain"].apart


def test_one_rotation_is_that_of_all_sites_or_between_them() -> None:
    r = haar(D, 0)
    found, spread = one_rotation([r, r])
    torch.testing.assert_close(found, r)
    assert spread < 1e-9
    small = torch.matrix_exp(0.1 * (haar(D, 1) - haar(D, 1).T))
    found, spread = one_rotation([r @ small, r @ small.T])
    torch.testing.assert_close(found, r, atol=1e-9, rtol=0)
    assert 0 < spread < 0.3
    assert one_rotation([haar(D, i) for i in range(20)])[1] > 0.7


def test_who_has_a_weight_space(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer)
    assert has_weight_space(a, tiny.model("llama", tokenizer, seed=1))
    assert has_weight_space(a, make_twin(a))
    assert has_weight_space(tiny.model("llama", tokenizer, tied=True), make_twin(a))
    assert not has_weight_space(a, tiny.model("mistral", tokenizer))
    assert not has_weight_space(a, tiny.model("llama", tokenizer, intermediate_size=48))
    for family in ("gpt2", "gemma2", "gpt_neox"):
        assert not has_weight_space(*(tiny.model(family, tokenizer, seed=seed) for seed in (0, 1)))
    with pytest.raises(ValueError):
        measured(a, tiny.model("mistral", tokenizer))


def test_a_barrier_is_the_middle_above_the_mean_of_the_ends() -> None:
    assert WeightPath((1.0, 5.0, 4.0, 5.0, 2.0), 1.0).barrier == pytest.approx(2.5)
