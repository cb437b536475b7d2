"""Every map of one site, fitted from the moments that the first pass collected."""

from __future__ import annotations

from dataclasses import dataclass

from explorer import maps
from explorer.errors import InputError
from explorer.maps import ResidualMap
from explorer.moments import Moments
from explorer.results import ARMS

LEAST_ROWS_PER_DIMENSION = 20


@dataclass(frozen=True)
class SiteMaps:
    """Every map fitted at one site."""

    raw: ResidualMap
    """Identity."""
    translated: ResidualMap
    """Mean moved."""
    rotated: ResidualMap
    """Orthogonal, either determinant."""
    special: ResidualMap
    """Orthogonal of determinant +1, for the dial."""
    affine: ResidualMap
    """Ridge-regressed."""
    shuffled: ResidualMap
    """Orthogonal, refitted to one shuffled pairing (the first of the 19)."""
    shuffled_special: ResidualMap
    """The same of determinant +1, for the grey curve of the dial."""
    random: ResidualMap
    """Haar-random with the true means."""

    def arm(self, name: str) -> ResidualMap:
        """The map of one arm of the switch."""
        if name not in ARMS:
            raise InputError(f"no map '{name}': there are {', '.join(ARMS)}")
        found: ResidualMap = getattr(self, name)
        return found


@dataclass
class SiteMoments:
    """What pass 1 accumulates at one site."""

    fit: Moments
    """True pairs of the fit split."""
    validation: Moments
    """True pairs of the validation split."""
    shuffled: list[Moments]
    """Deranged pairs of the fit split, one for each cyclic shift."""
    dropped: int = 0
    """Rows left out for their norm."""


def fit_maps(moments: SiteMoments, seed: int = 0) -> SiteMaps:
    """Every map of a site from its moments. Raises InputError for fewer than 20·d rows."""
    n, d = moments.fit.n, len(moments.fit.sum_source)
    least = LEAST_ROWS_PER_DIMENSION * d
    if n < least:
        raise InputError(f"not assessable: {n} rows to fit, at least 20·d = {least} are needed: give more text")
    # A shuffled pairing decides R only; the means stay those of the true rows.
    first = moments.shuffled[0]
    grey, grey_special = (
        maps.orthogonal_factor(first.cross),
        maps.orthogonal_factor(first.cross, special=True),
    )
    return SiteMaps(
        raw=maps.identity(moments.fit),
        translated=maps.translation(moments.fit),
        rotated=maps.orthogonal(moments.fit),
        special=maps.orthogonal(moments.fit, special=True),
        affine=maps.affine(moments.fit, moments.validation),
        shuffled=maps.with_means("shuffled", moments.fit, grey, grey.T),
        shuffled_special=maps.with_means("shuffled", moments.fit, grey_special, grey_special.T),
        random=maps.random_rotation(moments.fit, seed),
    )
