"""Train the models of both cohorts of Dyck-3, in as many phases as each needs to be accurate."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from explorer import dyck
from explorer.dyck_heads import VOCABULARY, HeadAccuracy, head_accuracy
from explorer.dyck_recipe import DyckWorkshop, initial_seed
from explorer.dyck_training import objective, save_tokenizer, tokens_of, training_rows
from explorer.files import replacing
from explorer.models import load_model
from explorer.pretraining import TrainingProgress, save_half, train_language_model
from explorer.training_loss import best_loss, fast_loss

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

DOCUMENTS = 2000
"""Documents on which accuracy is judged between two phases; no other number uses them."""
_BOUNDARY = ("model.embed_tokens.weight", "lm_head.weight")


def make_models(workshop: DyckWorkshop, stop_after: int | None = None) -> None:
    """Train every model of both cohorts; A0 also leaves its early checkpoint and its untrained weights."""
    for name in workshop.recipe.names:
        if workshop.model_folder(name).exists():
            workshop.log(f"{name}: already trained")
        elif not _train(workshop, name, stop_after):
            return
    for folder in (workshop.out / "models").iterdir():
        if not folder.name.endswith(".partial") and not (folder / "tokenizer.json").exists():
            save_tokenizer(folder)


def _train(workshop: DyckWorkshop, name: str, stop_after: int | None) -> bool:
    """Train one model until it is accurate, or for all phases; False if it was stopped before its end."""
    recipe, model = workshop.recipe, workshop.recipe.model.build(VOCABULARY, initial_seed(name))
    for phase in range(recipe.phases):
        folder = workshop.out / "work" / f"{name}-phase{phase}"
        if not folder.exists():
            if name[0] == "A" and name != "A0":
                _freeze_boundary(workshop, model)
            if not _phase(workshop, name, model, phase, folder, stop_after):
                return False
            save_tokenizer(folder)
        found = accuracy(folder)
        workshop.log(f"{name}: held-out accuracy {found.depth:.3%} of depth, {found.validity:.3%} of validity")
        if min(found.depth, found.validity) >= recipe.accurate:
            break
        # The next phase starts from the weights as they are stored, so that an interrupted run ends alike.
        model = recipe.model.load(folder)
    with replacing(workshop.model_folder(name)) as partial:
        shutil.copytree(folder, partial)
    return True


def accuracy(folder: Path) -> HeadAccuracy:
    """How accurate a trained model is on documents that only this asks about."""
    tokens = dyck.rows("accurate", DOCUMENTS)
    return head_accuracy(load_model(folder), tokens)


def _freeze_boundary(workshop: DyckWorkshop, model: LlamaForCausalLM) -> None:
    trained = workshop.recipe.model.load(workshop.model_folder("A0")).state_dict()
    for key in _BOUNDARY:
        parameter = model.get_parameter(key)
        parameter.data.copy_(trained[key])
        parameter.requires_grad_(False)


def _phase(
    workshop: DyckWorkshop, name: str, model: LlamaForCausalLM, phase: int, folder: Path, stop_after: int | None
) -> bool:
    """One phase, saved into `folder`; False if it was stopped before its end."""
    recipe = workshop.recipe
    schedule = recipe.again if phase else recipe.schedule
    seen = recipe.schedule.steps * recipe.schedule.rows + (phase - 1) * recipe.again.steps * recipe.again.rows
    rows = training_rows("train", schedule.steps * schedule.rows, seen if phase else 0)
    keep: dict[int, list[Path]] = {}
    if name == "A0" and phase == 0:
        keep = {0: [workshop.model_folder("step0")]}
        keep.setdefault(round(recipe.early * schedule.steps), []).append(workshop.model_folder("early"))
    label = f"{name}, phase {phase + 1}"
    if workshop.compiled:
        loss_of, how = best_loss(model, objective, tokens_of)
        workshop.log(f"{label}: {how}")
    else:
        loss_of = fast_loss(model, torch.float32, False, objective, tokens_of)

    def report(p: TrainingProgress) -> None:
        if p.step % 200 == 0 or p.step == p.steps:
            left = f"{p.seconds_left / 60:.0f} min left"
            workshop.log(f"{label}: step {p.step}/{p.steps}, sum of the four losses {p.loss:.4f}, {left}")

    state = folder.with_suffix(".safetensors")
    order = initial_seed(name) + 1000 * phase
    losses = train_language_model(model, rows, schedule, order, state, keep, report, stop_after, loss_of)
    if not losses or losses[-1][0] < schedule.steps:
        return False
    curve = folder.with_suffix(".losses.csv")
    curve.parent.mkdir(parents=True, exist_ok=True)
    curve.write_text("step,loss\n" + "".join(f"{s},{loss:.5f}\n" for s, loss in losses), encoding="utf-8")
    save_half(model, folder)
    return True
