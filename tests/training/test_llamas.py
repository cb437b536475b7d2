"""A batch of seeds is transformers' own Llama seed by seed, and starts where its seeds say."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from explorer.errors import InputError
from explorer.models.language_model import find_blocks
from explorer.training.llamas import GAINS, Llamas, ModelRecipe

SHAPE = ModelRecipe(d_model=32, n_layers=3, n_heads=4, d_mlp=48, context=24)


def stirred(seeds: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Llamas:
    """Weights and gains away from their initial values."""
    llamas = Llamas(SHAPE, 50, seeds, dtype=dtype)
    for name, weight in llamas.weights.items():
        weight.mul_(1 + 0.3 * torch.randn_like(weight)) if llamas.is_gain(name) else weight.mul_(4)
    return llamas


def test_logits_and_gradients_are_the_stock_models(tmp_path: Path) -> None:
    llamas = stirred((3, 5))
    for weight in llamas.weights.values():
        weight.requires_grad_(True)
    ids = torch.randint(0, 50, (2, 3, 24))
    found = llamas.logits(ids, torch.float32)
    found.logsumexp(-1).sum().backward()
    for number in range(2):
        SHAPE.save(llamas.state(number), tmp_path / str(number))
        stock = LlamaForCausalLM.from_pretrained(tmp_path / str(number), dtype=torch.float32)
        stock.load_state_dict(llamas.state(number))
        logits = stock(input_ids=ids[number]).logits
        torch.testing.assert_close(found[number], logits, atol=1e-5, rtol=1e-5)
        logits.logsumexp(-1).sum().backward()
        for name, parameter in stock.named_parameters():
            gradient = llamas.weights[name].grad
            assert gradient is not None and parameter.grad is not None
            assert float((gradient[number] - parameter.grad).norm() / parameter.grad.norm()) < 1e-5, name
        assert len(find_blocks(stock)) == 3


def test_products_in_bfloat16_are_near() -> None:
    llamas, ids = stirred((0,)), torch.randint(0, 50, (1, 2, 24))
    exact, near = llamas.logits(ids, torch.float32), llamas.logits(ids, torch.bfloat16)
    assert near.dtype == torch.bfloat16
    assert 0 < float((near.float() - exact).norm() / exact.norm()) < 0.03


def test_a_seed_fixes_its_own_weights() -> None:
    both, alone, other = (Llamas(SHAPE, 50, seeds) for seeds in ((1, 2), (2,), (3,)))
    for name, weight in both.weights.items():
        assert torch.equal(weight[1], alone.weights[name][0])
        gain = any(g in name for g in GAINS) or name == "model.norm.weight"
        assert torch.equal(weight[0], torch.ones(32)) if gain else not torch.equal(weight[0], weight[1])
        assert gain or float(weight.std()) == pytest.approx(0.02, rel=0.1)
    assert not torch.equal(other.weights["lm_head.weight"], alone.weights["lm_head.weight"])


def test_saved_models_are_half_as_large_and_load_back(tmp_path: Path) -> None:
    llamas = stirred((1, 2))
    SHAPE.save(llamas.state(1), tmp_path / "m")
    found = load_file(tmp_path / "m" / "model.safetensors")
    assert {v.dtype for v in found.values()} == {torch.float16}
    assert all(torch.equal(found[name], w[1].half()) for name, w in llamas.weights.items())
    llamas.load(0, found)
    assert all(torch.equal(w[0], w[1].half().float()) for w in llamas.weights.values())
    with pytest.raises(ValueError, match="another shape"):
        Llamas(SHAPE, 51, (0,)).load(0, found)


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path: Path) -> None:
    llamas = Llamas(SHAPE, 50, (0,))
    llamas.weights["lm_head.weight"][0, 0, 0] = 1e6
    with pytest.raises(InputError, match="training diverged"):
        SHAPE.save(llamas.state(0), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
