"""The story of the "98 %": what decoder_match.json of a study holds. Plain results, no tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

THRESHOLD = 0.5
"""Cosine above which the paper counts a row as matched."""
BINS = 50
"""Bins of equal width from 0 to 1 of the stored histograms; a negative largest cosine is counted in the first."""
Family = Literal["relu", "relu_sparse", "topk"]
"""ReLU under the light and under the strong penalty, and TopK."""
CASES = ("same_init", "independent", "rotated", "same_model")
"""The bars, in the order in which the story is told: fields of `FamilyMatch`."""


@dataclass(frozen=True)
class Chance:
    """What independent random unit vectors reach."""

    share: float
    """Probability that a row's largest cosine with `partners` random rows is above 0.5."""
    mean: float
    """Expected largest cosine."""


@dataclass(frozen=True)
class CosineSummary:
    """The largest cosine of each row of A with any row of B, over some rows of both."""

    rows: int
    """Rows of A counted."""
    partners: int
    """Rows of B they could match."""
    share: float | None
    """Share of A's rows above 0.5; None where there is nothing to count."""
    mean: float | None
    """Mean of the largest cosines; None where there is nothing to count."""
    histogram: tuple[int, ...]
    """Counts of the largest cosines in `BINS` equal bins from 0 to 1."""
    chance: Chance
    """The same for random rows, as many of them."""


@dataclass(frozen=True)
class DecoderMatch:
    """Two dictionaries compared by their decoder rows."""

    all: CosineSummary
    """Every row, dead features too: the paper's reading."""
    alive: CosineSummary
    """Only features that fire on the test rows of their own model, on both sides."""


@dataclass(frozen=True)
class FamilyMatch:
    """The four bars of one kind of dictionary at one site; None where the study has no such pair."""

    family: Family
    """Which kind of dictionary."""
    same_init: DecoderMatch | None
    """Source against target: same initial weights and same batches, rows as they are."""
    independent: DecoderMatch | None
    """Source against target, independent initial weights and batches, rows as they are."""
    rotated: DecoderMatch | None
    """The same, the target's rows carried into the source's coordinates by R."""
    same_model: DecoderMatch | None
    """Two dictionaries of the source from independent initial weights: what any map could hope for (the ceiling)."""


@dataclass(frozen=True)
class MatchedDictionary:
    """One dictionary of the comparison, with its numbers as they are."""

    family: Family
    """Which kind of dictionary."""
    model: str
    """Name of the model whose rows it reads."""
    site: str
    """Name of the site."""
    start: int | None
    """Seed of its initial weights and of the order of its batches; None where it shares them with no other."""
    width: int
    """Number of its features."""
    l1: float | None
    """Weight of the penalty; None for TopK."""
    path: str
    """SAELens folder, relative to the study."""
    ev: float
    """EV on its own model's test rows."""
    l0: float
    """Mean number of active features on test rows."""
    dead: float
    """Share of features that never fire on the test rows."""
    kept: float | None
    """Mean cosine of its decoder rows with those it started from; None where the start is not known."""


@dataclass(frozen=True)
class SiteMatch:
    """The story at one site."""

    site: str
    """Name of the site."""
    label: str
    """Short label."""
    families: tuple[FamilyMatch, ...]
    """The bars of each kind of dictionary."""


@dataclass(frozen=True)
class DecoderStory:
    """What decoder_match.json holds."""

    source: str
    """Name of the source model."""
    target: str
    """Name of the target model."""
    source_sha256: str
    """Hash of the source's files."""
    target_sha256: str
    """Hash of the target's files."""
    batches: int
    """Batches that each ReLU dictionary was trained on."""
    dictionaries: tuple[MatchedDictionary, ...]
    """Every dictionary compared."""
    sites: tuple[SiteMatch, ...]
    """The sites, input first."""

    def site(self, name: str) -> SiteMatch | None:
        """The story at a site, None where no dictionaries were trained for it."""
        return next((s for s in self.sites if s.site == name), None)

    def dictionaries_of(self, family: Family, site: str) -> Iterator[MatchedDictionary]:
        """The dictionaries of one kind at one site."""
        return (d for d in self.dictionaries if (d.family, d.site) == (family, site))
