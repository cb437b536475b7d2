"""The equivariant optimiser commutes with a rotation of the residual stream, AdamW does not; AdamW is torch's own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.alignment.orthogonal import haar
from explorer.training.llamas import EMBEDDING, UNEMBEDDING, Llamas, ModelRecipe
from explorer.training.optimisers import OptimiserKind, SeedOptimiser, orthogonalised
from explorer.training.pretraining import Training, train_seeds
from explorer.training.recall_objective import recall_objective
from explorer.training.schedule import Schedule

SHAPE = ModelRecipe(d_model=24, n_layers=2, n_heads=2, d_mlp=40, context=16)
SCHEDULE = Schedule(steps=20, rows=4, warmup=5, emphasis=((0.5, 3.0),))


def rotate(llamas: Llamas, q: torch.Tensor) -> None:
    """The same function in a rotated residual stream."""
    for name, weight in llamas.weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.copy_(q.T @ weight)
        elif not llamas.is_gain(name):
            weight.copy_(weight @ q)


def trained(kind: OptimiserKind, q: torch.Tensor | None, state: Path) -> Llamas:
    llamas = Llamas(SHAPE, 40, (0, 1), dtype=torch.float64)
    if q is not None:
        rotate(llamas, q)

    def batches(step: int) -> np.ndarray:
        rows = np.random.default_rng(step).integers(0, 40, (2, 4, 17))
        return (rows | (rows % 3 == 0) * 32768).astype(np.uint16)

    training = Training(kind, SCHEDULE, batches, recall_objective)
    train_seeds(llamas, training, state, lambda _p: None)
    return llamas


@pytest.mark.parametrize(("kind", "commutes"), [("equivariant", True), ("adamw", False)])
def test_a_rotated_start_ends_at_the_rotated_weights(kind: OptimiserKind, commutes: bool, tmp_path: Path) -> None:
    q = haar(24, 1)
    start = Llamas(SHAPE, 40, (0, 1), dtype=torch.float64)
    plain, turned = (trained(kind, how, tmp_path / "state") for how in (None, q))
    moved = max(float((plain.weights[n] - w).abs().max()) for n, w in start.weights.items())
    assert moved > 0.01, "twenty steps change something"
    rotate(plain, q)
    apart = max(float((plain.weights[n] - w).abs().max()) for n, w in turned.weights.items())
    assert apart < 1e-4 if commutes else apart > 1e-3
    assert commutes == bool((turned.weights["model.norm.weight"] == 1).all())


def test_a_seed_takes_the_same_steps_alone() -> None:
    """Clipping, moments and orthogonalisation look at one seed only."""
    for kind in ("equivariant", "adamw"):
        both, alone = Llamas(SHAPE, 40, (0, 1)), Llamas(SHAPE, 40, (1,))
        optimisers = [SeedOptimiser(llamas, kind, SCHEDULE, frozenset()) for llamas in (both, alone)]
        for _ in range(3):
            for name in optimisers[0].learnt:
                gradient = torch.randn_like(both.weights[name]) * torch.tensor([50.0, 0.1]).view(
                    2, *[1] * (both.weights[name].ndim - 1)
                )
                both.weights[name].grad, alone.weights[name].grad = gradient, gradient[1:].clone()
            for optimiser in optimisers:
                optimiser.step()
        for name, weight in both.weights.items():
            torch.testing.assert_close(weight[1], alone.weights[name][0], atol=1e-6, rtol=1e-5)


def test_adamw_is_torchs() -> None:
    llamas = Llamas(SHAPE, 40, (0,))
    schedule = Schedule(steps=10, warmup=0, flat=1.0, clip=1e9)
    stock = {n: torch.nn.Parameter(w[0].clone()) for n, w in llamas.weights.items()}
    groups = [
        {"params": [p for n, p in stock.items() if llamas.is_gain(n) == gain], "weight_decay": 0.0 if gain else 0.1}
        for gain in (True, False)
    ]
    reference = torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.98), eps=1e-10)
    ours = SeedOptimiser(llamas, "adamw", schedule, frozenset())
    for _ in range(5):
        for name, p in stock.items():
            p.grad = torch.randn_like(p)
            llamas.weights[name].grad = p.grad[None].clone()
        reference.step()
        ours.step()
    for name, p in stock.items():
        torch.testing.assert_close(llamas.weights[name][0].detach(), p.detach(), atol=1e-6, rtol=1e-5)


def test_frozen_weights_stay() -> None:
    llamas = Llamas(SHAPE, 40, (0,))
    before = {n: w.clone() for n, w in llamas.weights.items()}
    optimiser = SeedOptimiser(llamas, "adamw", SCHEDULE, frozenset((EMBEDDING, UNEMBEDDING)))
    for name in optimiser.learnt:
        llamas.weights[name].grad = torch.ones_like(llamas.weights[name])
    optimiser.step()
    stayed = {n for n, w in llamas.weights.items() if torch.equal(w.detach(), before[n])}
    assert stayed == {EMBEDDING, UNEMBEDDING}


def test_orthogonalised_gradients_have_singular_values_near_1() -> None:
    for shape in ((2, 30, 20), (20, 30)):
        g = torch.randn(shape, dtype=torch.float64)
        values = torch.linalg.svdvals(orthogonalised(g))
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3
        u, _, v = torch.linalg.svd(g, full_matrices=False)
        cosine = (orthogonalised(g) * (u @ v)).sum() / (u @ v).norm() / orthogonalised(g).norm()
        assert float(cosine) > 0.97


def test_the_schedule_rises_stays_and_falls_to_nothing() -> None:
    schedule = Schedule(steps=1000, warmup=100, flat=0.4, emphasis=((0.1, 8.0), (0.5, 3.0)))
    rates = [schedule.rate(step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01) and rates[99] == rates[400] == 1.0
    assert rates[700] == pytest.approx(0.5) and rates[1000] == 0.0
    assert [schedule.weight(step) for step in (0, 99, 100, 499, 500, 999)] == [8.0, 8.0, 3.0, 3.0, 1.0, 1.0]
