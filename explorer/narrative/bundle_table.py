"""The paper, its release bundle and a study, side by side: a line for each number and site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from explorer.models import Site
from explorer.narrative.bundle_quantities import EV_NOTE, QUANTITIES, Quantity
from explorer.narrative.claim_study import ClaimStudy
from explorer.narrative.paper_bundle import Bundle, SiteNumbers, residual_place
from explorer.number_text import number
from explorer.study import Study


@dataclass(frozen=True)
class BundleRow:
    """One number at one site."""

    claim: str
    """The claim that rests on it."""
    what: str
    """What is measured."""
    site: str
    """The site in this project's words; the bundle's own name inside a block, or of what has no site."""
    paper: str
    """What the paper says, for all sites."""
    bundle: tuple[float, ...]
    """What the bundle holds: a number of each pair, or their mean; empty where it holds none."""
    ours: tuple[float, ...]
    """What the study measures: a number of each pair; empty where it has no such site or number."""


@dataclass(frozen=True)
class BundleTable:
    """Everything that a bundle and a study say of the paper's claims."""

    rows: tuple[BundleRow, ...]
    """Line by line."""
    notes: tuple[str, ...]
    """What must be known to read them beside each other, a sentence each."""
    lacks: tuple[str, ...]
    """What the bundle does not hold, a sentence each."""


def compare_bundle(bundle: Bundle, study: Study, source: str, target: str, toy: Study | None) -> BundleTable:
    """A bundle beside a study (and the paper's toy beside ours).

    Sites are matched by their place: input, end, and so many blocks from the input. Raises InputError for a pair that
    the study does not have.
    """
    here = ClaimStudy.of(study, source, target, 0)
    there = None if toy is None else ClaimStudy.of_toy(toy)
    rows: list[BundleRow] = []
    lacks: dict[str, list[str]] = {}
    for quantity in QUANTITIES:
        found = next((n for s in quantity.sources if (n := bundle.read(s))), ())
        if not found:
            held = [s.file for s in quantity.sources if bundle.holds(s.file)]
            where = f"the bundle's {held[0]} lacks" if held else f"the bundle lacks {quantity.sources[0].file}, that is"
            lacks.setdefault(where, []).append(f"{quantity.claim} ({quantity.what})")
        rows += _rows(quantity, found, there if quantity.of_toy else here)
    widths = [s.study.file for s in (here, there) if s is not None]
    roots = ", ".join(f"{number((2 * file.d_model) ** 0.5)} in {file.name}" for file in widths)
    return BundleTable(
        tuple(rows),
        (EV_NOTE, f"√(2d) is {roots}", "ranges are over pairs"),
        tuple(f"{where} {'; '.join(what)}" for where, what in lacks.items()),
    )


def _rows(quantity: Quantity, found: tuple[SiteNumbers, ...], study: ClaimStudy | None) -> Iterator[BundleRow]:
    ours: dict[int, list[float]] = {}
    for at, value in quantity.ours(study) if quantity.ours is not None and study is not None else ():
        ours.setdefault(at, []).append(value)
    depth = study.study.file.n_layers if study is not None else 0
    places = {place for n in found if (place := residual_place(n.site)) is not None}
    last = max(places) if len(places) > 1 else -1  # one site alone does not say where the model ends
    told: set[int] = set()
    for n in found:
        place = residual_place(n.site)
        # The end of one model lies beside the end of the other, however deep they are.
        index = depth if place == last else place if place is not None and place < depth else None
        mine = ours.get(index, []) if index is not None else []
        told |= {index} if index is not None else set()
        name = Site(place, last).label if place is not None else n.site or "as published"
        if index is not None and place is not None and name != n.site and _twice(found, place):
            name = f"{name} ({n.site})"
        yield BundleRow(quantity.claim, quantity.what, name, quantity.paper, n.values, tuple(mine))
    for at in sorted(set(ours) - told):
        yield BundleRow(quantity.claim, quantity.what, Site(at, depth).label, quantity.paper, (), tuple(ours[at]))


def _twice(found: tuple[SiteNumbers, ...], place: int) -> bool:
    """Whether the bundle names one place of the residual stream in two ways."""
    return sum(residual_place(n.site) == place for n in found) > 1
