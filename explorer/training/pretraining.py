"""Train a small causal language model from scratch: deterministic given its seed, resumable, with progress."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int, Integer
from safetensors.torch import load_file
from torch import Tensor

from explorer.errors import InputError
from explorer.files import replacing, write_tensors

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from explorer.training.loss import Loss


@dataclass(frozen=True)
class ModelRecipe:
    """The shape of a stock Llama model (RMSNorm, no biases, untied unembedding)."""

    d_model: int = 128
    """Width of the residual stream."""
    n_layers: int = 4
    """Number of blocks."""
    n_heads: int = 4
    """Attention heads in each block."""
    d_mlp: int = 384
    """Width of the gated MLP."""
    context: int = 256
    """Tokens in a training row."""

    def build(self, vocabulary: int, seed: int) -> LlamaForCausalLM:
        """A freshly initialised model; `seed` fixes every weight."""
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=self.d_model,
            intermediate_size=self.d_mlp,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_heads,
            max_position_embeddings=2 * self.context,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
            dtype=torch.float32,
        )
        return LlamaForCausalLM(config)

    @staticmethod
    def load(folder: Path) -> LlamaForCausalLM:
        """A model that `save_half` wrote, float32."""
        from transformers import LlamaForCausalLM

        return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a model is trained (AdamW; linear warm-up, then linear decay)."""

    steps: int
    """Optimiser steps."""
    rows: int = 16
    """Training rows in a batch."""
    learning_rate: float = 3e-3
    """Peak learning rate."""
    warmup: int = 100
    """Steps of linear warm-up."""
    last: float = 0.0
    """Learning rate of the last step, as a share of the peak."""
    weight_decay: float = 0.1
    """Decoupled weight decay, on matrices only."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    beta2: float = 0.95
    """AdamW's memory of squared gradients."""
    emphasis: float = 1.0
    """How often a rare token that repeats one of its document counts in the loss; see `recall_objective`."""

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (1 - (1 - self.last) * min(1.0, done))


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training run stands."""

    step: int
    """Steps done."""
    steps: int
    """Steps in all."""
    loss: float
    """Mean training loss since the last report, nats per token."""
    seconds_left: float
    """Estimate from the speed of this run."""


def pack(
    documents: Iterator[list[int]], rows: int, context: int, separator: int
) -> Integer[np.ndarray, "rows context"]:
    """Rows of token ids, each starting with the first token of a document; what does not fit into a row is dropped."""
    packed = np.empty((rows, context), dtype=np.uint16)
    for r in range(rows):
        row: list[int] = []
        while len(row) < context:
            row += [*next(documents), separator]
        packed[r] = row[:context]
    return packed


def batch_order(n_rows: int, schedule: Schedule, seed: int) -> Integer[np.ndarray, "steps rows"]:
    """Row numbers of every step: independent shuffles of all rows, one after the other, as many as needed."""
    rng = np.random.default_rng([seed, 7])
    need = schedule.steps * schedule.rows
    order = np.concatenate([rng.permutation(n_rows) for _ in range(math.ceil(need / n_rows))])
    return order[:need].reshape(schedule.steps, schedule.rows)


def next_token_loss(model: torch.nn.Module, rows: Int[Tensor, "b t"]) -> Tensor:
    """Mean cross-entropy of tokens 1 … t−1 given those before them, nats."""
    logits = model(input_ids=rows, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def train_language_model(
    model: LlamaForCausalLM,
    rows: Integer[np.ndarray, "n t"],
    schedule: Schedule,
    seed: int,
    state: Path,
    keep: dict[int, list[Path]],
    report: Callable[[TrainingProgress], None],
    stop_after: int | None = None,
    loss_of: Loss | None = None,
) -> list[tuple[int, float]]:
    """Train `model` in place; returns (step, mean loss since the last entry) every 50 steps.

    `loss_of` computes the loss of a batch (default: the model's own forward pass).

    `state` is a safetensors file from which an interrupted run goes on exactly; `keep` maps a step to the folders
    into which the model is saved before that step. `stop_after` ends after that many steps of this call, as an
    interruption would.
    """
    device = next(model.parameters()).device
    learnt = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in learnt if p.ndim >= 2]
    others = [p for p in learnt if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": schedule.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, schedule.beta2), fused=True)
    first, losses = _resume(model, optimiser, schedule, seed, state)
    order = batch_order(len(rows), schedule, seed)
    since, last_save, running, counted = time.monotonic(), time.monotonic(), 0.0, 0
    model.train()
    for step in range(first, schedule.steps):
        for folder in keep.get(step, ()):
            save_half(model, folder)
        batch = torch.from_numpy(rows[order[step]].astype(np.int64)).to(device)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        loss = loss_of(batch) if loss_of else next_token_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        running, counted = running + loss.item(), counted + 1
        done = step + 1
        if done % 50 == 0 or done == schedule.steps:
            if not math.isfinite(running):
                raise InputError(
                    f"training diverged: the loss before step {done} is {running}; this model is not saved"
                )
            losses.append((done, running / counted))
            left = (time.monotonic() - since) / (done - first) * (schedule.steps - done)
            report(TrainingProgress(done, schedule.steps, running / counted, left))
            running, counted = 0.0, 0
        interrupted = stop_after is not None and done - first >= stop_after
        if done % 50 == 0 and (time.monotonic() - last_save > 30 or interrupted):
            _save_state(model, optimiser, schedule, seed, done, losses, state)
            last_save = time.monotonic()
        if interrupted:
            break
    model.eval()
    return losses


def save_half(model: LlamaForCausalLM, folder: Path) -> None:
    """Save a model as float16 safetensors (half the size; read back as float32), into place by one rename."""
    weights = {k: v.detach().to("cpu", torch.float16) for k, v in model.state_dict().items()}
    if not all(torch.isfinite(v).all() for v in weights.values()):
        raise InputError(f"{folder.name}: weights are not finite in float16; training diverged")
    with replacing(folder) as partial:
        model.config.save_pretrained(partial)
        write_tensors(partial / "model.safetensors", weights, {"format": "pt"})


def _save_state(
    model: LlamaForCausalLM,
    optimiser: torch.optim.Optimizer,
    schedule: Schedule,
    seed: int,
    step: int,
    losses: list[tuple[int, float]],
    path: Path,
) -> None:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for i, p in enumerate(p for g in optimiser.param_groups for p in g["params"]):
        tensors |= {f"optimiser.{i}.{k}": v for k, v in optimiser.state[p].items()}
    header = {"step": step, "losses": losses, "schedule": asdict(schedule), "seed": seed}
    write_tensors(path, tensors, {"state": json.dumps(header)})


def _resume(
    model: LlamaForCausalLM, optimiser: torch.optim.Optimizer, schedule: Schedule, seed: int, path: Path
) -> tuple[int, list[tuple[int, float]]]:
    """The step to go on from, and the losses so far. Raises InputError if the file belongs to another recipe."""
    if not path.exists():
        return 0, []
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["state"])
    if header["schedule"] != asdict(schedule) or header["seed"] != seed:
        raise InputError(f"{path} was written by another recipe or seed; remove it, or train into another folder")
    tensors = load_file(path, device=str(next(model.parameters()).device))
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for i, p in enumerate(p for g in optimiser.param_groups for p in g["params"]):
        prefix = f"optimiser.{i}."
        optimiser.state[p] = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        optimiser.state[p]["step"] = optimiser.state[p]["step"].cpu()
    return header["step"], [(s, loss) for s, loss in header["losses"]]
