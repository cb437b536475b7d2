"""Training from scratch: resumable exactly, deterministic, and honest about whose state it finds."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from explorer.errors import InputError
from explorer.training.llamas import Llamas, ModelRecipe
from explorer.training.optimisers import OptimiserKind
from explorer.training.pretraining import Speed, Training, TrainingProgress, fastest, train_seeds
from explorer.training.recall_objective import MARK, recall_objective
from explorer.training.schedule import Schedule

SHAPE = ModelRecipe(d_model=16, n_layers=1, n_heads=2, d_mlp=24, context=11)
SCHEDULE = Schedule(steps=130, rows=4, learning_rate=1e-2, warmup=10, emphasis=((0.5, 3.0),))
ROWS = np.random.default_rng(0).integers(1, 30, (50, 12)).astype(np.uint16)
SEEDS = (0, 1)


def batches(step: int) -> np.ndarray:
    return ROWS[np.random.default_rng(step).integers(0, 50, (2, 4))]


def train(
    state: Path,
    stop_after: int | None = None,
    kind: OptimiserKind = "equivariant",
    seeds: tuple[int, ...] = SEEDS,
    schedule: Schedule = SCHEDULE,
    keep: dict[int, Callable[[], None]] | None = None,
    llamas: Llamas | None = None,
) -> tuple[dict[str, torch.Tensor], list[tuple[int, tuple[float, ...]]], list[TrainingProgress]]:
    llamas = llamas or Llamas(SHAPE, 30, seeds)
    told: list[TrainingProgress] = []
    training = Training(kind, schedule, batches, recall_objective)
    losses = train_seeds(llamas, training, state, told.append, keep, None, stop_after)
    return llamas.weights, losses, told


@pytest.mark.parametrize("kind", ["equivariant", "adamw"])
def test_an_interrupted_run_goes_on_exactly(tmp_path: Path, kind: OptimiserKind) -> None:
    whole, losses, told = train(tmp_path / "whole", kind=kind)
    assert [p.step for p in told] == [s for s, _ in losses] == [50, 100, 130]
    for number in range(2):
        assert losses[-1][1][number] < losses[0][1][number] < math.log(30) + 0.2
    # Interrupted at a saved step, then between two of them (steps 51 … 80 are done again).
    assert [s for s, _ in train(tmp_path / "parts", 50, kind)[1]] == [50]
    assert [s for s, _ in train(tmp_path / "parts", 30, kind)[1]] == [50]
    resumed, resumed_losses, _ = train(tmp_path / "parts", kind=kind)
    assert resumed_losses == losses
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())
    assert not list(tmp_path.glob("*.partial"))


def test_kept_steps_are_the_same_after_an_interruption(tmp_path: Path) -> None:
    kept: list[dict[int, torch.Tensor]] = [{}, {}]

    def keep(llamas: Llamas, found: dict[int, torch.Tensor]) -> dict[int, Callable[[], None]]:
        def at(step: int) -> Callable[[], None]:
            return lambda: found.update({step: llamas.state(1)["lm_head.weight"].clone()})

        return {step: at(step) for step in (0, 50, 60)}

    for name, found, stops in (("whole", kept[0], [None]), ("parts", kept[1], [50, None])):
        for stop in stops:
            llamas = Llamas(SHAPE, 30, SEEDS)
            train(tmp_path / name, stop, keep=keep(llamas, found), llamas=llamas)
    assert all(torch.equal(kept[0][step], kept[1][step]) for step in (0, 50, 60))
    assert torch.equal(kept[0][0], Llamas(SHAPE, 30, SEEDS).weights["lm_head.weight"][1])


def test_a_state_of_another_recipe_or_seed_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "state", stop_after=50)
    with pytest.raises(InputError, match="another recipe or seeds"):
        train(tmp_path / "state", seeds=(0, 2))
    with pytest.raises(InputError, match="another recipe or seeds"):
        train(tmp_path / "state", schedule=replace(SCHEDULE, learning_rate=2e-2))
    with pytest.raises(InputError, match="another recipe or seeds"):
        train(tmp_path / "state", kind="adamw")


def test_a_run_that_diverges_says_so(tmp_path: Path) -> None:
    llamas = Llamas(SHAPE, 30, SEEDS)
    llamas.weights["lm_head.weight"][1] = torch.inf
    with pytest.raises(InputError, match="training diverged: the losses before step 50"):
        train(tmp_path / "state", llamas=llamas)
    assert not (tmp_path / "state").exists()


def test_a_marked_token_counts_several_times() -> None:
    rows = torch.from_numpy(ROWS.astype(np.int64)).view(2, 25, 12)
    marks = torch.rand(rows.shape) < 0.2
    logits = torch.randn(2, 25, 11, 30)

    def loss(weight: float) -> tuple[torch.Tensor, torch.Tensor]:
        return recall_objective(lambda _ids: logits, rows + MARK * marks, torch.tensor(weight))

    for number in range(2):
        each = cross_entropy(logits[number].transpose(1, 2), rows[number, :, 1:], reduction="none")
        thrice = torch.cat([each.flatten(), *[each[marks[number, :, 1:]]] * 2]).mean()
        assert torch.allclose(loss(3.0)[0][number], thrice)
        assert torch.allclose(loss(1.0)[0][number], each.mean())
        assert torch.allclose(loss(3.0)[1][number], each.mean()), "what is shown counts every token once"


def test_the_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.training.pretraining.bfloat16_pays", lambda: False)
    monkeypatch.setattr("explorer.training.pretraining.shutil.which", lambda _name: None)
    assert str(fastest("cpu")) == "float32 products, not compiled"
    assert fastest("cuda") == Speed(torch.bfloat16, False)


@pytest.mark.slow
def test_compiled_training_is_the_same(tmp_path: Path) -> None:
    schedule, losses = replace(SCHEDULE, steps=50), []
    for compiled in (False, True):
        llamas = Llamas(SHAPE, 30, SEEDS)
        training = Training("equivariant", schedule, batches, recall_objective)
        losses += train_seeds(
            llamas, training, tmp_path / str(compiled), lambda _p: None, None, Speed(compiled=compiled)
        )
    assert losses[0][1] == pytest.approx(losses[1][1], rel=1e-3)
