"""How well what was made for the source's stream works on the target's once it is carried there: probes and lenses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from explorer.estimates import Estimate

HOME, OWN, LOGIT = "home", "own", "logit"
"""Scores that are no map's: of the source's on the source, of the target's own, and of its logit lens."""
TOLD = (HOME, OWN, "rotated", "raw", "shuffled")
"""Scores that every table and sentence has."""


@dataclass(frozen=True)
class ProbeScore:
    """How a linear probe does on labelled tokens of held-out documents."""

    accuracy: Estimate
    """Share of tokens whose class it names."""
    auc: float
    """Area under the ROC curve, mean over the classes, each against all others: 0.5 is chance."""


@dataclass(frozen=True)
class ProbeTransfer:
    """A probe of the source, carried to the target."""

    site: str
    """Name of the site."""
    label: str
    """Short label."""
    labels: str
    """What the probe tells apart: a label of the corpus, or the name of a file."""
    classes: tuple[str, ...]
    """Its classes, in the order of the probe's rows."""
    rows_fit: int
    """Labelled tokens that the target's own probe was fitted on."""
    rows_test: int
    """Labelled tokens of held-out documents that were scored."""
    majority: float
    """Share of the commonest class among them: what naming it always gets."""
    scores: Mapping[str, ProbeScore]
    """`home`: the source's probe on the source. `own`: one fitted on the target's rows with the same labels. Else by
    the map through which the source's probe was carried to the target: raw, translated, rotated, affine, shuffled,
    random."""
    random_best: float
    """The best accuracy of 19 random rotations."""
    restored: float | None
    """(rotated − shuffled) / (own − shuffled), of accuracies: 0 is an R of shuffled pairs, 1 the target's own probe.
    None where its own is not above shuffled pairs."""


@dataclass(frozen=True)
class LensScore:
    """How near what a lens says of the next token is to what the model says at its end."""

    kl: Estimate
    """KL(final‖lens), nats per token."""
    top1: Estimate
    """Share of tokens after which both put the same token first."""


@dataclass(frozen=True)
class LensTransfer:
    """A lens of the source at one site, carried to the target."""

    site: str
    """Name of the site."""
    label: str
    """Short label."""
    rows_fit: int
    """Rows that the target's own lens was fitted on."""
    rows_test: int
    """Test rows that were scored."""
    scores: Mapping[str, LensScore]
    """`home`: the source's lens on the source. `own`: an affine lens fitted on the target's rows by least squares.
    `logit`: the target's logit lens. Else by the map through which the source's lens was carried, at its site and at
    the end."""
    restored: float | None
    """(rotated − shuffled) / (own − shuffled), of top-1 shares; None where the own is not above shuffled pairs."""


@dataclass(frozen=True)
class CarriedReaders:
    """What a pair's probes and lenses are worth in the other model, site by site."""

    probes: tuple[ProbeTransfer, ...]
    """By label, then by site."""
    lenses: tuple[LensTransfer, ...]
    """By site: affine lenses, fitted on each model's own rows by least squares."""

    def check(self) -> None:
        """Raise ValueError where a score that is told, read from a file, is missing."""
        for found, names in ((self.probes, TOLD), (self.lenses, (*TOLD, LOGIT))):
            for one in found:
                if missing := [name for name in names if name not in one.scores]:
                    raise ValueError(f"what it says of {one.site[:60]} lacks '{missing[0]}'")


def share_restored(rotated: float, shuffled: float | None, own: float, least: float = 0.02) -> float | None:
    """Where a carried score lies between shuffled pairs (0) and the target's own (1)."""
    if shuffled is None or own - shuffled < least:
        return None
    return (rotated - shuffled) / (own - shuffled)
