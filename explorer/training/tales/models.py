"""The language models of the Tales study, cohort by cohort, each resumable; and their loss per document."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Int, Integer
from torch import Tensor

from explorer.models import LanguageModel
from explorer.training.llamas import Llamas
from explorer.training.pretraining import Training, TrainingProgress, fastest, train_seeds
from explorer.training.recall_objective import recall_objective
from explorer.training.tales.recipe import Cohort, Workshop
from explorer.training.tales.stream import TokenStream, growing_stream

STAGES = 40
"""In how many stages the text grows that rows are drawn from, up to FRESH of the training."""
FRESH = 0.9


def make_models(workshop: Workshop, stop_after: int | None = None) -> None:
    """Train the language models; the first one also leaves its early checkpoint and its untrained weights."""
    for cohort in workshop.recipe.cohorts:
        if all(workshop.model_folder(name).exists() for name in cohort.names):
            workshop.log(f"{', '.join(cohort.names)}: already trained")
        elif not _train(workshop, cohort, stop_after):
            return
    for folder in (*(workshop.out / "models").glob("*"), *workshop.checkpoint_folder("", 0).parent.glob("*")):
        if not folder.name.endswith(".partial"):
            for file in workshop.tokenizer_folder.iterdir():
                shutil.copy(file, folder / file.name)


def _train(workshop: Workshop, cohort: Cohort, stop_after: int | None) -> bool:
    """Train one cohort and save its models; False if it was stopped before its end."""
    recipe, schedule, label = workshop.recipe, cohort.schedule, ", ".join(cohort.names)
    llamas = Llamas(recipe.model, recipe.vocabulary, cohort.seeds, workshop.device)
    speed = fastest(workshop.device) if workshop.fast else None
    workshop.log(f"{label}: {cohort.kind}, {speed or 'plain float32'}")

    def report(p: TrainingProgress) -> None:
        if p.step % 500 == 0 or p.step == p.steps:
            tokens = p.step * schedule.rows * recipe.model.context / 1e6
            losses = " ".join(f"{loss:.4f}" for loss in p.losses)
            workshop.log(
                f"{label}: step {p.step}/{p.steps}, {tokens:.1f} M tokens each, loss {losses}, "
                f"{p.seconds_left / 60:.0f} min left"
            )

    work = workshop.out / "work"
    with _batches(workshop, cohort) as batches:
        training = Training(cohort.kind, schedule, batches, recall_objective)
        keep = _checkpoints(workshop, cohort, llamas)
        state = work / f"{cohort.kind}.safetensors"
        losses = train_seeds(llamas, training, state, report, keep, speed, stop_after)
    if not losses or losses[-1][0] < schedule.steps:
        return False
    lines = (",".join([str(step), *(f"{loss:.5f}" for loss in found)]) for step, found in losses)
    (work / f"{cohort.kind}.losses.csv").write_text("\n".join([f"step,{','.join(cohort.names)}", *lines, ""]))
    for number, name in enumerate(cohort.names):
        recipe.model.save(llamas.state(number), workshop.model_folder(name))
    return True


def _checkpoints(workshop: Workshop, cohort: Cohort, llamas: Llamas) -> dict[int, Callable[[], None]]:
    """What to store before which step."""
    recipe, folders = workshop.recipe, {}
    for step in cohort.checkpoints:
        folders[step] = [(n, workshop.checkpoint_folder(name, step)) for n, name in enumerate(cohort.names[:2])]
    if cohort == recipe.cohorts[0] and cohort.numbers[0] == 0:
        folders.setdefault(0, []).append((0, workshop.model_folder("step0")))
        folders.setdefault(recipe.early, []).append((0, workshop.model_folder("early")))

    def store(step: int) -> Callable[[], None]:
        def save() -> None:
            for number, folder in folders[step]:
                recipe.model.save(llamas.state(number), folder)

        return save

    return {step: store(step) for step in folders}


@contextmanager
def _batches(workshop: Workshop, cohort: Cohort) -> Iterator[Callable[[int], Integer[np.ndarray, "s b t"]]]:
    """While open, the training rows of a step, while the text that they are drawn from is still being written.

    How much text a step draws from depends on the step alone, so that an interrupted or faster run sees the same rows.
    """
    schedule, recipe = cohort.schedule, workshop.recipe
    with growing_stream(workshop) as upto:
        kept: dict[int, TokenStream] = {}

        def batches(step: int) -> Integer[np.ndarray, "s b t"]:
            share = min(1.0, (step + 1) / (FRESH * schedule.steps))
            tokens = math.ceil(recipe.tokens * math.ceil(STAGES * share) / STAGES)
            if tokens not in kept:
                kept.clear()
                kept[tokens] = upto(tokens)
            rngs = (np.random.default_rng([77, seed, step]) for seed in cohort.seeds)
            rows, length = schedule.rows, recipe.model.context + 1
            return np.stack([kept[tokens].windows(rows, length, rng) for rng in rngs])

        yield batches


@torch.inference_mode()
def document_loss(model: LanguageModel, texts: list[str]) -> tuple[float, float]:
    """Mean loss in nats per document, and tokens per document with the end-of-text token that closes it.

    Comparable with `tales.entropy`: both are −log P of whole documents, and no model can be below it. A document is
    read after an end-of-text token, as half of the training rows begin; one that is longer than the model reads at
    once in windows that overlap by half.
    """
    end, tokenizer = model.tokenizer.eos_token_id, model.tokenizer
    total, tokens = 0.0, 0
    for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        total += _row_loss(model, torch.tensor([end, *ids, end], device=model.device))
        tokens += len(ids) + 1
    return total / len(texts), tokens / len(texts)


def _row_loss(model: LanguageModel, row: Int[Tensor, " n"]) -> float:
    """−log P of all tokens of a row but the first, nats."""
    most = model.positions or len(row)
    total, start, scored = 0.0, 0, 1
    while scored < len(row):
        stop = min(len(row), start + most + 1)
        said = model.logits(row[None, start : stop - 1])[0, scored - 1 - start :]
        total += float(torch.nn.functional.cross_entropy(said, row[scored:stop], reduction="sum"))
        scored, start = stop, stop - 1 - most // 2
    return total
