"""TopK dictionaries, our rows a second against SAELens' to the same EV: .venv/bin/python tests/benchmarks/sae_speed.py

The same rows in the same order, the same width, k, batch, learning rate and schedule. The trainers take turns batch by
batch, so that whatever else the machine does meets all of them. Prints a table; asserts nothing.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

from rows import Row

from explorer.metrics import explained_variance
from explorer.sae import trainer as sae_training
from explorer.sae.trainer import (
    SAERecipe,
    SAETrainer,
)

PLANTED, ACTIVE, RATE = 1500, 24, 2e-3


def rows_of(d: int) -> Callable[[int, int], Tensor]:
    """Rows as sums of planted directions, common ones and rare ones, with noise and a mean: (count, seed) → rows."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(PLANTED, d, generator=generator), dim=1)
    often = 1 / (torch.arange(PLANTED) + 20.0)
    mean = torch.randn(d, generator=generator)

    def draw(count: int, seed: int) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        index = torch.multinomial(often.expand(count, -1), ACTIVE, generator=g)
        weight = torch.rand(count, ACTIVE, generator=g) + 0.5
        noise = 0.05 * torch.randn(count, d, generator=g)
        return (
            torch.nn.functional.embedding_bag(index, directions, per_sample_weights=weight, mode="sum") + noise + mean
        )

    return draw


@dataclass
class Contestant:
    """A trainer, and the time that it has spent."""

    name: str
    step: Callable[[Tensor], object]
    rebuilt: Callable[[Tensor], Tensor]
    seconds: float = 0.0


def ours(name: str, sample: Tensor, steps: int, width: int, k: int, low: bool) -> Contestant:
    """Our trainer, with or without bfloat16 products."""
    recipe = SAERecipe(width=width, k=k, learning_rate=RATE, batch=len(sample))
    trainer = SAETrainer(recipe, sample, steps, 0)
    if not low:
        trainer.dtype = torch.float32
    return Contestant(
        f"{name}, {str(trainer.dtype).removeprefix('torch.')} products", trainer.step, lambda x: trainer.finish()(x)
    )


def saelens(
    name: str, sample: Tensor, steps: int, width: int, k: int, sparse: bool = False, autocast: bool = False
) -> Contestant:
    """SAELens' own trainer on rows scaled to unit mean square, as ours scales them."""
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer as Theirs

    scale = float((sample - sample.mean(0)).pow(2).mean().sqrt())
    torch.manual_seed(0)
    # Its gradient of sparse activations that are rescaled does not run on a CPU.
    settings = TopKTrainingSAEConfig(
        d_in=sample.shape[1],
        d_sae=width,
        k=k,
        use_sparse_activations=sparse,
        rescale_acts_by_decoder_norm=not sparse,
        dtype="float32",
        device="cpu",
    )
    sae = TopKTrainingSAE(settings)
    with torch.no_grad():
        sae.b_dec.copy_(sample.mean(0) / scale)
    how = SAETrainerConfig(
        total_training_samples=steps * len(sample),
        train_batch_size_samples=len(sample),
        lr=RATE,
        autocast=autocast,
        lr_end=RATE / 10,
        lr_warm_up_steps=steps // 20,
        lr_decay_steps=round(0.3 * steps),
        dead_feature_window=100,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer: Any = Theirs(how, sae, iter([]))

    @torch.no_grad()
    def rebuilt(x: Tensor) -> Tensor:
        return sae(x / scale) * scale

    return Contestant(name, lambda x: trainer.step(x / scale), rebuilt)


def rows() -> list[Row]:
    """Our trainer against SAELens' own, batch by batch in turns, to the same EV."""
    steps, batch, parts = 60, 2048, 3
    draw = rows_of(512)
    how = (draw(batch, 10), steps, 2048, 32)
    contestants = [ours("ours", *how, low=True), saelens("SAELens", *how)]
    ratios = []
    for part in range(parts):
        for one in contestants:
            one.seconds = 0.0
        for step in range(steps // parts):
            turn(contestants, draw(batch, 100 + part * steps // parts + step))
        ratios.append(contestants[1].seconds / contestants[0].seconds)
    held_out = draw(8192, 7)
    apart = contestants[1].rebuilt(held_out), contestants[0].rebuilt(held_out)
    theirs, mine = (explained_variance(held_out, x) for x in apart)
    return [
        Row("training a dictionary: rows/s over those of SAELens, d = 512, 2,048 features", 1.6, tuple(ratios), True),
        Row("… held-out EV after as many rows, above that of SAELens", -0.01, (mine - theirs,), True),
    ]


def turn(contestants: list[Contestant], rows: Tensor) -> None:
    """One batch for each."""
    for one in contestants:
        began = time.perf_counter()
        one.step(rows)
        one.seconds += time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 2048), ("dimensions", 512), ("k", 32), ("batch", 2048), ("steps", 150)):
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    draw = rows_of(o.dimensions)
    sample = draw(o.batch, 10)
    how = (sample, o.steps, o.width, o.k)
    contestants = [ours("ours", *how, low=True), ours("ours", *how, low=False)]
    if contestants[0].name == contestants[1].name:
        del contestants[1]
    contestants += [
        saelens("SAELens", *how),
        saelens("SAELens, sparse activations", *how, sparse=True),
        saelens("SAELens, bfloat16 autocast", *how, autocast=True),
    ]
    for step in range(o.steps):
        turn(contestants, draw(o.batch, 100 + step))
    held_out = draw(8192, 7)
    base = next(c for c in contestants if c.name == "SAELens")
    print(
        f"{torch.get_num_threads()} threads, d = {o.dimensions}, {o.width} features, k = {o.k}, {o.steps} batches of "
        f"{o.batch} rows; bfloat16 pays here: {sae_training._bfloat16_pays()}"
    )
    print(f"{'':34}{'rows/s':>10}{'ratio':>8}{'held-out EV':>14}")
    for one in contestants:
        ev = explained_variance(held_out, one.rebuilt(held_out))
        rate = o.steps * o.batch / one.seconds
        print(f"{one.name:34}{rate:10.0f}{base.seconds / one.seconds:8.2f}{ev:14.4f}")
    print(f"peak memory of all together: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
