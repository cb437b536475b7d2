"""What one reads of steering: the share of fresh continuations that count as the class to which a vector leads.

The area under the effect (`explorer.steering.dose_response`) is taken where the loss rises by at most 10 %: there one
sees little of it in a text. The suggested dose is the smallest at which one does, at the site where that costs least.
"""

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
from explorer.text import ClassReader

DOSES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
"""c, in units of the steered model's median residual norm at the site."""
TEXTS = 12
"""Continuations for each arm and dose. A dose is chosen on as many others."""
TURNED = 2 / 3
"""Share of its texts that the target's own vector turns at the suggested dose."""
MOST_LOSS_RISE = 0.60
"""From this rise of the loss on, as a share of the unsteered loss, a dose is never suggested."""
LEAST_ACCURACY = 0.8
"""Classes that the contrast's own held-out texts do not show this often say nothing about what a model writes."""


@dataclass(frozen=True)
class ArmShares:
    """One arm over `ReadingShares.doses`."""

    arm: Arm
    """One of `explorer.steering.arms.READ`; the random arm has some directions in turn."""
    shares: tuple[float, ...]
    """Share of its continuations that count as the positive class."""
    loss_rise: tuple[float, ...]
    """Rise of the loss on the held-out prompts, as a share of the unsteered loss; mean over random directions."""


@dataclass(frozen=True)
class ReadingShares:
    """What one reads when a contrast of A steers B at one site."""

    vector: str
    """Its name as links write it, e.g. contrast:sea."""
    title: str
    """What turns into what, for people."""
    site: str
    """Name of the site: that of the suggested dose, or where B's own vector turns most."""
    prompt: str
    """What every continuation continues."""
    accuracy: tuple[float, float]
    """Share of held-out texts, positive and negative, that are read rightly; they are as long as continuations."""
    untouched: float
    """Share of B's continuations without a vector that count as the positive class."""
    suggested: float | None
    """The smallest dose at which B's own vector turned two thirds of other texts with a loss rise below 60 %; None
    where there is none, or where the classes are not told apart in four of five held-out texts.
    """
    doses: tuple[float, ...]
    """Doses at which B's own vector raises the loss by less than 60 %, smallest first; the smallest in any case."""
    arms: tuple[ArmShares, ...]
    """What each arm gave."""
    texts: int = TEXTS
    """Continuations for each arm and dose."""

    def arm(self, name: str) -> ArmShares | None:
        """What an arm gave, if it was measured."""
        return next((a for a in self.arms if a.arm == name), None)

    @property
    def lead(self) -> float:
        """Share of the rotated arm less that of the raw one at the suggested dose; −1 where none is suggested."""
        rotated, raw = self.share("rotated"), self.share("raw")
        return rotated - raw if rotated is not None and raw is not None else -1.0

    def share(self, name: str, dose: float | None = None) -> float | None:
        """An arm's share at a dose, or at the suggested one; None where it was not measured."""
        found, dose = self.arm(name), self.suggested if dose is None else dose
        return found.shares[self.doses.index(dose)] if found is not None and dose in self.doses else None


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
