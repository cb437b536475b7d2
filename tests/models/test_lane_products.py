"""Matrices kept in another order for lanes: the same values, the same text, and nothing left on the network."""

import copy

import pytest
import torch
from torch import nn

from explorer import PROJECT
from explorer.models import lane_products
from explorer.models.lane_products import FEW, LaneProducts
from explorer.models.language_model import load_model
from explorer.steering.decoding import Sampling
from explorer.steering.generation import Lane, generate


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(30, 50), nn.ReLU(), nn.Linear(50, 70), nn.Linear(70, 20, bias=False))


@pytest.mark.parametrize("rows", [1, 2, 6, FEW, FEW + 1])
def test_products_are_those_of_the_plain_layers(rows: int, network: nn.Sequential) -> None:
    products, x = LaneProducts(network), torch.randn(rows, 1, 30)
    expected = network(x)
    with torch.inference_mode(), products.used(rows):
        assert ("forward" in vars(network[0])) == (1 < rows <= FEW)
        assert torch.allclose(expected, network(x), atol=1e-6)
    assert not any("forward" in vars(m) for m in network)
    assert torch.equal(network(x), expected)


def test_a_copy_with_other_weights_is_not_the_old_one(network: nn.Sequential) -> None:
    LaneProducts(network)
    other, x = copy.deepcopy(network), torch.randn(3, 30)
    with torch.no_grad():
        other[0].weight.mul_(2)
    expected = network[3](network[2](torch.relu(2 * network[0](x) - network[0].bias)))
    with torch.inference_mode(), LaneProducts(other).used(3):
        assert torch.allclose(other(x), expected, atol=1e-5)


def test_what_would_take_too_much_memory_is_left_as_it_is(
    network: nn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_products, "LARGEST", 6000)
    assert LaneProducts(network).layers == []
    assert LaneProducts(network.to(torch.bfloat16)).layers == []


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0, 0.8])
def test_lanes_of_a_shipped_model_write_what_plain_layers_write(
    temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    directions = torch.randn(3, 256, generator=torch.Generator().manual_seed(0))
    texts = []
    for largest in (0, lane_products.LARGEST):
        monkeypatch.setattr(lane_products, "LARGEST", largest)
        model = load_model(PROJECT / "assets" / "tales" / "models" / "seed0")
        lanes = [Lane("plain", model), *(Lane(str(i), model, 2.0 * v) for i, v in enumerate(directions))]
        texts.append(
            [
                generate(lanes, model.sites[2], prompt, Sampling(temperature, seed, 60))
                for prompt in ("Once there was", "Dear Clara,")
                for seed in range(2)
            ]
        )
        assert model._products is not None
        assert bool(model._products.layers) == (largest > 0)
    assert texts[0] == texts[1]
