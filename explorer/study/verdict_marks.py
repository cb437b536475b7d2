"""The one number on which a pair's verdict rests, on one axis with what it is to be read against."""

from __future__ import annotations

from typing import Literal, NamedTuple

from explorer.alignment import EV_LEAST, NULL_MARGIN, Decisive, PairResult, SiteResult, deciding_site, decisive
from explorer.estimates import Estimate
from explorer.study.schema import ModelKind
from explorer.study.study import Study

ROLES: dict[ModelKind, str] = {"twin": "twin", "seed": "sister", "untrained": "untrained"}
"""What a target of each kind is called on the axis."""


class Mark(NamedTuple):
    """One number on the axis."""

    name: str
    """What it is, in words."""
    value: float
    """EV of the source's rows by the map on which the verdict rests."""
    estimate: Estimate | None
    """With its interval; None for the largest of several refits, and for the positive control."""
    colour: str
    """Field of `Palette` that draws it."""


class Reference(NamedTuple):
    """What the number of a site is held against."""

    kind: Literal["null", "ceiling", "asked"]
    """Whether it is a null, what an affine map reaches, or what a verdict asks for."""
    name: str
    """What it is, in words."""
    value: float
    """EV of the source's rows."""


def references(site: SiteResult) -> tuple[Reference, ...]:
    """The largest null of the number on which a site's verdict rests, what the affine map reaches there, and what the
    favourable verdicts ask of the number.
    """
    number = decisive(site)
    null, affine = Reference("null", "largest null", number.nulls.gate), site.ladder["affine"].value
    if number.rung == "affine":
        return null, Reference("asked", "asked for: its null and a margin", number.nulls.gate + NULL_MARGIN)
    return null, Reference("ceiling", "affine map", affine), Reference("asked", "asked for", EV_LEAST)


def verdict_axis(study: Study, result: PairResult) -> tuple[Mark, ...]:
    """A pair's deciding number, its references at the same site, and the largest null of each kind.

    The twin, a sister seed and an untrained target are measured pairs of the study with the same source, as far as it
    has any; where no twin was measured, it is the positive control. Needs a result with a verdict.
    """
    site = deciding_site(result.sites)
    number = decisive(site)
    own = Mark(f"this pair: {result.source} → {result.target}", number.estimate.value, number.estimate, number.colour)
    twin, sister, untrained = (_measured(study, result, site, number, kind) for kind in ROLES)
    if twin is None and result.control is not None:
        reached = result.control.ev[result.sites.index(site)]
        twin = Mark(f"twin: {result.source} and itself, rotated", reached, None, "source")
    kinds = (("untrained targets", number.nulls.untrained), ("shuffled pairs", number.nulls.shuffled))
    nulls = (Mark(f"largest null of {kind}", max(values), None, "null") for kind, values in kinds if values)
    return tuple(mark for mark in (own, twin, sister, untrained, *nulls) if mark is not None)


def _measured(study: Study, result: PairResult, site: SiteResult, number: Decisive, kind: ModelKind) -> Mark | None:
    """The first other pair of the same source whose target is of a kind, at the same site."""
    for target in study.targets(result.source):
        if target == result.target or study.model_entry(target).kind != kind:
            continue
        found = next(s for s in study.pair(result.source, target).sites if s.site == site.site)
        estimate = found.ladder[number.rung]
        return Mark(f"{ROLES[kind]}: {result.source} → {target}", estimate.value, estimate, "source")
    return None
