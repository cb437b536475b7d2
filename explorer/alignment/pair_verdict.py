"""The verdict on a pair: its least favourable site, the one number on which it rests, and what each site is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from explorer.alignment.grounds import ROTATION, rotation_nulls
from explorer.alignment.map_registry import rungs
from explorer.alignment.map_results import GateNulls
from explorer.alignment.results import PositiveControl, SiteResult, Verdict, VerdictName
from explorer.estimates import Estimate

FAVOURABLE: tuple[VerdictName, ...] = (
    "shared basis",
    "same basis, drifted",
    "rotation-equivalent",
    "mostly rotation",
)
"""Verdicts for which `check` exits with 0."""
WORST_FIRST: tuple[VerdictName, ...] = (
    "not aligned",
    "inconclusive",
    "affine only",
    "geometric, not functional",
    "partly rotation",
    "mostly rotation",
    "rotation-equivalent",
    "same basis, drifted",
    "shared basis",
)
"""A pair is called what its least favourable site is called."""


class Decisive(NamedTuple):
    """The one number on which a verdict rests, beside what the same map reaches without a true pairing."""

    rung: str
    """Whose EV it is: R with one scale, or the affine map where not even that is above its nulls."""
    estimate: Estimate
    """EV on the test rows."""
    nulls: GateNulls
    """The gates of the same map; in studies from before R with one scale had any, those of R."""

    @property
    def title(self) -> str:
        """The map in words."""
        return "the affine map" if self.rung == "affine" else rungs()[self.rung].title

    @property
    def colour(self) -> str:
        """Field of `Palette` that draws it."""
        return rungs()[self.rung].colour


def decisive(site: SiteResult) -> Decisive:
    """The number on which a site's verdict rests."""
    if site.verdict is not None and site.verdict.verdict == "not aligned":
        return Decisive("affine", site.ladder["affine"], site.nulls_affine)
    return Decisive(ROTATION, site.ladder[ROTATION], rotation_nulls(site))


def counted_sites(sites: Sequence[SiteResult]) -> list[SiteResult]:
    """The sites that count for the pair: all that can be judged, and the embedding only if it is the only site."""
    return [s for s in _asked(sites) if s.verdict is not None and s.verdict.verdict != "not assessable"]


def _asked(sites: Sequence[SiteResult]) -> list[SiteResult]:
    return [s for s in sites if s.site != "blocks.0.hook_resid_pre"] or list(sites)


def deciding_site(sites: Sequence[SiteResult]) -> SiteResult:
    """The site whose verdict is the pair's: of the least favourable ones that count the one whose deciding number is
    lowest; where none counts, the first.
    """
    ranks = {name: rank for rank, name in enumerate(WORST_FIRST)}
    counted = [(ranks[s.verdict.verdict], decisive(s).estimate.value, s) for s in counted_sites(sites) if s.verdict]
    return min(counted, key=lambda found: found[:2])[2] if counted else _asked(sites)[0]


def which_is_what(sites: Sequence[SiteResult]) -> str:
    """Which of the sites that count are called what, from the input to the end; empty where all are called alike."""
    named = [(s.label, s.verdict.verdict) for s in counted_sites(sites) if s.verdict is not None]
    runs = [(name, [label for label, _ in run]) for name, run in groupby(named, key=lambda found: found[1])]
    if len(runs) < 2:
        return ""
    first, *middle, last = runs
    parts = [f"{first[0]} up to {first[1][-1]}"]
    parts += [f"{name} at {labels[0]}" + (f" to {labels[-1]}" if labels[1:] else "") for name, labels in middle]
    joint = "; " if any("," in name for name, _ in runs) else ", "
    return joint.join([*parts, f"{last[0]} after that"])


def pair_verdict(sites: Sequence[SiteResult], control: PositiveControl) -> Verdict:
    """The least favourable site's verdict, of those that can be judged; the embedding counts if it is the only one."""
    if not control.passed:
        worst = min(control.ev)
        return Verdict(
            "not assessable",
            (f"the positive control ({control.kind}) failed: EV {worst:.4f} where 1 was planted",),
            "report this: the measurement itself does not work on this source.",
        )
    site = deciding_site(sites)
    assert site.verdict is not None
    head = f"decided at the site {site.label}: {site.verdict.reasons[0]}"
    counted = counted_sites(sites)
    if not counted:
        return replace(site.verdict, reasons=(f"no site can be judged; at {site.label} {site.verdict.reasons[0]}",))
    reasons = [head, *site.verdict.reasons[1:]]
    if len(counted) > 1:
        reasons.append(which_is_what(sites) or f"{site.verdict.verdict} at each of the {len(counted)} sites that count")
    if len(_asked(sites)) < len(sites):
        reasons.append("the embedding (site input) is measured but does not count")
    if left_out := [s.label for s in _asked(sites) if s not in counted]:
        reasons.append(f"not assessable, and so not counted: {', '.join(left_out)}")
    return Verdict(site.verdict.verdict, tuple(reasons), site.verdict.next)


def exit_code(verdict: VerdictName) -> int:
    """0 for a favourable verdict, 1 for any other, 2 for not assessable."""
    return 2 if verdict == "not assessable" else int(verdict not in FAVOURABLE)
