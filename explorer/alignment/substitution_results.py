"""What happens to a model's loss when features of another stand in for its own, feature by feature and in sum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median

MATTERS = 0.01
"""Harm of removing a feature, nats, from which it is told what stands in for it."""
LEAST_TOLD = 10
"""Features that matter without which nothing is summed up."""


@dataclass(frozen=True)
class Harm:
    """How much a model's loss rises by an edit; positive is harm."""

    value: float
    """Nats for each token at which the target's feature fires."""
    error: float
    """Standard error over the tokens that were edited."""


@dataclass(frozen=True)
class FeatureSubstitution:
    """One feature of the source that stands in for its match in the target's dictionary, beside wrong ones."""

    feature: int
    """Of the source's dictionary."""
    partner: int
    """Its match in the target's."""
    r: float
    """Firing r of the two."""
    match: Harm
    """The source's feature stands in for its match."""
    wrong: Harm
    """The least harmful of the wrong neighbours stands in for it."""
    wrong_feature: int
    """Which feature of the source that is."""
    ablation: Harm
    """Nothing stands in for it."""


@dataclass(frozen=True)
class SubstitutionSummary:
    """A site's substitutions in sum: of the matches whose removal costs at least 0.01 nats, for of the others nothing
    can be told. All but the counts are None where fewer than ten do.
    """

    tried: int
    """Matches that were tried."""
    n: int
    """Those of them whose removal from the target costs at least 0.01 nats."""
    match: float | None
    """Median harm of the match, nats for each token at which the target's feature fires."""
    wrong: float | None
    """Median harm of the least harmful wrong neighbour: the null."""
    ablation: float | None
    """Median harm of removing the feature: the ceiling."""
    share: float | None
    """Share of the features whose match does less harm than its least harmful wrong neighbour."""
    p: float | None
    """One-sided sign test of that: the chance of at least so many if either were as likely."""
    r: float | None
    """Median firing r of the match."""


@dataclass(frozen=True)
class SiteSubstitution:
    """The substitutions at one site, column by column: the i-th entries of all columns are one feature's.

    At a token where B's feature j fires with a_j, or A's feature i with a_i (on A's own row of the same token):
    h ← h − a_j d_j + a_i d_i Rᵀ, at one token at a time. Harm = Σ KL(before‖after) of the next token, over the tokens
    at which i or j fires / number of tokens at which j fires; nats. KL is the rise of the loss in the mean over the
    words that the model itself expects: in the mean that on the words that came, where its expectations are right.
    """

    site: str
    """Name of the site."""
    matched: int
    """Features of the source that have a match: each is the other's nearest through R, nearer than 99 % of features
    have theirs through an R of shuffled pairs, and both fire on 20 tokens at least."""
    tokens: int
    """Tokens of test text on which firing was counted."""
    edited: int
    """At most so many tokens at which j fires were edited, and of those at which only i does; drawn at random."""
    match_loss: float
    """Mean over the features of what the match adds to the loss on the words that came: noisier than the harm, and
    equal to its mean if B's expectations are right."""
    wrong_loss: float
    """The same of the least harmful wrong neighbour."""
    ablation_loss: float
    """The same of removing the feature."""
    feature: tuple[int, ...]
    """Feature of the source; first those whose match's removal moves the target's predictions most (tokens drawn apart
    from those of the harm)."""
    partner: tuple[int, ...]
    """Its match in the target's dictionary."""
    r: tuple[float, ...]
    """Firing r of the two."""
    match: tuple[float, ...]
    """Harm of the match."""
    match_error: tuple[float, ...]
    """Its standard error."""
    wrong_feature: tuple[int, ...]
    """The least harmful wrong neighbour: of the source's features next nearest to j, two by cosine through R and two
    by firing r."""
    wrong: tuple[float, ...]
    """Harm of it: the least of four, which favours it."""
    wrong_error: tuple[float, ...]
    """Its standard error."""
    ablation: tuple[float, ...]
    """Harm of removing a_j d_j."""
    ablation_error: tuple[float, ...]
    """Its standard error."""

    def check(self) -> None:
        """Raise ValueError for columns of different lengths."""
        lengths = {len(column) for column in (self.feature, *self._columns())}
        if len(lengths) > 1:
            raise ValueError(f"columns of {', '.join(map(str, sorted(lengths)))} features at {self.site}")

    def _columns(self) -> tuple[tuple[float, ...], ...]:
        harms = (self.match, self.match_error, self.wrong, self.wrong_error, self.ablation, self.ablation_error)
        return (self.partner, self.r, self.wrong_feature, *harms)

    def of(self, feature: int) -> FeatureSubstitution | None:
        """What became of one feature; None where it was not tried."""
        if feature not in self.feature:
            return None
        i = self.feature.index(feature)
        return FeatureSubstitution(
            feature,
            self.partner[i],
            self.r[i],
            Harm(self.match[i], self.match_error[i]),
            Harm(self.wrong[i], self.wrong_error[i]),
            self.wrong_feature[i],
            Harm(self.ablation[i], self.ablation_error[i]),
        )

    @cached_property
    def summary(self) -> SubstitutionSummary:
        """All in sum."""
        tried = len(self.feature)
        kept = [i for i, cost in enumerate(self.ablation) if cost >= MATTERS]
        if len(kept) < LEAST_TOLD:
            return SubstitutionSummary(tried, len(kept), None, None, None, None, None, None)
        from scipy.stats import binomtest

        less = sum(self.match[i] < self.wrong[i] for i in kept)
        return SubstitutionSummary(
            tried=tried,
            n=len(kept),
            match=median(self.match[i] for i in kept),
            wrong=median(self.wrong[i] for i in kept),
            ablation=median(self.ablation[i] for i in kept),
            share=less / len(kept),
            p=float(binomtest(less, len(kept), 0.5, alternative="greater").pvalue),
            r=median(self.r[i] for i in kept),
        )


@dataclass(frozen=True)
class PairSubstitution:
    """The substitutions of a pair, at every site where both models have a dictionary."""

    sites: tuple[SiteSubstitution, ...]
    """Site by site, input first."""

    def check(self) -> None:
        """Raise ValueError for sites whose numbers do not fit together."""
        for site in self.sites:
            site.check()

    def at(self, site: str) -> SiteSubstitution | None:
        """Those of a site."""
        return next((s for s in self.sites if s.site == site), None)
