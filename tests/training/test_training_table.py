"""The table over training on a miniature study: which checkpoints it reads, what it measures, that it is made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from explorer.models.language_model import load_model
from explorer.sae.trainer import SAERecipe
from explorer.study.training_rows import read_training_table
from explorer.text.tales import contrasts
from explorer.training import over_training as training_table
from explorer.training.llamas import ModelRecipe
from explorer.training.over_training import make_training_table
from explorer.training.schedule import Schedule
from explorer.training.tales.models import document_loss, make_models
from explorer.training.tales.recipe import Cohort, TalesRecipe, Workshop

pytestmark = pytest.mark.slow

SHAPE = ModelRecipe(d_model=24, n_layers=2, n_heads=2, d_mlp=32, context=200)
COHORT = Cohort("equivariant", "seed", Schedule(80, rows=8, warmup=10), (0, 1), checkpoints=(10, 40))
RECIPE = TalesRecipe(
    cohorts=(COHORT,),
    vocabulary=400,
    tokenizer_documents=60,
    tokens=40_000,
    model=SHAPE,
    early=40,
    sae=SAERecipe(width=96, k=4, batch=256, dead_after=30),
    sae_tokens=40_000,
)


def test_rows_follow_the_checkpoints_and_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(contrasts, "PROMPTS", 4)
    monkeypatch.setattr(contrasts, "PLANS", tuple(p for p in contrasts.PLANS if p.name == "recipe"))
    monkeypatch.setattr(training_table, "DOCUMENTS", 60)
    monkeypatch.setattr(training_table, "LOSS_DOCUMENTS", 4)
    monkeypatch.setattr(training_table, "SAE_ROWS", 256 * 40)
    contrasts.ready_contrast.cache_clear()
    log: list[str] = []
    workshop = Workshop(tmp_path, RECIPE, log.append)
    make_models(workshop)
    make_training_table(workshop)
    contrasts.ready_contrast.cache_clear()
    rows = read_training_table(tmp_path)
    assert [r.tokens for r in rows] == [step * 8 * 200 for step in (10, 40, 80)]
    losses = [r.loss_source for r in rows]
    assert losses[2] < losses[1] < losses[0] - 0.2
    # The last row is the shipped pair: the loss that the study itself states.
    measurer = training_table._Measurer(workshop)
    total, tokens = document_loss(load_model(workshop.model_folder("seed0")), measurer.loss_texts)
    assert rows[2].loss_source == pytest.approx(total / tokens, rel=1e-6)
    for row in rows:
        assert row.orthogonal <= row.affine + 1e-3 and row.sae_ceiling > row.sae_raw
        assert row.restored is not None and row.restored < 1 and "TopK" in (row.dictionary or "")
        assert row.rho == pytest.approx(row.orthogonal / row.affine)
        assert row.kl is not None and row.kl > 0
        home, none = replace(row, sae_rotated=row.sae_ceiling), replace(row, sae_rotated=row.sae_shuffled)
        assert (home.restored_paper, none.restored_paper) == (1, 0)
    before = len(log)
    make_training_table(workshop)
    assert log[before:] == ["table over training: already there"]
