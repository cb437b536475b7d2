"""Training from scratch: resumable exactly, deterministic, and honest about whose state it finds."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer.models import find_blocks
from explorer.pretraining import (
    ModelRecipe,
    Schedule,
    TrainingProgress,
    batch_order,
    next_token_loss,
    pack,
    save_half,
    train_language_model,
)

RECIPE = ModelRecipe(d_model=16, n_layers=1, n_heads=2, d_mlp=24, context=12)
SCHEDULE = Schedule(steps=130, rows=4, learning_rate=1e-2, warmup=10)
ROWS = np.random.default_rng(0).integers(1, 30, (50, 12)).astype(np.uint16)


def train(
    state: Path,
    stop_after: int | None = None,
    seed: int = 0,
    schedule: Schedule = SCHEDULE,
    keep: dict[int, list[Path]] | None = None,
) -> tuple[dict[str, torch.Tensor], list[tuple[int, float]], list[TrainingProgress]]:
    model = RECIPE.build(30, seed)
    told: list[TrainingProgress] = []
    losses = train_language_model(model, ROWS, schedule, seed, state, keep or {}, told.append, stop_after)
    return {k: v.clone() for k, v in model.state_dict().items()}, losses, told


def test_an_interrupted_run_goes_on_exactly(tmp_path: Path) -> None:
    whole, losses, told = train(tmp_path / "whole")
    assert [p.step for p in told] == [s for s, _ in losses] == [50, 100, 130]
    assert losses[-1][1] < losses[0][1] < math.log(30) + 0.2
    # Interrupted at a saved step, then between two of them (steps 51 … 80 are done again).
    assert [s for s, _ in train(tmp_path / "parts", stop_after=50)[1]] == [50]
    assert [s for s, _ in train(tmp_path / "parts", stop_after=30)[1]] == [50]
    resumed, resumed_losses, _ = train(tmp_path / "parts")
    assert resumed_losses == losses
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name
    assert not list(tmp_path.glob("*.partial"))


def test_kept_steps_are_the_same_after_an_interruption(tmp_path: Path) -> None:
    keeps = [{s: [tmp_path / n / f"at{s}"] for s in (0, 50, 60)} for n in "ab"]
    train(tmp_path / "whole", keep=keeps[0])
    train(tmp_path / "parts", 50, keep=keeps[1])
    train(tmp_path / "parts", keep=keeps[1])
    for (one,), (other,) in zip(keeps[0].values(), keeps[1].values(), strict=True):
        a, b = (load_file(folder / "model.safetensors") for folder in (one, other))
        assert all(torch.equal(a[k], b[k]) for k in a)
    start = RECIPE.build(30, 0).state_dict()
    assert all(torch.equal(v, start[k].half()) for k, v in load_file(keeps[0][0][0] / "model.safetensors").items())


def test_a_state_of_another_recipe_or_seed_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "state", stop_after=50)
    with pytest.raises(ValueError, match="another recipe or seed"):
        train(tmp_path / "state", seed=1)
    with pytest.raises(ValueError, match="another recipe or seed"):
        train(tmp_path / "state", schedule=Schedule(steps=130, rows=4, learning_rate=2e-2, warmup=10))


def test_seeds_decide_weights_and_order() -> None:
    a, b, c = (RECIPE.build(30, s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["lm_head.weight"], c["lm_head.weight"])
    model = RECIPE.build(30, 0)
    assert len(find_blocks(model)) == 1
    assert not torch.equal(model.get_input_embeddings().weight, model.get_output_embeddings().weight)
    order = batch_order(50, SCHEDULE, 0)
    assert order.shape == (130, 4)
    assert not np.array_equal(order, batch_order(50, SCHEDULE, 1))
    for i in range(10):
        assert sorted(order.ravel()[50 * i : 50 * (i + 1)]) == list(range(50)), "every row once before any row twice"


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    rates = [SCHEDULE.rate(step) for step in range(130)]
    assert rates[0] == pytest.approx(1e-3)
    assert max(rates) == rates[9] == rates[10] == pytest.approx(1e-2)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert SCHEDULE.rate(70) == pytest.approx(0.5e-2)
    assert SCHEDULE.rate(130) == pytest.approx(0)


def test_pack_starts_every_row_with_a_document() -> None:
    documents = [list(range(10 * i + 1, 10 * i + 1 + n)) for i, n in enumerate((3, 2, 8, 1, 5, 9, 4, 2, 6))]
    rows = pack(iter(documents), 4, 7, 0)
    assert rows.tolist() == [
        [1, 2, 3, 0, 11, 12, 0],
        [21, 22, 23, 24, 25, 26, 27],
        [31, 0, 41, 42, 43, 44, 45],
        [51, 52, 53, 54, 55, 56, 57],
    ]
    assert {int(r[0]) for r in rows} <= {d[0] for d in documents}


def test_next_token_loss_by_hand() -> None:
    model = RECIPE.build(30, 0).eval()
    rows = torch.from_numpy(ROWS[:3].astype(np.int64))
    with torch.no_grad():
        log_p = model(input_ids=rows).logits.log_softmax(-1)
        expected = -np.mean([log_p[i, t, rows[i, t + 1]] for i in range(3) for t in range(11)])
        assert float(next_token_loss(model, rows)) == pytest.approx(float(expected), abs=1e-5)


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path: Path) -> None:
    model = RECIPE.build(30, 0)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = 1e6
    with pytest.raises(ValueError, match="training diverged"):
        save_half(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_saved_models_are_half_as_large_and_load_back(tmp_path: Path) -> None:
    model = RECIPE.build(30, 0)
    save_half(model, tmp_path / "m")
    assert json.loads((tmp_path / "m" / "config.json").read_text())["model_type"] == "llama"
    found = load_file(tmp_path / "m" / "model.safetensors")
    assert {v.dtype for v in found.values()} == {torch.float16}
    for name, value in model.state_dict().items():
        assert torch.equal(found[name], value.half())
