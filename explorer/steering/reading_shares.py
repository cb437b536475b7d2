"""What one reads of steering: the share of fresh continuations that count as the class to which a vector leads.

The area under the effect (`explorer.steering.dose_response`) is taken where the loss rises by at most 10 %: there one
sees little of it in a text. The suggested dose is the smallest at which one does, at the site where that costs least.
"""

from __future__ import annotations

from dataclasses import dataclass

from explorer.estimates import wilson
from explorer.steering.arms import Arm

NEW_TOKENS = 60
"""Tokens of a continuation."""
TEMPERATURE = 0.8
DOSES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
"""c, in units of the steered model's median residual norm at the site."""
TEXTS = 12
"""Continuations for each arm and dose. A dose is chosen on as many others."""
MOST_TEXTS = 1_000_000
"""Continuations that anybody counts."""
TURNED = 2 / 3
"""Share of its texts that the target's own vector turns at the suggested dose."""
MOST_LOSS_RISE = 0.60
"""From this rise of the loss on, as a share of the unsteered loss, a dose is never suggested."""
LEAST_ACCURACY = 0.8
"""Classes that the contrast's own held-out texts do not show this often say nothing about what a model writes."""


@dataclass(frozen=True)
class ClassCount:
    """How many of some texts count as a class."""

    counted: int
    """Those that count."""
    texts: int
    """All that were written."""

    def __add__(self, other: ClassCount) -> ClassCount:
        return ClassCount(self.counted + other.counted, self.texts + other.texts)

    @property
    def share(self) -> float:
        """The share that counts; 0 of no text."""
        return self.counted / self.texts if self.texts else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share."""
        return wilson(self.counted, self.texts)


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
    where there is none, where the classes are not told apart in four of five held-out texts, or where B writes the
    positive class untouched in more than a third of its texts.
    """
    doses: tuple[float, ...]
    """Doses at which B's own vector raises the loss by less than 60 %, smallest first; the smallest in any case."""
    arms: tuple[ArmShares, ...]
    """What each arm gave."""
    texts: int = TEXTS
    """Continuations for each arm and dose."""

    def check(self) -> None:
        """Raise ValueError where the parts, read from a file, do not fit together."""
        lines = [line for a in self.arms for line in (a.shares, a.loss_rise)]
        if not self.doses or any(len(line) != len(self.doses) for line in lines):
            raise ValueError(f"an arm of {self.vector[:60]} has not its {len(self.doses)} doses")
        if not 1 <= self.texts <= MOST_TEXTS or any(
            not 0 <= s <= 1 for a in self.arms for s in (self.untouched, *a.shares)
        ):
            raise ValueError(f"the shares of {self.vector[:60]} are none of {self.texts} texts")

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

    def counts(self, dose: float) -> dict[str, ClassCount]:
        """How many texts of every arm count at a dose, those of the untouched target ("none") among them; nothing where
        the dose was not measured.
        """
        if dose not in self.doses:
            return {}
        shares = {"none": self.untouched} | {a.arm: a.shares[self.doses.index(dose)] for a in self.arms}
        return {arm: ClassCount(round(share * self.texts), self.texts) for arm, share in shares.items()}
