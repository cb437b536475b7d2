"""The language models of the Tales study, phase by phase, each resumable; and their loss per document."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Integer

from explorer.models import LanguageModel
from explorer.text.tales import stories as tales
from explorer.training.loss import best_loss, fast_loss
from explorer.training.pretraining import Schedule, TrainingProgress, save_half, train_language_model
from explorer.training.recall_objective import flagged, recall_objective, tokens_of
from explorer.training.tales.recipe import Workshop
from explorer.training.tales.rows import make_corpus

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


def make_models(workshop: Workshop, seeds: tuple[int, ...], stop_after: int | None = None) -> None:
    """Train the language models of some seeds; seed 0 also leaves its early checkpoint and its untrained weights.

    A phase that is over leaves its weights, in half precision, from which the next one starts.
    """
    recipe = workshop.recipe
    vocabulary = max(recipe.vocabulary, int(make_corpus(workshop).max()) + 1)
    for seed in seeds:
        name = f"seed{seed}"
        if workshop.model_folder(name).exists():
            workshop.log(f"{name}: already trained")
            continue
        model = recipe.model.build(vocabulary, seed)
        for phase in recipe.phases:
            folder = workshop.model_folder(name) if phase == recipe.phases[-1] else workshop.phase_folder(name, phase)
            if not folder.exists():
                keep: dict[int, list[Path]] = {}
                if phase.name == "main":
                    steps = phase.schedule.steps
                    for share in recipe.checkpoints:
                        keep[round(share * steps)] = [workshop.checkpoint_folder(name, round(share * steps))]
                    if seed == 0:
                        keep.setdefault(round(recipe.early * steps), []).append(workshop.model_folder("early"))
                if seed == 0 and phase == recipe.phases[0]:
                    keep.setdefault(0, []).append(workshop.model_folder("step0"))
                model.to(workshop.device)
                rows = make_corpus(workshop, phase.name == "polish")
                label = f"{name}-{phase.name}"
                if not train_phase(
                    workshop, model, rows, phase.schedule, phase.order + seed, label, keep, folder, stop_after
                ):
                    return
            if phase != recipe.phases[-1]:
                model = recipe.model.load(folder)
    for folder in (workshop.out / "models").glob("*"):
        if folder.is_dir() and not folder.name.endswith(".partial"):
            for file in workshop.tokenizer_folder.iterdir():
                shutil.copy(file, folder / file.name)


def train_phase(
    workshop: Workshop,
    model: LlamaForCausalLM,
    rows: Integer[np.ndarray, "n t"],
    schedule: Schedule,
    order: int,
    name: str,
    keep: dict[int, list[Path]],
    folder: Path,
    stop_after: int | None = None,
) -> bool:
    """Train one phase of one model, and save it into `folder`; False if it was stopped before its end."""

    def report(p: TrainingProgress) -> None:
        if p.step % 200 == 0 or p.step == p.steps:
            tokens = p.step * schedule.rows * workshop.recipe.model.context / 1e6
            left = f"{p.seconds_left / 60:.0f} min left"
            workshop.log(f"{name}: step {p.step}/{p.steps}, {tokens:.1f} M tokens, loss {p.loss:.4f}, {left}")

    state = workshop.out / "work" / f"{name}.safetensors"
    loss_of = None
    special = (recall_objective(schedule.emphasis), tokens_of) if schedule.emphasis != 1 else ()
    if special:
        rows = flagged(rows, model.config.eos_token_id)
    if workshop.fast and workshop.device == "cpu":
        loss_of, how = best_loss(model, *special)
        workshop.log(f"{name}: {how}")
    elif special:
        loss_of = fast_loss(model, torch.float32, False, *special)
    losses = train_language_model(model, rows, schedule, order, state, keep, report, stop_after, loss_of)
    if not losses or losses[-1][0] < schedule.steps:
        return False
    curve = workshop.out / "work" / f"{name}.losses.csv"
    curve.write_text("step,loss\n" + "".join(f"{s},{loss:.5f}\n" for s, loss in losses), encoding="utf-8")
    save_half(model, folder)
    return True


@torch.inference_mode()
def document_loss(model: LanguageModel, texts: list[str]) -> tuple[float, float]:
    """Mean loss in nats per document, and tokens per document with the end-of-text token that closes it.

    Comparable with `tales.entropy`: both are −log P of whole documents, and no model can be below it. Documents are
    read as in training, where a row starts with a document's first token: no model has met an end-of-text token there.
    So the first token is predicted after another document's end, and the rest from the document alone, which by the
    chain rule is a probability of documents, too.
    """
    end, tokenizer = model.tokenizer.eos_token_id, model.tokenizer
    before = [*tokenizer(tales.document("train", 0).text, add_special_tokens=False)["input_ids"], end]
    first = model.logits(torch.tensor([before]))[0, -1].log_softmax(-1)
    total, tokens = 0.0, 0
    for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        row = torch.tensor([*ids, end], device=model.device)
        loss = torch.nn.functional.cross_entropy(model.logits(row[None])[0, :-1], row[1:])
        total += float(loss) * len(ids) - float(first[ids[0]])
        tokens += len(ids) + 1
    return total / len(texts), tokens / len(texts)
