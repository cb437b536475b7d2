"""Train several seeds of a small language model from scratch as one batch: deterministic, resumable, with progress."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from safetensors import safe_open
from torch import Tensor

from explorer.errors import InputError
from explorer.files import write_tensors
from explorer.models import bfloat16_pays
from explorer.training.llamas import Llamas
from explorer.training.optimisers import OptimiserKind, SeedOptimiser
from explorer.training.schedule import Schedule

EVERY = 50
"""Steps between two entries of the losses, and between two moments at which a run can be taken up again."""
PATIENCE = 60.0
"""Seconds between two saved states."""

LogitsOf = Callable[[Int[Tensor, "s b t"]], Float[Tensor, "s b t v"]]


class Losses(NamedTuple):
    """What a batch costs each seed."""

    small: Float[Tensor, " s"]
    """What is to be small."""
    shown: Float[Tensor, " s"]
    """What the log shows: nats per token, every token counted once."""


Objective = Callable[[LogitsOf, Int[Tensor, "s b t"], Float[Tensor, ""]], Losses]
"""Losses of the models' logits on training rows; the number is how often a marked token counts."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training run stands."""

    step: int
    """Steps done."""
    steps: int
    """Steps in all."""
    losses: tuple[float, ...]
    """Mean training loss of each seed since the last report, nats per token."""
    seconds_left: float
    """Estimate from the speed of this run."""


@dataclass(frozen=True)
class Speed:
    """How a machine computes a loss fastest. Weights, residual stream, norms and losses stay float32."""

    dtype: torch.dtype = torch.float32
    """Precision of the products."""
    compiled: bool = False
    """Whether the loss is compiled into one graph first."""

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} products, {'compiled' if self.compiled else 'not compiled'}"


def fastest(device: str) -> Speed:
    """bfloat16 on a GPU or a CPU that has units for it; compiled where there is a C++ compiler."""
    low = device != "cpu" or bfloat16_pays()
    return Speed(torch.bfloat16 if low else torch.float32, shutil.which("g++") is not None)


@dataclass(frozen=True)
class Training:
    """Everything that decides a run, but the initial weights."""

    kind: OptimiserKind
    """Which optimiser."""
    schedule: Schedule
    """How long and how fast."""
    batches: Callable[[int], Integer[np.ndarray, "s b t"]]
    """The training rows of a step: a function of its number alone."""
    objective: Objective
    """What is to be small."""
    frozen: frozenset[str] = frozenset()
    """Weights that stay as they are."""


def train_seeds(
    llamas: Llamas,
    training: Training,
    state: Path,
    report: Callable[[TrainingProgress], None],
    keep: Mapping[int, Callable[[], None]] | None = None,
    speed: Speed | None = None,
    stop_after: int | None = None,
) -> list[tuple[int, tuple[float, ...]]]:
    """Train in place; returns (step, each seed's mean loss since the last entry) every EVERY steps.

    `state` is a safetensors file from which an interrupted run goes on exactly; `keep` says what to do before a step,
    such as to store a checkpoint. `stop_after` ends after that many steps of this call, as an interruption would.
    """
    schedule, device = training.schedule, llamas.device
    optimiser = SeedOptimiser(llamas, training.kind, schedule, training.frozen)
    first, losses = _resume(llamas, optimiser, training, state) if state.exists() else (0, [])
    speed = speed or Speed(llamas.weights["lm_head.weight"].dtype)
    loss_of = _loss(llamas, training.objective, speed)
    began = saved = time.monotonic()
    running = torch.zeros(len(llamas.seeds), dtype=torch.float64, device=device)
    counted = 0
    for step in range(first, schedule.steps):
        if keep and step in keep:
            keep[step]()
        rows = torch.from_numpy(training.batches(step).astype(np.int64)).to(device)
        found = loss_of(rows, torch.tensor(schedule.weight(step), device=device))
        found.small.sum().backward()
        optimiser.step()
        running, counted, done = running + found.shown, counted + 1, step + 1
        if done % EVERY == 0 or done == schedule.steps:
            mean = tuple((running / counted).tolist())
            if not all(math.isfinite(loss) for loss in mean):
                raise InputError(f"training diverged: the losses before step {done} are {mean}; nothing is saved")
            losses.append((done, mean))
            left = (time.monotonic() - began) / (done - first) * (schedule.steps - done)
            report(TrainingProgress(done, schedule.steps, mean, left))
            running, counted = torch.zeros_like(running), 0
        interrupted = stop_after is not None and done - first >= stop_after
        if done % EVERY == 0 and (time.monotonic() - saved > PATIENCE or interrupted):
            _save(llamas, optimiser, training, losses, state)
            saved = time.monotonic()
        if interrupted:
            break
    for weight in llamas.weights.values():
        weight.requires_grad_(False)
    return losses


def _loss(
    llamas: Llamas, objective: Objective, speed: Speed
) -> Callable[[Int[Tensor, "s b t"], Float[Tensor, ""]], Losses]:
    def logits(ids: Int[Tensor, "s b t"]) -> Float[Tensor, "s b t v"]:
        return llamas.logits(ids, speed.dtype).to(llamas.weights["lm_head.weight"].dtype)

    def losses(rows: Int[Tensor, "s b t"], weight: Float[Tensor, ""]) -> Losses:
        return objective(logits, rows, weight)

    return torch.compile(losses, dynamic=False) if speed.compiled else losses


def _header(llamas: Llamas, training: Training) -> dict[str, object]:
    return {
        "schedule": json.loads(json.dumps(asdict(training.schedule))),
        "seeds": list(llamas.seeds),
        "kind": training.kind,
    }


def _save(
    llamas: Llamas,
    optimiser: SeedOptimiser,
    training: Training,
    losses: list[tuple[int, tuple[float, ...]]],
    path: Path,
) -> None:
    tensors = {f"weights.{name}": w.detach() for name, w in llamas.weights.items()} | optimiser.state()
    header = {**_header(llamas, training), "step": optimiser.done, "losses": losses}
    write_tensors(path, {name: t.cpu() for name, t in tensors.items()}, {"state": json.dumps(header)})


def _resume(
    llamas: Llamas, optimiser: SeedOptimiser, training: Training, path: Path
) -> tuple[int, list[tuple[int, tuple[float, ...]]]]:
    """The step to go on from, and the losses so far. Raises InputError if the file belongs to another recipe."""
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["state"])
        if {k: header.get(k) for k in ("schedule", "seeds", "kind")} != _header(llamas, training):
            raise InputError(f"{path} was written by another recipe or seeds; remove it, or train into another folder")
        with torch.no_grad():
            for name, weight in llamas.weights.items():
                weight.copy_(file.get_tensor(f"weights.{name}"))
        optimiser.resume({name: file.get_tensor(name) for name in optimiser.state()}, header["step"])
    return header["step"], [(step, tuple(found)) for step, found in header["losses"]]
