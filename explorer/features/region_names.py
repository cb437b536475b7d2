"""Names of the map's regions: the label, or the word, that a region has more of than chance would put there.

Chance: as many features drawn at random from the map (hypergeometric tail), times the number of names tried.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from explorer.features.feature_table import CLEAR

if TYPE_CHECKING:
    import pandas as pd

LEAST, EVERYWHERE = 3, 5
"""Features of a region, and of the whole map, that must have a label or a word before it can name the region."""
FAMILIES = 2
"""Families of names: labels and words."""
LETTERS = 2
"""Letters of the shortest word that may name a region."""
LEVEL = 0.05
"""Up to this p, corrected for all names tried, a name is said to be more than chance."""


@dataclass(frozen=True)
class RegionName:
    """What sets one region of the map apart."""

    region: str
    """The region as the layout calls it."""
    kind: str
    """Whether the name is a label or a word; empty for a region in which nothing is frequent enough."""
    name: str
    """The label as key=value, or the word in small letters; empty without one."""
    count: int
    """Features of the region that have this label (F1 ≥ CLEAR), or fire on this word."""
    everywhere: int
    """Features of the whole map that do."""
    size: int
    """Features of the region."""
    p: float
    """Chance that a name is found that sets as many random features apart as much, at most 1 (Bonferroni)."""

    @property
    def is_more_than_chance(self) -> bool:
        """Whether the name would rarely be found for features drawn at random."""
        return self.p <= LEVEL


def name_regions(features: pd.DataFrame) -> list[RegionName]:
    """A name for each region of a map of features (`region`, `label`, `f1`, `fires_on`), the largest region first.

    Clear labels and words at the peaks are two families of names, each tested at half the level. What is more than
    chance goes first, then labels before words; no name is given twice. Deterministic.
    """
    sizes = features["region"].astype(str).value_counts()
    regions = sorted(sizes.index, key=lambda r: (-int(sizes[r]), r))
    place = {region: i for i, region in enumerate(regions)}
    of = np.array([place[r] for r in features["region"].astype(str)], dtype=int)
    carried = _carried(features)
    tried = [found for kind in ("label", "word") for found in _tried(kind, carried, of, regions)]
    chosen: dict[str, RegionName] = {}
    for found in sorted(
        tried, key=lambda f: (not f.is_more_than_chance, f.p if f.is_more_than_chance else f.kind, f.p)
    ):
        if found.region not in chosen and all(found.name != other.name for other in chosen.values()):
            chosen[found.region] = found
    return [chosen.get(r) or RegionName(r, "", "", 0, 0, int(sizes[r]), 1.0) for r in regions]


def _tried(
    kind: str, carried: dict[tuple[str, str], list[int]], of: Int[np.ndarray, " n"], regions: list[str]
) -> list[RegionName]:
    """Every name of a kind for every region that has it LEAST times, the least p first."""
    from scipy.stats import hypergeom

    names = sorted(name for k, name in carried if k == kind and len(carried[k, name]) >= EVERYWHERE)
    sizes, found = np.bincount(of, minlength=len(regions)), []
    for name in names:
        rows = carried[kind, name]
        counts = np.bincount(of[rows], minlength=len(regions))
        for i in np.flatnonzero(counts >= LEAST):
            chance = float(hypergeom.sf(counts[i] - 1, len(of), len(rows), int(sizes[i])))
            p = chance * len(names) * len(regions) * FAMILIES
            found.append(
                (chance, RegionName(regions[i], kind, name, int(counts[i]), len(rows), int(sizes[i]), min(1.0, p)))
            )
    return [name for _, name in sorted(found, key=lambda f: (f[0], f[1].name, f[1].region))]


def _carried(features: pd.DataFrame) -> dict[tuple[str, str], list[int]]:
    """Which rows have each clear label, and which fire on each word."""
    found: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for i, (label, f1, on) in enumerate(zip(features["label"], features["f1"], features["fires_on"], strict=True)):
        if f1 >= CLEAR:
            found["label", label].append(i)
        for word in sorted({w.lower() for w in on if w.isalpha() and len(w) >= LETTERS}):
            found["word", word].append(i)
    return dict(found)
