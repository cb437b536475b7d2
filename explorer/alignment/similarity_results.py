"""What the field's similarity indices say of a pair, each beside that of shuffled pairs and of a turned copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

IndexName = Literal["cka", "procrustes", "cca", "knn"]
INDICES: tuple[IndexName, ...] = get_args(IndexName)
"""The indices of paired rows, in the order in which tables have them."""
DISTANCES: tuple[IndexName, ...] = ("procrustes",)
"""Those that are small where two models are alike."""


@dataclass(frozen=True)
class CalibratedIndex:
    """One index of two sets of paired rows, with what it is where nothing belongs together and where all does."""

    value: float
    """Of the true pairs."""
    shuffled: float
    """Mean over the shuffled pairings."""
    shuffled_best: float
    """The shuffled pairing that looks most alike: the largest, of a distance the smallest."""
    p: float
    """(1 + number of shuffled pairings that look at least as alike) / (1 + number of shuffled pairings)."""
    twin: float
    """Of the source's rows and the same rows turned by a known Q: what a perfect rotation gets."""


@dataclass(frozen=True)
class DecoderMcc:
    """PW-MCC: mean cosine of decoder rows matched one to one so that their sum is largest; live features only."""

    raw: float
    """The target's rows as they are."""
    rotated: float
    """The target's rows through R."""
    shuffled: float
    """The target's rows through an R of shuffled pairs: what the matching alone finds."""
    random: float
    """The target's rows through a Haar-random rotation."""
    features: int
    """Rows matched: as many as the smaller of the two dictionaries has live features."""


@dataclass(frozen=True)
class UnpairedFit:
    """R found without pairs, from rows of different documents. EV are of the source's rows, on true pairs."""

    ev: float
    """Of R without pairs."""
    paired: float
    """Of R fitted to the pairs, on the same rows."""
    shuffled: float
    """Of an R fitted to shuffled pairs, on the same rows."""
    from_paired: float
    """‖R without pairs − R with pairs‖_F / √(2d): 0 where they are equal, about 1 where unrelated."""
    twin: float
    """EV where the target is the source turned by a known Q, found without pairs: the control."""
    from_twin: float
    """‖R − Qᵀ‖_F / √(2d) of the control."""
    apart: float
    """Mean squared distance of a row to the nearest of the other cloud, both ways, under R without pairs, as a share of
    A's variance: what was to be small."""
    apart_paired: float
    """The same under R with pairs: where it is smaller, the search has missed what is there."""


@dataclass(frozen=True)
class SiteSimilarity:
    """The indices at one site."""

    site: str
    """Name of the site."""
    label: str
    """Short label."""
    rows_fit: int
    """Fit rows on whose moments the Procrustes distance and CCA rest."""
    rows: int
    """Test rows, drawn at random, that CKA was computed on."""
    distinct: int
    """Those of them that differ from each other in both models: nearest neighbours were looked for among these."""
    indices: Mapping[IndexName, CalibratedIndex]
    """By name. `cka`: debiased linear CKA, of the test rows. `procrustes`: angular distance arccos(ΣS / ‖X̃_A‖‖X̃_B‖) in
    radians, and `cca`: mean canonical correlation, of fit rows. `knn`: share of the nearest neighbours that a row
    has in both models; missing where too few rows are distinct. All are missing where no shuffled pairing can be
    made: an index without its null is not told."""
    decoders: DecoderMcc | None = None
    """PW-MCC of the two models' dictionaries; None where one of them has none here."""
    unpaired: UnpairedFit | None = None
    """R found without pairs; None where it was not asked for."""


@dataclass(frozen=True)
class PairSimilarity:
    """The indices of a pair at every site, and each one's best site with the best of its null."""

    sites: tuple[SiteSimilarity, ...]
    """Site by site, input first."""
    best: Mapping[IndexName, CalibratedIndex]
    """Each index at its best site. Every shuffled pairing takes its own best site, too."""
    neighbours: int
    """k of the nearest neighbours."""
