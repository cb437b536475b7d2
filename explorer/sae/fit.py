"""Train the dictionary that `check` needs: on the fit text, at sane sizes, stopping when its EV stops rising."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import metrics, ranks
from explorer.errors import InputError
from explorer.models import BATCH, MASSIVE, LanguageModel, NormLimits, Site
from explorer.progress import Report
from explorer.sae.activation_buffer import Part, read_rows
from explorer.sae.sae import SAE
from explorer.sae.trainer import SAERecipe, SAETrainer
from explorer.text import Chunks, sample, shuffle

ROWS = 500_000
"""Rows that a dictionary is trained on at most; the fit text is read several times over if need be."""
POOL = 65_536
"""Rows that are held in memory at a time."""
CHECKS = 12
"""How often EV is looked at."""
GAIN = 0.002
"""What EV must gain between two looks; below it, only the decay of the learning rate is left to do."""


def check_recipe(d: int) -> SAERecipe:
    """Width 4d, k = 32 (at most a quarter of d)."""
    return SAERecipe(width=4 * d, k=max(1, min(32, d // 4)))


def fit_dictionary(
    model: LanguageModel,
    site: Site,
    chunks: Chunks,
    recipe: SAERecipe,
    seed: int,
    report: Report,
    massive: float = MASSIVE,
) -> SAE:
    """A dictionary of one site, trained on the fit text without massive rows; its EV is watched on validation."""
    count = ROWS // recipe.batch
    looked, trainer, last = sample(chunks.split("validation"), 4096), None, -1.0
    limits = NormLimits(factor=massive)
    truth = _rows(model, site, looked, limits)[:4096]
    step = f"dictionary at {site.label}"
    for done, rows in enumerate(_batches(model, site, chunks.split("fit"), recipe.batch, count, seed, limits)):
        if trainer is None:
            trainer = SAETrainer(recipe, rows, count, seed, site.name)
        if done >= trainer.batches:
            break
        trainer.step(rows)
        if done % 10 == 0:
            report(step, done / trainer.batches)
        if (done + 1) % max(1, count // CHECKS) == 0 and trainer.batches == count and done + 1 < 0.7 * count:
            ev = ranks.agreed(metrics.explained_variance(truth, trainer.finish().to(truth.device)(truth)))
            if ev - last < GAIN:
                # The schedule's last 30 % bring the learning rate down: let them begin now.
                trainer.batches = min(count, int((done + 1) / 0.7) + 1)
            last = ev
    if trainer is None:
        raise InputError("not assessable: the fit text has no rows to train a dictionary on: give more text")
    return trainer.finish()


def _rows(model: LanguageModel, site: Site, chunks: Chunks, limits: NormLimits) -> Float[Tensor, "n d"]:
    parts = (Part(batch.ids, batch.scored) for batch in chunks.batches(BATCH))
    return read_rows(model, parts, [site], limits=limits)[site]


class _Pool(NamedTuple):
    """Rows of a part of the text, on all ranks together."""

    rows: Float[Tensor, "m d"]
    """Those that this rank has read."""
    place: Int[Tensor, " n"]
    """Where among them each row of the text is; −1 for those of other ranks."""


def _read_pool(model: LanguageModel, site: Site, chunks: Chunks, limits: NormLimits) -> _Pool:
    parts = [_rows(model, site, batch, limits) for batch in ranks.share(chunks.batches(BATCH))]
    rows = torch.cat(parts) if parts else torch.zeros(0, model.d_model, device=model.device)
    place, at = [], 0
    # Batches were dealt out in turns.
    for turn in zip_longest(*ranks.gathered([len(part) for part in parts])):
        for rank, length in enumerate(turn):
            if length is None:
                continue
            mine = rank == ranks.rank()
            place.append(torch.arange(at, at + length) if mine else torch.full((length,), -1))
            at += length if mine else 0
    return _Pool(rows, torch.cat(place).to(rows.device) if place else torch.zeros(0, dtype=torch.long))


def _batches(
    model: LanguageModel, site: Site, fit: Chunks, batch: int, count: int, seed: int, limits: NormLimits
) -> Iterator[Float[Tensor, "b d"]]:
    """`count` batches of rows in random order, from one pool after the other of the fit text.

    Of several ranks each is given the rows of a batch that it has read itself, which may be none.
    """
    generator = torch.Generator().manual_seed(seed)
    order, made, at = shuffle(fit, seed), 0, 0
    per_pool = max(1, POOL * len(order) // max(1, int(order.scored.sum())))
    pools = -(-len(order) // per_pool)
    pool = _Pool(torch.empty(0), torch.empty(0))
    while made < count:
        if made == 0 or pools > 1:
            start = at % pools * per_pool
            pool = _read_pool(model, site, order[start : start + per_pool], limits)
            at += 1
            if len(pool.place) < batch:
                raise InputError(f"not assessable: {len(pool.place)} rows to train a dictionary on: give more text")
        # With one pool the rows come round again in a new order; with several, each is used for its share.
        uses = count if pools == 1 else max(1, -(-count * batch // (pools * len(pool.place))))
        for _ in range(uses):
            for part in torch.randperm(len(pool.place), generator=generator).to(pool.rows.device).split(batch):
                if len(part) < batch or made >= count:
                    break
                mine = pool.place[part]
                yield pool.rows[mine[mine >= 0]]
                made += 1
            if made >= count:
                return
