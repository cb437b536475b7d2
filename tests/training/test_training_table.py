"""The table over training on a miniature study: which checkpoints it reads, what it measures, that it is made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from explorer.sae.trainer import SAERecipe
from explorer.study.training_rows import read_training_table
from explorer.text.tales import contrasts
from explorer.training import over_training as training_table
from explorer.training.over_training import Trial, make_training_table
from explorer.training.pretraining import ModelRecipe, Schedule
from explorer.training.tales.models import document_loss, make_models
from explorer.training.tales.recipe import TalesRecipe, Workshop

pytestmark = pytest.mark.slow

SHAPE = ModelRecipe(d_model=24, n_layers=2, n_heads=2, d_mlp=32, context=256)
STEPS = Schedule(steps=100, rows=8, learning_rate=1e-2, warmup=10)
RECIPE = TalesRecipe(
    seeds=(0, 1),
    vocabulary=400,
    tokenizer_documents=60,
    rows=100,
    model=SHAPE,
    recall=replace(STEPS, steps=50, emphasis=3.0),
    schedule=STEPS,
    polish_rows=100,
    polish=replace(STEPS, steps=50),
    checkpoints=(0.1, 0.5),
    sae=SAERecipe(k=4, batch=256, dead_after=30),
    sae_tokens=30_000,
)


def test_rows_follow_the_checkpoints_and_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(contrasts, "PROMPTS", 4)
    monkeypatch.setattr(contrasts, "PLANS", tuple(p for p in contrasts.PLANS if p.name == "recipe"))
    monkeypatch.setattr(training_table, "DOCUMENTS", 60)
    monkeypatch.setattr(training_table, "LOSS_DOCUMENTS", 4)
    monkeypatch.setattr(training_table, "SAE_ROWS", 256 * 40)
    narrow = Trial("d = 16", replace(SHAPE, d_model=16, n_heads=2), replace(STEPS, steps=50))
    monkeypatch.setattr(training_table, "trials", lambda: [narrow])
    contrasts.ready_contrast.cache_clear()
    log: list[str] = []
    workshop = Workshop(tmp_path, RECIPE, log.append)
    make_models(workshop, RECIPE.seeds)
    make_training_table(workshop)
    contrasts.ready_contrast.cache_clear()
    rows = read_training_table(tmp_path)
    assert [(r.group, r.tokens) for r in rows] == [
        ("training", 50 * 8 * 256),
        ("training", 60 * 8 * 256),
        ("training", 100 * 8 * 256),
        ("training", 150 * 8 * 256),
        ("training", 200 * 8 * 256),
        ("trial", 50 * 8 * 256),
    ]
    assert [r.d_model for r in rows] == [24, 24, 24, 24, 24, 16]
    losses = [r.loss_source for r in rows[:5]]
    assert min(losses) == losses[-1] < losses[0] - 0.2
    # The last row is the shipped pair: the loss that the study itself states.
    measurer = training_table._Measurer(workshop)
    total, tokens = document_loss(measurer.load("A", workshop.model_folder("seed0")), measurer.loss_texts)
    assert rows[4].loss_source == pytest.approx(total / tokens, rel=1e-6)
    for row in rows:
        assert row.orthogonal <= row.affine + 1e-3 and row.sae_ceiling > row.sae_raw
        assert row.restored is not None and row.restored < 1 and "TopK" in (row.dictionary or "")
        assert row.rho == pytest.approx(row.orthogonal / row.affine)
    before = len(log)
    make_training_table(workshop)
    assert log[before:] == ["table over training: already there"]
