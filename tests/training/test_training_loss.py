"""The fast training loss is the stock model's own: value and gradients, in float32 exactly, in bfloat16 nearly."""

from __future__ import annotations

import pytest
import torch

from explorer.training.loss import best_loss, fast_loss
from explorer.training.pretraining import ModelRecipe, next_token_loss

RECIPE = ModelRecipe(d_model=32, n_layers=3, n_heads=4, d_mlp=48, context=24)


def gradients(network: torch.nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 0.1)])
def test_value_and_gradients_are_the_stock_models(dtype: torch.dtype, tolerance: float) -> None:
    network = RECIPE.build(50, 3)
    for name, p in network.named_parameters():  # gains and outputs away from their initial values
        p.data += 0.3 * torch.randn_like(p) if "norm" in name else 2 * p.data
    ids = torch.randint(0, 50, (3, 24))
    stock, fast = next_token_loss(network, ids), fast_loss(network, dtype, compiled=False)(ids)
    assert fast.item() == pytest.approx(stock.item(), rel=1e-6 if dtype == torch.float32 else 1e-2)
    true, found = gradients(network, stock), gradients(network, fast)
    assert true.keys() == found.keys() and len(true) == 3 * 9 + 3
    for name, value in true.items():
        assert (found[name] - value).norm() <= tolerance * value.norm(), name


def test_rows_of_another_length_get_their_own_tables() -> None:
    network = RECIPE.build(50, 0)
    loss = fast_loss(network, torch.float32, compiled=False)
    for t in (24, 7):
        ids = torch.randint(0, 50, (2, t))
        assert loss(ids).item() == pytest.approx(next_token_loss(network, ids).item(), rel=1e-6)


def test_the_choice_is_named_and_float32_weights_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.models.device.bfloat16_pays", lambda: False)
    monkeypatch.setattr("explorer.training.loss.shutil.which", lambda _name: None)
    network = RECIPE.build(50, 0)
    loss, how = best_loss(network)
    assert how == "float32 products, not compiled"
    loss(torch.randint(0, 50, (2, 24))).backward()
    assert {p.dtype for p in network.parameters()} == {torch.float32}
