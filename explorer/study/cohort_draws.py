"""R of every measured pair as a draw: which law theory gives it, and whether the test's p-values are uniform there.

Turn the residual stream of an equivariantly trained seed by a random rotation: its law stays as it was, and R is
multiplied by that rotation. So R between it and any model trained apart is Haar. For the same reason the R of pairs
that share a seed are independent of each other, unless the pairs close a circle. Those of one pair at several sites are
not: one rotation multiplies all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explorer.alignment import HaarTest, RotationFacts
from explorer.study.schema import ModelEntry
from explorer.study.study import Study

EQUIVARIANT, ADAMW = "equivariant", "adamw"
"""Cohorts whose training is known: every step commutes with a rotation of the residual stream; AdamW does not."""
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
    facts: tuple[RotationFacts, ...]
    """R at each of them, with its test against Haar draws."""

    @property
    def name(self) -> str:
        """The pair as people write it."""
        return f"{self.source} → {self.target}"

    @property
    def tests(self) -> tuple[HaarTest, ...]:
        """The test against Haar draws at each site."""
        return tuple(r.haar for r in self.facts)


@dataclass(frozen=True)
class RotationDraws:
    """R of every measured pair of a study whose cohorts say how its models were trained."""

    d_model: int
    """Width of the residual stream."""
    pairs: tuple[PairDraw, ...]
    """The pairs, in the study's order."""

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

    @property
    def uniformity(self) -> float | None:
        """p of a Kolmogorov–Smirnov test: are the joint p uniform where a theorem wants them so? None without any.

        It takes them for independent, which those of one pair at several sites are not: it is approximate.
        """
        from scipy.stats import kstest

        found = [test.p for test in self.tests("theorem")]
        return float(kstest(found, "uniform").pvalue) if found else None


def rotation_draws(study: Study) -> RotationDraws | None:
    """R of every measured pair, by what the cohorts say; None where they say of no pair how it was trained."""
    earlier: set[tuple[str, str]] = set()
    laws: dict[tuple[str, str], Law] = {}
    for pair in study.file.pairs:
        models = (study.model_entry(pair.source), study.model_entry(pair.target))
        turned_round = (pair.target, pair.source) in earlier
        laws[pair.source, pair.target] = law(*models, turned_round)
        earlier.add((pair.source, pair.target))
    if not {"theorem", "optimiser"} & set(laws.values()):
        return None
    found = []
    for (source, target), said in laws.items():
        sites = study.pair(source, target).sites
        labels, facts = tuple(s.label for s in sites), tuple(s.rotation for s in sites)
        found.append(PairDraw(source, target, said, labels, facts))
    return RotationDraws(study.file.d_model, tuple(found))


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
