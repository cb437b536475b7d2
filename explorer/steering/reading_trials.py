"""Try doses, and read what each arm makes a model write: the numbers of `explorer.steering.reading_shares`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models import Site
from explorer.steering.arms import Arm
from explorer.steering.continuations import continuations
from explorer.steering.dose_measure import Steered
from explorer.steering.reading_shares import DOSES, LEAST_ACCURACY, MOST_LOSS_RISE, TEXTS, TURNED, ArmShares
from explorer.text import ClassReader


@dataclass(frozen=True)
class SuggestedDose:
    """Where and how strongly a model's own vector turns what it writes."""

    site: Site
    """The site at which that costs least loss; where none turns enough, that at which most texts turn."""
    dose: float | None
    """The smallest dose that turns enough there; None for none."""


@dataclass(frozen=True)
class _Try:
    """One dose of a model's own vector at one site."""

    site: int
    """Index of the site among those that are tried."""
    dose: float
    """c."""
    loss_rise: float
    """Rise of the loss on the held-out prompts."""


def loss_rises(steered: Steered, vectors: Float[Tensor, "k d"]) -> list[float]:
    """By what share of the unsteered loss each vector (already scaled) raises the loss on the held-out prompts."""
    base = steered.base([]).loss.mean()
    return [round(float(x), 4) for x in steered.prompts.read(vectors, []).loss.mean(1) / base - 1]


def suggest_dose(
    steered: Sequence[Steered],
    vectors: Sequence[Float[Tensor, " d"]],
    reader: ClassReader,
    prompt: str,
    tick: Callable[[], None] = lambda: None,
) -> SuggestedDose:
    """Try a model's own unit vector of every site at every dose that keeps the loss below +60 %: all in one batch."""
    tried: list[_Try] = []
    for i, (at, v) in enumerate(zip(steered, vectors, strict=True)):
        rises = loss_rises(at, torch.stack([c * at.norm * v for c in DOSES]))
        tried += [_Try(i, c, r) for c, r in zip(DOSES, rises, strict=True) if r < MOST_LOSS_RISE]
    if not tried:
        return SuggestedDose(steered[0].site, None)
    rows = torch.zeros(len(steered), len(tried), TEXTS, len(vectors[0]))
    for k, t in enumerate(tried):
        rows[t.site, k] = t.dose * steered[t.site].norm * vectors[t.site]
    written = continuations(steered[0].prompts.model, [s.site for s in steered], prompt, rows, TEXTS, tick)
    shares = [sum(reader.read(texts)) / TEXTS for texts in written]
    found = cheapest(tried, shares, [s.site for s in steered])
    return found if min(reader.accuracy) >= LEAST_ACCURACY else SuggestedDose(found.site, None)


def cheapest(tried: Sequence[_Try], shares: Sequence[float], sites: Sequence[Site]) -> SuggestedDose:
    """Of each site's smallest dose that turns enough the one with the least loss rise."""
    first: dict[int, _Try] = {}
    for t, share in sorted(zip(tried, shares, strict=True), key=lambda pair: pair[0].dose):
        if share >= TURNED:
            first.setdefault(t.site, t)
    if first:
        best = min(first.values(), key=lambda t: t.loss_rise)
        return SuggestedDose(sites[best.site], best.dose)
    most = max(zip(shares, tried, strict=True), key=lambda pair: (pair[0], -pair[1].loss_rise))[1]
    return SuggestedDose(sites[most.site], None)


def read_arms(
    steered: Steered,
    vectors: Mapping[Arm, Float[Tensor, "n d"]],
    reader: ClassReader,
    prompt: str,
    tick: Callable[[], None] = lambda: None,
) -> tuple[float, tuple[float, ...], tuple[ArmShares, ...]]:
    """The untouched share, the doses, and what each arm gives at them: on other texts than a dose was chosen on.

    vectors: unit vectors of each arm, of which the texts have one after another; native must be among them.
    """
    native = _rises(steered, vectors["native"], DOSES)
    doses = tuple(c for c, r in zip(DOSES, native, strict=True) if r < MOST_LOSS_RISE) or DOSES[:1]
    scale = steered.norm * torch.tensor(doses)[:, None, None]
    turns = torch.arange(TEXTS)
    rows = torch.cat([scale * v[turns % len(v)] for v in vectors.values()])
    rows = torch.cat([torch.zeros_like(rows[:1]), rows])
    written = continuations(steered.prompts.model, [steered.site], prompt, rows[None], tick=tick)
    shares = [round(sum(reader.read(texts)) / TEXTS, 4) for texts in written]
    n = len(doses)
    arms = tuple(
        ArmShares(arm, tuple(shares[1 + k * n : 1 + (k + 1) * n]), tuple(_rises(steered, v, doses)))
        for k, (arm, v) in enumerate(vectors.items())
    )
    return shares[0], doses, arms


def _rises(steered: Steered, vectors: Float[Tensor, "n d"], doses: Sequence[float]) -> list[float]:
    """The mean loss rise of some unit vectors at every dose."""
    scaled = steered.norm * torch.tensor(doses)[:, None, None] * vectors
    rises = torch.tensor(loss_rises(steered, scaled.flatten(0, 1)))
    return [round(float(x), 4) for x in rises.reshape(len(doses), -1).mean(1)]
