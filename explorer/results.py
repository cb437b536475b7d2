"""What a measurement of a pair says: frozen dataclasses that pages, files and the command line share."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.metrics import Estimate

ARMS = ("raw", "translated", "rotated", "affine", "shuffled", "random")
"""The maps that the switch of every page offers, in its order."""


@dataclass(frozen=True)
class Ladder:
    """EV of predicting the source's rows from the target's; 0 is predicting the mean. Fitted on fit, scored on test."""

    identity: Estimate
    """The target's rows as they are."""
    translation: Estimate
    """Only the mean moved."""
    permutation: Estimate
    """Best signed permutation of dimensions, with means."""
    orthogonal: Estimate
    """Orthogonal map with means."""
    orthogonal_scale: Estimate
    """Orthogonal map, one scale, means."""
    affine: Estimate
    """Ridge-regressed affine map."""
    shuffled: tuple[float, ...]
    """Orthogonal maps refitted to deranged pairings (19 cyclic shifts of the chunks), each scored on the true pairs."""
    random: float
    """A Haar-random rotation with the true means."""

    @property
    def rho(self) -> float:
        """ρ = EV_orthogonal / EV_affine: how much of what a linear map can do a rotation does."""
        return self.orthogonal.value / self.affine.value

    @property
    def p(self) -> float:
        """(1 + #{shuffled ≥ orthogonal}) / 20."""
        above = sum(null >= self.orthogonal.value for null in self.shuffled)
        return (1 + above) / (1 + len(self.shuffled))


@dataclass(frozen=True)
class DictionaryScore:
    """How well the source's dictionary rebuilds rows under one map."""

    paper: Estimate
    """Paper-style: SAE_A(f(x_B)) against f(x_B) itself."""
    faithful: Estimate
    """Faithful: SAE_A(f(x_B)) against x_A, what the source itself had at that token."""
    l0: float
    """Mean number of active features."""


@dataclass(frozen=True)
class DictionaryScores:
    """The source's dictionary on its own rows (the ceiling) and on the target's rows under every map."""

    ceiling: DictionaryScore
    """SAE_A(x_A) against x_A."""
    raw: DictionaryScore
    """The target's rows as they are."""
    translated: DictionaryScore
    """Mean moved."""
    rotated: DictionaryScore
    """Read through R."""
    affine: DictionaryScore
    """Read through the affine map."""
    shuffled: DictionaryScore
    """Read through an R fitted to shuffled pairs: what alignment of the covariances alone achieves."""
    random: DictionaryScore
    """Read through a Haar-random R with the true means."""


@dataclass(frozen=True)
class DialCurve:
    """Paper-style and direct EV along the geodesic from the identity (t = 0) to R (t = 1), on up to 4,096 test rows."""

    t: tuple[float, ...]
    """Positions of the dial."""
    dictionary: tuple[float, ...]
    """EV of SAE_A(f_t(x_B)) against f_t(x_B)."""
    direct: tuple[float, ...]
    """EV of f_t(x_B) against x_A."""
    shuffled: tuple[float, ...]
    """`dictionary` for the dial of an R fitted to shuffled pairs."""
    ceiling: float
    """EV of SAE_A(x_A) against x_A on the same rows."""


@dataclass(frozen=True)
class RotationFacts:
    """What kind of matrix R is."""

    determinant: float
    """+1 or −1."""
    frobenius_from_identity: float
    """‖R − I‖_F; near √(2d) for every matrix of trace near 0."""
    special_cost: float
    """Direct EV lost by forcing the determinant to +1, as the dial must; 0 where R has it already."""


@dataclass(frozen=True)
class Firing:
    """Median Pearson r over features between SAE_A(x_A) and SAE_A(f(x_B)), features with ≥ 20 firings on both sides."""

    raw: float | None
    """None where no feature fired often enough."""
    translated: float | None
    """Mean moved."""
    rotated: float | None
    """Read through R."""
    affine: float | None
    """Read through the affine map."""
    shuffled: float | None
    """Read through an R fitted to shuffled pairs."""


@dataclass(frozen=True)
class SiteResult:
    """Everything measured at one site of a pair."""

    site: str
    """Name of the site."""
    label: str
    """Short label."""
    rows_fit: int
    """Rows on which the maps were fitted."""
    rows_test: int
    """Rows on which everything was scored."""
    dropped: int
    """Rows left out for their norm (> 10 × the median), over all splits."""
    ladder: Ladder
    """Direct fit of the source's rows by every map."""
    dictionary: DictionaryScores | None
    """The source's dictionary under every map; None where the study has none at this site."""
    dial: DialCurve | None
    """EV along the dial; None without a dictionary."""
    rotation: RotationFacts
    """What R looks like."""
    firing: Firing | None
    """Median firing correlation over features; None without a dictionary."""


@dataclass(frozen=True)
class FunctionResult:
    """Whether two models compute the same function on the test tokens."""

    loss_source: float
    """Cross-entropy of the source, nats per token."""
    loss_target: float
    """Cross-entropy of the target."""
    kl: float
    """KL(source‖target), nats per token."""
    top1_agreement: float
    """Share of positions where both rank the same token first."""


@dataclass(frozen=True)
class PairResult:
    """A measured pair: source A gives the dictionary and the vectors, target B is read."""

    source: str
    """Name of the source model."""
    target: str
    """Name of the target model."""
    source_sha256: str
    """Hash of the source's files."""
    target_sha256: str
    """Hash of the target's files."""
    d_model: int
    """Width of both residual streams."""
    function: FunctionResult
    """Losses, KL and agreement."""
    sites: tuple[SiteResult, ...]
    """One entry for each site, input first."""
    seconds: float
    """How long the measurement took."""
