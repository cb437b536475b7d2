"""The dictionaries of the Tales study: one for each site of a model, trained side by side."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Integer
from torch import Tensor

from explorer.models import LanguageModel, Site, load_model
from explorer.sae import SAETrainer, after_first, shuffled_batches
from explorer.sae.formats import save_sae
from explorer.training.tales.recipe import Workshop
from explorer.training.tales.rows import make_corpus


def activation_batches(
    model: LanguageModel, rows: Integer[np.ndarray, "n t"], sites: list[Site], batch: int, count: int, seed: int
) -> Iterator[dict[Site, Float[Tensor, "b d"]]]:
    """`count` batches of shuffled residual rows at every site: one forward pass of each text row serves all sites.

    Position 0 of each row is left out.
    """
    rng = np.random.default_rng([seed, 11])
    order = itertools.cycle(rng.permutation(len(rows)))
    text = (after_first(rows[list(itertools.islice(order, 32))]) for _ in itertools.count())
    return shuffled_batches(model, text, sites, batch, count, 64, rng)


def make_dictionaries(workshop: Workshop, name: str, seed: int) -> None:
    """Train one dictionary for every site of a model, side by side on the same text."""
    recipe = workshop.recipe
    model = load_model(workshop.model_folder(name), name=name, device=workshop.device)
    sites = [s for s in model.sites if not workshop.sae_folder(name, s).exists()]
    if not sites:
        workshop.log(f"{name}: dictionaries already trained")
        return
    rows = make_corpus(workshop)
    count = recipe.sae_rows // recipe.sae.batch
    trainers: dict[Site, SAETrainer] = {}
    unexplained = dict.fromkeys(sites, 0.0)
    began = time.monotonic()
    for i, batch in enumerate(activation_batches(model, rows, sites, recipe.sae.batch, count, seed), 1):
        for site in sites:
            if site not in trainers:
                trainers[site] = SAETrainer(recipe.sae, batch[site], count, 1000 * (seed + 1) + site.index, site.name)
            unexplained[site] += (trainers[site].step(batch[site]) - unexplained[site]) / 20
        if i % 200 == 0 or i == count:
            left = (time.monotonic() - began) / i * (count - i)
            ev = ", ".join(f"{1 - unexplained[s]:.3f}" for s in sites)
            workshop.log(f"{name}: dictionaries, batch {i}/{count}, EV {ev}, {left:.0f} s left")
    for site in sites:
        save_sae(trainers[site].finish(), workshop.sae_folder(name, site), name, recipe.model.context)
