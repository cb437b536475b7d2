"""Train the models of both cohorts of Dyck-3, in as many phases as each needs to be accurate."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Integer
from safetensors.torch import load_file
from torch import Tensor

from explorer.files import replacing
from explorer.models import load_model
from explorer.text.dyck import VOCABULARY, HeadAccuracy, head_accuracy, language as dyck
from explorer.training.dyck.objective import objective, save_tokenizer, tokens_of, training_rows
from explorer.training.dyck.recipe import DyckWorkshop, initial_seed
from explorer.training.llamas import EMBEDDING, UNEMBEDDING, Llamas
from explorer.training.pretraining import LogitsOf, Losses, Training, TrainingProgress, fastest, train_seeds

DOCUMENTS = 2000
"""Documents on which accuracy is judged between two phases; no other number uses them."""
_BOUNDARY = (EMBEDDING, UNEMBEDDING)


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
    recipe, llamas = workshop.recipe, Llamas(workshop.recipe.model, VOCABULARY, (initial_seed(name),))
    shared = name[0] == "A" and name != "A0"
    if shared:
        trained = load_file(workshop.model_folder("A0") / "model.safetensors")
        llamas.load(0, llamas.state(0) | {key: trained[key] for key in _BOUNDARY})
    for phase in range(recipe.phases):
        folder = workshop.out / "work" / f"{name}-phase{phase}"
        if not folder.exists():
            if not _phase(workshop, name, llamas, phase, folder, stop_after):
                return False
            save_tokenizer(folder)
        found = accuracy(folder)
        workshop.log(f"{name}: held-out accuracy {found.depth:.3%} of depth, {found.validity:.3%} of validity")
        if min(found.depth, found.validity) >= recipe.accurate:
            break
        # The next phase starts from the weights as they are stored, so that an interrupted run ends alike.
        llamas.load(0, load_file(folder / "model.safetensors"))
    with replacing(workshop.model_folder(name)) as partial:
        shutil.copytree(folder, partial)
    return True


def accuracy(folder: Path) -> HeadAccuracy:
    """How accurate a trained model is on documents that only this asks about."""
    tokens = dyck.rows("accurate", DOCUMENTS)
    return head_accuracy(load_model(folder), tokens)


def _phase(workshop: DyckWorkshop, name: str, llamas: Llamas, phase: int, folder: Path, stop_after: int | None) -> bool:
    """One phase, saved into `folder`; False if it was stopped before its end."""
    recipe = workshop.recipe
    schedule = recipe.again if phase else recipe.schedule
    seen = recipe.schedule.steps * recipe.schedule.rows + (phase - 1) * recipe.again.steps * recipe.again.rows
    rows = training_rows("train", schedule.steps * schedule.rows, seen if phase else 0)
    order = np.random.default_rng([initial_seed(name), phase]).permutation(len(rows))
    label, speed = f"{name}, phase {phase + 1}", fastest("cpu") if workshop.fast else None
    workshop.log(f"{label}: {speed or 'plain float32'}")

    def report(p: TrainingProgress) -> None:
        if p.step % 200 == 0 or p.step == p.steps:
            left = f"{p.seconds_left / 60:.0f} min left"
            workshop.log(f"{label}: step {p.step}/{p.steps}, sum of the four losses {p.losses[0]:.4f}, {left}")

    def batches(step: int) -> Integer[np.ndarray, "1 b t"]:
        return rows[order[step * schedule.rows : (step + 1) * schedule.rows]][None]

    def save(name: str) -> Callable[[], None]:
        return lambda: recipe.model.save(llamas.state(0), workshop.model_folder(name))

    keep = {}
    if name == "A0" and phase == 0:
        keep = {0: save("step0"), round(recipe.early * schedule.steps): save("early")}
    frozen = frozenset(_BOUNDARY if name[0] == "A" and name != "A0" else ())
    training = Training("adamw", schedule, batches, losses, frozen)
    state = folder.with_suffix(".safetensors")
    found = train_seeds(llamas, training, state, report, keep, speed, stop_after)
    if not found or found[-1][0] < schedule.steps:
        return False
    curve = folder.with_suffix(".losses.csv")
    curve.parent.mkdir(parents=True, exist_ok=True)
    curve.write_text("step,loss\n" + "".join(f"{s},{loss:.5f}\n" for s, (loss,) in found), encoding="utf-8")
    recipe.model.save(llamas.state(0), folder)
    return True


def losses(logits: LogitsOf, rows: Int[Tensor, "1 b t"], _weight: Float[Tensor, ""]) -> Losses:
    """The sum of the four heads' losses of one model."""
    found = objective(logits(tokens_of(rows))[0], rows[0])[None]
    return Losses(found, found.detach())
