"""The dictionaries of the Tales study: one for each site of a model, trained side by side, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.files import write_tensors
from explorer.models import LanguageModel, Site, load_model
from explorer.sae import SAERecipe, SAETrainer, after_first, shuffled_batches
from explorer.training.recall_objective import MARK
from explorer.training.tales.recipe import Workshop
from explorer.training.tales.stream import TokenStream, training_stream

POOL, USES = 131_072, 4
"""Rows of a site that are held in memory at most, and how often each of them is used."""
READ = 32
"""Windows that go through the model together."""


def pool_batches(
    model: LanguageModel, text: TokenStream, sites: list[Site], recipe: SAERecipe, context: int, rows: int, *seed: int
) -> Iterator[dict[Site, Float[Tensor, "b d"]]]:
    """Batches of residual rows of random windows at every site: `rows` of them, each USES times; `seed` decides all.

    Position 0 of each window is left out: nothing is known of what comes after it.
    """
    rng = np.random.default_rng(seed)
    pool = max(1, rows // recipe.batch)
    count = -(-pool * recipe.batch // (context - 1))
    windows = text.windows(count, context, rng) & (MARK - 1)
    parts = (after_first(windows[i : i + READ]) for i in range(0, count, READ))
    return shuffled_batches(model, parts, sites, recipe.batch, pool * USES, pool, rng, USES)


def make_dictionaries(workshop: Workshop, name: str, start: int = 0) -> None:
    """Train one dictionary for every site of a model, side by side on the same windows.

    The model's seed and `start` decide the initial weights and the windows: a model's second dictionaries have another
    start. Interrupted, it goes on after the last pool of rows that was done.
    """
    recipe = workshop.recipe
    seed = recipe.seed_of(name)
    model = load_model(workshop.model_folder(name), name=name, device=workshop.device)
    sites = [s for s in model.sites if not workshop.sae_folder(name, s, start).exists()]
    if not sites:
        workshop.log(f"{name}: dictionaries already trained")
        return
    text = training_stream(workshop, recipe.sae_tokens)
    state = workshop.out / "work" / f"{name}-dictionaries-{start}.safetensors"
    count = recipe.sae_rows // recipe.sae.batch
    run = _Run(workshop, f"{name}, start {start}", sites, count)
    done = run.resume(state) if state.exists() else 0
    rows, context = min(POOL, recipe.sae_rows // USES), recipe.model.context
    while run.done < count:
        for batch in pool_batches(model, text, sites, recipe.sae, context, rows, seed, start, done):
            if run.done < count:
                run.step(batch, [1000 * (seed + 1) + 100 * start + site.index for site in sites])
        done += 1
        run.save(state, done)
        run.report()
    for site in sites:
        workshop.save_dictionary(run.trainers[site].finish(), name, site, start)
    state.unlink()


class _Run:
    """The trainers of one model's sites, and how far they are."""

    def __init__(self, workshop: Workshop, name: str, sites: list[Site], count: int) -> None:
        self.workshop, self.name, self.sites, self.count = workshop, name, sites, count
        self.trainers: dict[Site, SAETrainer] = {}
        self.unexplained = dict.fromkeys(sites, 0.0)
        self.done = self.first = 0
        self.began = time.monotonic()

    def step(self, batch: dict[Site, Float[Tensor, "b d"]], seeds: list[int]) -> None:
        """One batch at every site; the first one makes the trainers, from a seed each."""
        for site, seed in zip(self.sites, seeds, strict=True):
            if site not in self.trainers:
                self.trainers[site] = SAETrainer(self.workshop.recipe.sae, batch[site], self.count, seed, site.name)
            self.unexplained[site] += (self.trainers[site].step(batch[site]) - self.unexplained[site]) / 20
        self.done += 1

    def report(self) -> None:
        """One line of the log."""
        left = (time.monotonic() - self.began) / (self.done - self.first) * (self.count - self.done)
        ev = ", ".join(f"{1 - self.unexplained[s]:.3f}" for s in self.sites)
        place = f"dictionaries, batch {self.done}/{self.count}"
        self.workshop.log(f"{self.name}: {place}, EV {ev}, {left / 60:.0f} min left")

    def save(self, path: Path, pools: int) -> None:
        """Write everything that further steps depend on, after a number of pools."""
        tensors = {f"{s.name}/{k}": v for s in self.sites for k, v in self.trainers[s].state().items()}
        write_tensors(path, {k: v.cpu() for k, v in tensors.items()}, {"pools": str(pools)})

    def resume(self, path: Path) -> int:
        """Go on from what `save` wrote; returns the number of pools that are done."""
        from safetensors import safe_open

        d, device = self.workshop.recipe.model.d_model, self.workshop.device
        with safe_open(path, "pt") as file:
            pools, names = int(file.metadata()["pools"]), list(file.keys())
            for site in self.sites:
                trainer = SAETrainer(self.workshop.recipe.sae, torch.eye(d, device=device), self.count, 0, site.name)
                prefix = f"{site.name}/"
                trainer.resume({k.removeprefix(prefix): file.get_tensor(k) for k in names if k.startswith(prefix)})
                self.trainers[site] = trainer
        self.done = self.first = self.trainers[self.sites[0]].done
        return pools
