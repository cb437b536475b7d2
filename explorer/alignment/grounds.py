"""The numbers on which a site's verdict rests: of a measured site, or of one that is still being measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from explorer.alignment.dictionary_results import restored
from explorer.alignment.map_results import GateNulls, Stitch, StitchScores
from explorer.alignment.results import SiteResult
from explorer.estimates import Estimate

ROTATION = "orthogonal_scale"
"""The rung, and the seam, of the rotation that verdicts are about."""
UNTURNED = ("translation", "identity_scale")
"""The rungs and seams that turn nothing."""


class Recovered(NamedTuple):
    """CE recovered in the direction where less of it is."""

    estimate: Estimate
    where: str


@dataclass(frozen=True)
class Grounds:
    """What the rules of the verdict read."""

    ladder: Mapping[str, Estimate]
    """EV by rung: R with one scale, the affine map, and those that turn nothing."""
    rho: Estimate | None
    """ρ of R with one scale; None where the affine map explains nothing."""
    gate_affine: float
    """The largest gate null of the affine map."""
    gate_rotation: float
    """The largest gate null of R with one scale."""
    recovered: Mapping[str, Recovered]
    """CE recovered by seam: R with one scale, and those that turn nothing."""
    identity_share: float
    """tr(M) / ΣS."""
    scale: float | None
    """s of R with one scale."""
    as_it_is: str
    """How much works without any map, in words."""


def rotation_seam(scores: StitchScores) -> str:
    """The seam of R with one scale; in studies from before it was stitched, that of R."""
    return ROTATION if ROTATION in scores.seams else "orthogonal"


def worse_way(stitch: Stitch, seam: str) -> Recovered:
    """CE recovered by what passes a seam, in the worse of the two directions."""
    ways = (("source to target", stitch.source_to_target), ("target to source", stitch.target_to_source))
    if seam == ROTATION:
        seam = rotation_seam(stitch.source_to_target)
    return min((Recovered(scores[seam], where) for where, scores in ways), key=lambda r: r.estimate.value)


def recovered(site: SiteResult, seam: str = ROTATION) -> Recovered:
    """CE recovered at a measured site by what passes a seam, in the worse of the two directions."""
    assert site.stitch is not None
    return worse_way(site.stitch, seam)


def rotation_nulls(site: SiteResult) -> GateNulls:
    """The gates of R with one scale; in studies from before it had any, those of R."""
    return site.nulls_scale or site.nulls


def site_grounds(site: SiteResult) -> Grounds:
    """What the verdict on a measured site rests on. Stitching must have been run."""
    assert site.stitch is not None
    seams = [ROTATION, *(seam for seam in UNTURNED if seam in site.stitch.source_to_target.seams)]
    return Grounds(
        ladder=site.ladder.rungs,
        rho=site.rho_scale,
        gate_affine=site.nulls_affine.gate,
        gate_rotation=rotation_nulls(site).gate,
        recovered={seam: worse_way(site.stitch, seam) for seam in seams},
        identity_share=site.rotation.identity_share,
        scale=site.rotation.scale,
        as_it_is=_as_it_is(site),
    )


def _as_it_is(site: SiteResult) -> str:
    found = None if site.dictionary is None else restored(site.dictionary, "raw")
    if found is None:
        return f"as they are, the target's rows explain {site.ladder['identity'].value:.2f} of the source's"
    return (
        f"as it is, {found.value:.2f} of the source's dictionary is restored on the target (1: as on the source itself)"
    )
