"""The maps from a target's residual stream to a source's, in one table.

Everything that names a map takes it from here: what is fitted (`SiteMaps`), the rungs of the ladder and of the report's
`ev`, the arms of the switch and of the dictionary's scores, the seams of stitching, files and figures. A new rung is
one function, which fits it, and one entry. Pages read names and titles and fit nothing: only fits load torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.alignment.maps import ResidualMap
    from explorer.alignment.moments import CrossMoments, Moments


@dataclass(frozen=True)
class FitMoments:
    """What a map of one site is fitted from."""

    fit: Moments
    """True pairs of the fit split."""
    validation: Moments
    """True pairs of the validation split, on which strengths are chosen."""
    wrong: CrossMoments
    """A deranged pairing of the fit split."""


@dataclass(frozen=True)
class MapEntry:
    """One map: how it is fitted, where it appears, and what it is called there."""

    name: str
    """Name by which `SiteMaps`, the switch, links and the columns of tables know it."""
    fit: Callable[[FitMoments], ResidualMap]
    """Fits it; the result's `forward` says how a direction of the source is carried to the target."""
    title: str
    """Name on the axis of a figure."""
    meaning: str
    """One sentence on what it does, with its formula."""
    colour: str
    """Field of `Palette` that draws it."""
    rung: str | None = None
    """Name in the ladder and in the report's `ev`; None for a map that is no rung."""
    is_arm: bool = False
    """Whether the switch of every page offers it, and the source's dictionary is scored under it."""
    is_orthogonal: bool = False
    """Whether its matrix is orthogonal: then directions are carried by the transpose, and one matrix is stored."""
    is_control: bool = False
    """Whether it has no true pairing to learn from."""
    is_stitched: bool = False
    """Whether models are stitched through it."""
    tensor: str | None = None
    """Name of its matrix in maps.safetensors; None for a map that is not stored."""
    like: str | None = None
    """Map whose matrix it has where its own tensor is missing from the file."""
    is_shown: bool = True
    """Whether figures and tables of a page have it; the report's files have every rung and seam."""
    is_drawn: bool = False
    """Whether it needs the two means and a seed only: it is not stored, but made again where files are read."""
    short: str = ""
    """How a table or list says that the target is read through it; for arms."""
    read: str = ""
    """Beginning of a sentence that says the same; for arms."""

    @property
    def seam(self) -> str:
        """Name in the scores of stitching."""
        return self.rung or self.name


def _raw(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import identity

    return identity(m.fit)


def _translated(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import translation

    return translation(m.fit)


def _rescaled(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import identity_scale

    return identity_scale(m.fit)


def _permuted(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import signed_permutation

    return signed_permutation(m.fit)


def _rotated(m: FitMoments, special: bool = False) -> ResidualMap:
    from explorer.alignment.maps import orthogonal

    return orthogonal(m.fit, special)


def _scaled(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import orthogonal_scale

    return orthogonal_scale(m.fit)


def _affine(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import affine

    return affine(m.fit, m.validation)


def _shuffled(m: FitMoments, special: bool = False) -> ResidualMap:
    from explorer.alignment.maps import with_means
    from explorer.alignment.orthogonal import orthogonal_factor

    # A wrong pairing decides R only; the means stay those of the true rows.
    r = orthogonal_factor(m.wrong.cross, special)
    return with_means(m.fit, r, r.T)


def _random(m: FitMoments) -> ResidualMap:
    from explorer.alignment.maps import random_rotation
    from explorer.alignment.orthogonal import NULL_SEED

    return random_rotation(m.fit, NULL_SEED)


_TABLE = (
    MapEntry(
        "raw", _raw, "as it is", "f(x) = x: the target's rows as they are.", "raw",
        rung="identity", is_arm=True, is_orthogonal=True, is_drawn=True, short="raw", read="Read as it is",
    ),
    MapEntry(
        "translated", _translated, "translation",
        "f(x) = x − μ_B + μ_A: moves the mean, turns nothing.", "translated",
        rung="translation", is_arm=True, is_orthogonal=True, is_stitched=True, is_drawn=True, short="mean moved",
        read="With only its mean moved",
    ),
    MapEntry(
        "rescaled", _rescaled, "translation with one scale",
        "f(x) = s (x − μ_B) + μ_A: moves the mean, stretches all directions alike, turns nothing.", "translated",
        rung="identity_scale", is_stitched=True, is_shown=False,
    ),
    MapEntry(
        "permutation", _permuted, "signed permutation",
        "f(x) = (x − μ_B) P + μ_A: dimensions onto dimensions, with signs.", "translated",
        rung="permutation", is_orthogonal=True,
    ),
    MapEntry(
        "rotated", _rotated, "rotation R",
        "f(x) = (x − μ_B) R + μ_A with R orthogonal, of either determinant.", "rotated",
        rung="orthogonal", is_arm=True, is_orthogonal=True, is_stitched=True, tensor="R", short="through R",
        read="Read through R",
    ),
    MapEntry(
        "special", partial(_rotated, special=True), "R of determinant +1",
        "The best R of determinant +1, to which the dial turns.", "rotated",
        is_orthogonal=True, like="rotated",
    ),
    MapEntry(
        "orthogonal_scale", _scaled, "R with one scale",
        "f(x) = s (x − μ_B) R + μ_A: turns, and stretches all directions alike.", "rotated",
        rung="orthogonal_scale", is_stitched=True,
    ),
    MapEntry(
        "affine", _affine, "affine",
        "f(x) = (x − μ_B) W + μ_A with W from ridge regression: may stretch as well as turn.", "affine",
        rung="affine", is_arm=True, is_stitched=True, tensor="affine", short="through affine",
        read="Read through the affine map",
    ),
    MapEntry(
        "shuffled", _shuffled, "shuffled R",
        "An R fitted to pairs that do not belong together.", "null",
        is_arm=True, is_orthogonal=True, is_control=True, is_stitched=True, tensor="shuffled",
        short="through shuffled R", read="Read through a rotation fitted to shuffled pairs",
    ),
    MapEntry(
        "shuffled_special", partial(_shuffled, special=True), "shuffled R of determinant +1",
        "The same of determinant +1, for the grey curve of the dial.", "null",
        is_orthogonal=True, is_control=True, like="shuffled",
    ),
    MapEntry(
        "random", _random, "random R",
        "A Haar-random rotation with the true means.", "null",
        is_arm=True, is_orthogonal=True, is_control=True, is_drawn=True, short="through random R",
        read="Read through a random rotation",
    ),
)  # fmt: skip

MAPS = {entry.name: entry for entry in _TABLE}
"""Every map by its name, in the order of the ladder and of the switch."""


def rungs() -> dict[str, MapEntry]:
    """The rungs of the ladder, from nothing to affine, by their names in the report."""
    return {entry.rung: entry for entry in MAPS.values() if entry.rung is not None}


def arms() -> tuple[str, ...]:
    """Names of the maps that the switch of every page offers, in its order."""
    return tuple(entry.name for entry in MAPS.values() if entry.is_arm)


def colour_of(name: str) -> str:
    """The colour of a map, a field of `Palette`; of what is no map (a model, the ceiling) its own name."""
    return MAPS[name].colour if name in MAPS else name


def seams() -> dict[str, MapEntry]:
    """The maps through which models are stitched, by their names in the scores; the controls first."""
    found = sorted((entry for entry in MAPS.values() if entry.is_stitched), key=lambda entry: not entry.is_control)
    return {entry.seam: entry for entry in found}


def shown(entries: Mapping[str, MapEntry]) -> dict[str, MapEntry]:
    """Those of some rungs or seams that figures have."""
    return {name: entry for name, entry in entries.items() if entry.is_shown}
