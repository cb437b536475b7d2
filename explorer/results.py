"""What a measurement of a pair says: frozen dataclasses that pages, files and the command line share."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.metrics import Estimate

VERDICTS = (
    "not assessable",
    "not aligned",
    "geometric, not functional",
    "shared basis",
    "rotation-equivalent",
    "mostly rotation",
    "affine only",
    "partly rotation",
    "inconclusive",
)
"""What a site or a pair may be called, in the order in which the rules are tried (see `explorer.verdict`)."""


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
    mean: float
    """The mean of the fit rows for every row: 0 but for the difference of the two splits' means."""

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
class Nulls:
    """Direct EV on the test rows of orthogonal maps that had no true pairing to learn from; each was fitted anew."""

    shuffled: tuple[float, ...]
    """Gate. Fitted to deranged pairings: 19 cyclic shifts of the chunks at equal position."""
    untrained: tuple[float, ...]
    """Gate. The target replaced by fresh initialisations of its config (3 seeds); empty where it was not run."""
    haar: tuple[float, ...]
    """No gate. Haar-random rotations with the true means."""
    pca_signs: tuple[float, ...]
    """No gate. Principal axes onto principal axes with random signs: matched covariances, no pairing."""


@dataclass(frozen=True)
class AffineNulls:
    """The two gates for the ridge-affine map, its strength chosen on the validation rows as for the true one."""

    shuffled: tuple[float, ...]
    """Fitted to the 19 deranged pairings."""
    untrained: tuple[float, ...]
    """Fitted to fresh initialisations of the target; empty where it was not run."""


@dataclass(frozen=True)
class TokenFacts:
    """What the token alone explains, and what a rotation explains beyond it."""

    lookup: Estimate
    """EV of predicting the mean of A's fit rows of the same token id (A's mean for tokens seen < 5 times)."""
    residual: Estimate | None
    """EV of an R fitted and scored after E[x | token] of the fit rows was subtracted on both sides; tokens seen ≥ 5
    times only. None where nothing but rounding is left (the embedding), or too few rows to fit."""
    share: float
    """Share of the test rows whose token was seen ≥ 5 times in the fit rows."""


@dataclass(frozen=True)
class FitCurve:
    """How many rows a map needs: EV on all test rows after a fit on the first `rows` rows (in random order)."""

    rows: tuple[int, ...]
    """2d, 4d, 8d, … and all."""
    orthogonal: tuple[float, ...]
    """EV of R."""
    affine: tuple[float, ...]
    """EV of the ridge-affine map (strength chosen on the validation rows)."""


@dataclass(frozen=True)
class HaarTest:
    """Does R deviate from a Haar-random orthogonal matrix? Against Haar draws on O(d)."""

    statistic: float
    """T = Σ_{k=1..10} (tr R^k − 1[k even])² / k; about χ²₁₀ under Haar."""
    statistic_p: float
    """Two-sided p of T."""
    kurtosis: float
    """Kurtosis of √d·R_ij; near 3 under Haar."""
    kurtosis_p: float
    """Two-sided p of the kurtosis."""
    largest: float
    """max |R_ij|."""
    largest_p: float
    """p of so large an entry."""
    p: float
    """The three together: how often the smallest of a Haar draw's three p is as small. Above 0.05: no deviation from
    Haar detected (never "is Haar")."""
    ks_p_paper: float
    """The paper's two-sample KS test of eigen-angles; near 1 for nearly every orthogonal matrix."""
    draws: int
    """Haar draws compared with."""


@dataclass(frozen=True)
class Spectrum:
    """Histogram of R's eigen-angles |θ| in [0, π], with what Haar draws put there."""

    edges: tuple[float, ...]
    """Bin edges, radians; one more than bins."""
    counts: tuple[int, ...]
    """Eigenvalues of R in each bin (pairs ±θ count twice)."""
    haar_mean: tuple[float, ...]
    """Mean count over Haar draws."""
    haar_low: tuple[float, ...]
    """2.5 % quantile over Haar draws."""
    haar_high: tuple[float, ...]
    """97.5 % quantile."""


@dataclass(frozen=True)
class RotationFacts:
    """What kind of matrix R is."""

    determinant: float
    """+1 or −1."""
    frobenius_from_identity: float
    """‖R − I‖_F; near √(2d) for every matrix of trace near 0."""
    special_cost: float
    """Direct EV lost by forcing the determinant to +1, as the dial must; 0 where R has it already."""
    identified_rank: int
    """k*: left singular directions uᵢ of M with |uᵢᵀ R₁ R₂ᵀ uᵢ| ≥ 0.9, R₁ and R₂ fitted on halves of the fit documents;
    R is arbitrary on the other d − k*."""
    identity_share: float
    """tr(M) / ΣS in [−1, 1]: how much of the alignment that R achieves is there without turning; 1 is R = I."""
    haar: HaarTest
    """Whether R deviates from a Haar-random matrix."""
    spectrum: Spectrum
    """Its eigen-angles."""


@dataclass(frozen=True)
class StitchScores:
    """CE recovered = (CE_base − CE_stitched) / (CE_base − CE_receiver) by the map at the seam; 1 is as good as the
    receiver itself, 0 as bad as the base.
    """

    mean: Estimate
    """The receiver's mean row everywhere: nothing passes the seam."""
    translation: Estimate
    """Only the mean moved."""
    orthogonal: Estimate
    """R, or Rᵀ on the way to the target."""
    affine: Estimate
    """Ridge-affine, fitted in this direction."""
    shuffled: Estimate
    """An R fitted to shuffled pairs."""
    loss: float
    """CE of the receiver by itself, nats per token."""
    base: float
    """CE_base: the smaller of mean-ablated and unigram."""
    unigram: float
    """CE of the unigram model of the fit text."""


@dataclass(frozen=True)
class Stitch:
    """One model up to the site, the other from there; rows left out of the fit keep the receiver's own activations."""

    source_to_target: StitchScores
    """The source to the site, the target from there."""
    target_to_source: StitchScores
    """The target to the site, the source from there."""
    tokens: int
    """Test tokens predicted."""


@dataclass(frozen=True)
class Verdict:
    """What a site, or the pair, is called, and why."""

    verdict: str
    """One of `VERDICTS`."""
    reasons: tuple[str, ...]
    """One line each: the numbers and the thresholds that decided, the deciding one first."""
    next: str
    """What to try next."""


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
    rho: Estimate | None
    """ρ = EV_orthogonal / EV_affine; None where the affine map explains nothing."""
    rho_scale: Estimate | None
    """ρ_s: the same with orthogonal + scale."""
    token: TokenFacts
    """What the token alone explains."""
    nulls: Nulls
    """Orthogonal maps without a true pairing."""
    nulls_affine: AffineNulls
    """Affine maps without a true pairing."""
    fit_curve: FitCurve
    """EV against the number of fit rows."""
    stitch: Stitch | None = None
    """Stitching at this site; None where it was not run (a live refit)."""
    verdict: Verdict | None = None
    """None where the controls that it needs were not run."""


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
class Rows:
    """Rows of the measurement, at the site that has fewest."""

    fit: int
    """Rows on which maps were fitted."""
    validation: int
    """Rows on which the ridge strength was chosen."""
    test: int
    """Rows on which everything was scored."""
    dropped: int
    """Rows left out for their norm (> 10 × the median), at the site that lost most."""


@dataclass(frozen=True)
class PositiveControl:
    """The source against itself, rotated by a known Q: if this fails, nothing else can be believed."""

    kind: str
    """twin (the model rotated, where its family allows an exact twin) or planted (its activations rotated)."""
    ev: tuple[float, ...]
    """EV of the orthogonal map at each site; 1 but for rounding."""
    passed: bool
    """Whether all are ≥ 0.99."""


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
    rows: Rows
    """How many rows were fitted and scored."""
    ev_cross_site: tuple[tuple[float, ...], ...]
    """EV at site ℓ′ (column) of the R of site ℓ (row) with the means of ℓ′: one R rarely serves all depths."""
    control: PositiveControl | None = None
    """The positive control; None where it was not run (a live refit)."""
    verdict: Verdict | None = None
    """The pair's verdict: its least favourable site, the embedding left out unless it is the only one."""
