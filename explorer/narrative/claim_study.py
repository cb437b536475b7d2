"""What the claims are read from: one source of a study, its independent targets, and its controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.alignment import PairResult, SiteResult
from explorer.study import NOT_A_SEED, SHARED, ModelKind, Study, share_weights

APART = "cohort B"
"""The cohort of the paper's toy whose seeds share nothing."""


@dataclass(frozen=True)
class ClaimStudy:
    """The pairs of a study that a claim may look at."""

    study: Study
    """The study."""
    independent: tuple[PairResult, ...]
    """The source with every independently trained target; the one that is shown comes first."""
    shared: tuple[PairResult, ...]
    """The source with the seeds that share its input and output weights; none but in the paper's toy."""
    early: PairResult | None
    """A model with an earlier checkpoint of its own training: the source, or another where it has none."""
    twin: PairResult | None
    """A model with its twin, likewise."""
    link: dict[str, str]
    """What a link to this study, pair and site carries."""

    @classmethod
    def of(cls, study: Study, source: str, target: str, site_index: int) -> ClaimStudy:
        """One source of a study; `target` comes first if it is independent."""
        kinds = {m.name: m.kind for m in study.file.models}
        seeds = [t for t in study.targets(source) if kinds[t] not in NOT_A_SEED]
        seeds.sort(key=lambda name: name != target)
        apart = [t for t in seeds if not share_weights(study, source, t)]
        shared = [t for t in seeds if t not in apart]

        def control(kind: ModelKind) -> PairResult | None:
            found = [p for p in study.file.pairs if kinds[p.target] == kind]
            found.sort(key=lambda p: p.source != source)
            return study.pair(found[0].source, found[0].target) if found else None

        link = {"study": study.file.name, "a": source, "site": study.sites[site_index].label}
        if apart:
            link["b"] = apart[0]
        one, other = (tuple(study.pair(source, t) for t in names) for names in (apart, shared))
        return cls(study, one, other, control("early"), control("twin"), link)

    @classmethod
    def of_toy(cls, study: Study) -> ClaimStudy | None:
        """The first source of each cohort of the paper's toy; None for a study without cohorts."""
        first = {study.model_entry(name).cohort: name for name in reversed(study.sources())}
        if not {SHARED, APART} <= set(first):
            return None
        middle = len(study.sites) // 2
        a, b = (cls.of(study, first[c], "", middle) for c in (SHARED, APART))
        return cls(study, b.independent, a.shared, a.early, a.twin, b.link)

    def over(self, pairs: Sequence[PairResult], read: Callable[[SiteResult], float | None]) -> list[float]:
        """A number at every site of some pairs that has it."""
        found = (read(site) for pair in pairs for site in pair.sites)
        return [value for value in found if value is not None]
