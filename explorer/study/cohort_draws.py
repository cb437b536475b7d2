"""R of every measured pair as a draw: which law theory gives it, and whether the test's p-values are uniform there.

Turn the residual stream of an equivariantly trained seed by a random rotation: its law stays as it was, and R is
multiplied by that rotation. So R between it and any model trained apart is Haar. The R of one pair at several sites are
not independent of each other, for one rotation multiplies all of them, nor are those of pairs that close a circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from explorer.alignment import HaarTest, RotationTest
from explorer.intake import read_json
from explorer.study.schema import ModelEntry
from explorer.study.study import Study

EQUIVARIANT, ADAMW = "equivariant", "adamw"
"""Cohorts whose training is known: every step commutes with a rotation of the residual stream; AdamW does not."""
ROTATIONS = "rotations.json"
"""File of a study's folder; pages do without it."""
Law = Literal["theorem", "optimiser", "twin", "origin", "way back", "unknown"]
"""Haar by a theorem; two AdamW seeds, where no theorem holds; no draw of its own: a known Q, equal initial weights, a
pair that stands there the other way round; nothing is recorded about the training.
"""


@dataclass(frozen=True)
class PairDraw:
    """R of one measured pair, at every site."""

    source: str
    """Name of the source model."""
    target: str
    """Name of the target model."""
    law: Law
    """What theory says of it."""
    sites: tuple[str, ...]
    """Short labels of the sites."""
    found: tuple[RotationTest, ...]
    """R at each of them, tested."""

    @property
    def name(self) -> str:
        """The pair as people write it."""
        return f"{self.source} → {self.target}"

    @property
    def tests(self) -> tuple[HaarTest, ...]:
        """The test against Haar draws at each site."""
        return tuple(r.haar for r in self.found)


@dataclass(frozen=True)
class Uniformity:
    """Whether the p-values of all pairs are uniform together where a theorem wants them so."""

    p: float
    """How often the p of models that are turned at random are as far from uniform, by Kolmogorov–Smirnov's distance."""
    turns: int
    """Draws compared with."""


@dataclass(frozen=True)
class FurtherRotations:
    """What a study keeps of R beyond its measured pairs."""

    pairs: tuple[PairDraw, ...]
    """R between two seeds that are no measured pair."""
    uniformity: Uniformity | None
    """Of these and of the measured pairs, where the theorem holds; None without such pairs."""


@dataclass(frozen=True)
class RotationDraws:
    """R of every pair of a study whose cohorts say how its models were trained."""

    d_model: int
    """Width of the residual stream."""
    pairs: tuple[PairDraw, ...]
    """The measured pairs in the study's order, then the others."""
    uniformity: Uniformity | None = None
    """Of all p-values where the theorem holds; None where there are none, or it was not tested."""

    @property
    def haar_kurtosis(self) -> float:
        """Expected kurtosis of √d·R_ij of a Haar matrix: 3d / (d + 2)."""
        return 3 * self.d_model / (self.d_model + 2)

    def of(self, *laws: Law) -> tuple[PairDraw, ...]:
        """The pairs of some laws."""
        return tuple(pair for pair in self.pairs if pair.law in laws)

    def tests(self, *laws: Law) -> list[HaarTest]:
        """The tests of those pairs at every site."""
        return [test for pair in self.of(*laws) for test in pair.tests]


def rotation_draws(study: Study) -> RotationDraws | None:
    """R of every pair, by what the cohorts say; None where they say of no measured pair how it was trained."""
    laws = _laws(study)
    if not {"theorem", "optimiser"} & set(laws.values()):
        return None
    measured = []
    for (source, target), said in laws.items():
        sites = study.pair(source, target).sites
        found = tuple(RotationTest(s.rotation.haar, s.rotation.identified_rank) for s in sites)
        measured.append(PairDraw(source, target, said, tuple(s.label for s in sites), found))
    path = study.folder / ROTATIONS
    if not path.exists():
        return RotationDraws(study.file.d_model, tuple(measured))
    further = read_json(path, FurtherRotations, "remove it, and the pages do without it")
    return RotationDraws(study.file.d_model, (*measured, *further.pairs), further.uniformity)


def lawful_pairs(study: Study) -> tuple[dict[tuple[str, str], Law], dict[tuple[str, str], Law]]:
    """The measured pairs and the further pairs of seeds whose R is a draw by a theorem, or of two AdamW seeds."""
    counted = ("theorem", "optimiser")
    laws = _laws(study)
    known = {name for pair in laws for name in (pair, pair[::-1])}
    seeds = [m for m in study.file.models if m.kind == "seed"]
    further = {(a.name, b.name): law(a, b, False) for a, b in combinations(seeds, 2) if (a.name, b.name) not in known}
    kept = [{pair: said for pair, said in found.items() if said in counted} for found in (laws, further)]
    return kept[0], kept[1]


def _laws(study: Study) -> dict[tuple[str, str], Law]:
    """What theory says of each measured pair."""
    laws: dict[tuple[str, str], Law] = {}
    for pair in study.file.pairs:
        models = (study.model_entry(pair.source), study.model_entry(pair.target))
        laws[pair.source, pair.target] = law(*models, (pair.target, pair.source) in laws)
    return laws


def law(source: ModelEntry, target: ModelEntry, turned_round: bool) -> Law:
    """What theory says of R between two models; `turned_round`: the pair is measured the other way, too."""
    cohorts = {source.cohort, target.cohort}
    if "twin" in (source.kind, target.kind):
        return "twin"
    if source.seed == target.seed:
        return "origin"
    if turned_round:
        return "way back"
    if EQUIVARIANT in cohorts:
        return "theorem"
    return "optimiser" if cohorts == {ADAMW} else "unknown"
