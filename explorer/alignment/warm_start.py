"""Train a rotated dictionary on with the target's rows, beside one that begins from nothing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import metrics
from explorer.alignment.warm_start_results import SiteWarmStart
from explorer.errors import InputError
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.progress import Report, silent
from explorer.sae import POOL, SAE, Part, SAERecipe, SAETrainer, begin_from, read_rows
from explorer.text import Chunks, sample, shuffle

BATCH_ROWS, LEARNING_RATE = 256, 1e-3
LEAST_ROWS = 4096
"""The shortest training of a curve."""
TEST_ROWS = 8192
MOST_ROWS = 10_000_000


class WarmStart(NamedTuple):
    """What came of it."""

    told: SiteWarmStart
    """The curves."""
    trained: SAE
    """The rotated dictionary after the longest training."""


def curve_rows(most: int) -> tuple[int, ...]:
    """How many rows each training of a curve sees: `most`, and a half, a quarter, … of it."""
    if not LEAST_ROWS <= most <= MOST_ROWS:
        raise InputError(f"--finetune {most:,}: give {LEAST_ROWS:,} to {MOST_ROWS:,} rows to train on")
    halves = (most >> i for i in range(most.bit_length()))
    return tuple(sorted(n for n in halves if n >= LEAST_ROWS))


def train_curves(
    fit: Float[Tensor, "n d"],
    test: Float[Tensor, "m d"],
    begin: SAE,
    own: SAE | None,
    rows: tuple[int, ...],
    seed: int = 0,
    report: Report = silent,
) -> WarmStart:
    """Train from a dictionary and from nothing: with the same settings, seed and rows, once for each number of rows."""
    if begin.k is None:
        raise InputError(
            f"{begin.architecture} dictionaries are not trained on, only topk: its k says how sparse to stay"
        )
    recipe = SAERecipe(begin.n_features, begin.k, learning_rate=LEARNING_RATE, batch=BATCH_ROWS)
    curves: dict[bool, list[float]] = {True: [], False: []}
    trained, done = begin, 0
    for n in rows:
        for warm in (False, True):
            report(f"training on {n:,} rows", done / (2 * sum(rows)))
            trained = _train(fit, recipe, begin if warm else None, n, seed, begin.site)
            curves[warm].append(_explained(trained, test))
            done += n
    start, ceiling = _explained(begin, test), None if own is None else _explained(own, test)
    warm_ev, cold_ev = tuple(curves[True]), tuple(curves[False])
    told = SiteWarmStart(
        begin.site, "", start, ceiling, rows, warm_ev, cold_ev, len(fit), recipe.batch, recipe.learning_rate
    )
    told.check()
    return WarmStart(told, trained)


def _explained(sae: SAE, rows: Float[Tensor, "m d"]) -> float:
    return metrics.explained_variance(rows, sae.to(rows.device)(rows))


def _train(fit: Float[Tensor, "n d"], recipe: SAERecipe, begin: SAE | None, rows: int, seed: int, site: str) -> SAE:
    steps = max(1, rows // recipe.batch)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randperm(len(fit), generator=generator) for _ in range(-(-steps * recipe.batch // len(fit)))]
    batches = torch.cat(drawn)[: steps * recipe.batch].split(recipe.batch)
    trainer = SAETrainer(recipe, fit[batches[0].to(fit.device)], steps, seed, site)
    if begin is not None:
        begin_from(trainer, begin)
    for batch in batches:
        trainer.step(fit[batch.to(fit.device)])
    return trainer.finish()


def measure_warm_start(
    model: LanguageModel,
    chunks: Chunks,
    site: Site,
    begin: SAE,
    own: SAE | None,
    most: int,
    seed: int = 0,
    report: Report = silent,
) -> WarmStart:
    """A dictionary that was rotated for a model, trained on with its rows of the fit text; scored on test rows.

    Raises InputError for a dictionary that is not TopK, and for text with too few rows.
    """
    rows, limits = curve_rows(most), NormLimits()
    report("reading rows to train on", 0.0)
    fit = _read(model, shuffle(chunks.split("fit"), seed), site, limits, POOL)
    test = _read(model, sample(chunks.split("test"), TEST_ROWS), site, limits, TEST_ROWS)
    if len(fit) < LEAST_ROWS:
        raise InputError(f"{len(fit):,} rows of text to train on: the study's text is too short")
    return train_curves(fit, test, begin, own, rows, seed, report)


def _read(model: LanguageModel, chunks: Chunks, site: Site, limits: NormLimits, most: int) -> Float[Tensor, "n d"]:
    parts = (Part(batch.ids, batch.scored) for batch in chunks.batches(BATCH))
    return read_rows(model, parts, [site], most, limits)[site][:most]
