"""What a measurement of a pair says: frozen dataclasses that pages, files and the command line share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from explorer.alignment.dictionary_results import DialCurve, DictionaryScore
from explorer.alignment.map_results import FitCurve, GateNulls, Ladder, Nulls, Stitch, TokenFacts
from explorer.alignment.rotation_results import RotationFacts
from explorer.estimates import Estimate

VerdictName = Literal[
    "not assessable",
    "not aligned",
    "geometric, not functional",
    "shared basis",
    "same basis, drifted",
    "rotation-equivalent",
    "mostly rotation",
    "affine only",
    "partly rotation",
    "inconclusive",
]
"""What a site or a pair may be called, in the order in which the rules are tried (see `explorer.alignment.verdict`)."""
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)


@dataclass(frozen=True)
class Verdict:
    """What a site, or the pair, is called, and why."""

    verdict: VerdictName
    """The rule that held."""
    reasons: tuple[str, ...]
    """One line each: the numbers and the thresholds that decided, the deciding one first."""
    next: str
    """What to try next."""


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
    dictionary: Mapping[str, DictionaryScore] | None
    """The source's dictionary by arm: on its own rows (`ceiling`), and on the target's under every map of the switch.
    None where the study has none at this site."""
    dial: DialCurve | None
    """EV along the dial; None without a dictionary."""
    rotation: RotationFacts
    """What R looks like."""
    firing: Mapping[str, float | None] | None
    """By arm the median Pearson r over features between SAE_A(x_A) and SAE_A(f(x_B)), of features with ≥ 20 firings on
    both sides; None where no feature has. None without a dictionary."""
    rho: Estimate | None
    """ρ = EV_orthogonal / EV_affine; None where the affine map explains nothing."""
    rho_scale: Estimate | None
    """ρ_s: the same with orthogonal + scale."""
    token: TokenFacts
    """What the token alone explains."""
    nulls: Nulls
    """Orthogonal maps without a true pairing."""
    nulls_affine: GateNulls
    """Affine maps without a true pairing."""
    fit_curve: FitCurve
    """EV against the number of fit rows."""
    nulls_scale: GateNulls | None = None
    """Orthogonal maps with one scale, fitted without a true pairing; None in studies measured before they were."""
    stitch: Stitch | None = None
    """Stitching at this site; None where it was not run (a live refit)."""
    verdict: Verdict | None = None
    """None where the controls that it needs were not run."""
    dictionary_name: str | None = None
    """Which dictionary was scored (`SAE.name`); None without one, and in results from before it was recorded."""


@dataclass(frozen=True)
class PositionLoss:
    """What both models predict at some positions of a window."""

    first: int
    """First position of the bin, counted from 0 at the window's beginning."""
    last: int
    """Last position of the bin."""
    tokens: int
    """Test tokens that were predicted there."""
    loss_source: float
    """Cross-entropy of the source there, nats per token."""
    loss_target: float
    """Cross-entropy of the target there."""
    kl: float
    """KL(source‖target) there, nats per token."""


@dataclass(frozen=True)
class FunctionResult:
    """Whether two models compute the same function on the test tokens, among the tokens that both have a row for."""

    loss_source: float
    """Cross-entropy of the source, nats per token."""
    loss_target: float
    """Cross-entropy of the target."""
    kl: float
    """KL(source‖target), nats per token."""
    top1_agreement: float
    """Share of positions where both rank the same token first."""
    by_position: tuple[PositionLoss, ...] = ()
    """The same in 16 bins of the position in the window: a rise at its start would show that context was cut."""


UnitKind = Literal[
    "documents",
    "blocks of 1,024 tokens",
    "groups of neighbouring documents",
    "groups of neighbouring blocks of 1,024 tokens",
]


@dataclass(frozen=True)
class BootstrapUnit:
    """What the bootstrap draws with replacement: its intervals are those of so many of these."""

    kind: UnitKind
    """Documents; blocks where documents are few; groups of neighbours where they are many."""
    count: int
    """How many the test text has."""

    def __str__(self) -> str:
        return f"{self.count:,} {self.kind} of the test text"


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
class ReadText:
    """How much of a text was read until the verdict was settled; of a check whose text is not fixed."""

    tokens: int
    """Tokens after which the verdict was settled; all where it never was before."""
    of: int
    """Tokens of the whole text."""
    portions: int
    """In how many portions they were read, with a look at the numbers after each."""
    unsettled: tuple[str, ...]
    """Labels of the sites whose verdict could have changed until the last portion."""
    whole: bool
    """Whether all of the text was read in the end."""
    gain: float
    """What R with one scale would gain in EV if it were fitted on the whole text, at the site where it is most: as the
    last doubling of the rows foretells it."""
    untrained: int
    """Fresh initialisations of which the nulls were needed."""

    @property
    def sentence(self) -> str:
        """How much was read and why that was enough."""
        if self.tokens == self.of:
            late = f", since the verdict at {', '.join(self.unsettled)} could have changed" if self.unsettled else ""
            return f"All {self.of:,} tokens of the text were read{late}."
        portions = "one portion" if self.portions == 1 else f"{self.portions} growing portions"
        rest = (
            "the rest was read too, for what needs more than the verdict (dictionaries, R without pairs)"
            if self.whole
            else f"on all of it the EV of R with one scale would be higher by about {max(0.0, self.gain):.3f} "
            f"(--tokens {self.of} reads all)"
        )
        return (
            f"The verdict was settled after {self.tokens:,} of {self.of:,} tokens, drawn at random in {portions}: what "
            "the others may add, by the document bootstrap and by fitting on more rows, changes it at no site, with a "
            f"risk of 2 % over all looks together; {rest}."
        )


@dataclass(frozen=True)
class PositiveControl:
    """The source against itself, rotated by a known Q: if this fails, nothing else can be believed."""

    kind: Literal["twin", "planted"]
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
    unit: BootstrapUnit | None = None
    """What the intervals are drawn over; None in results from before it was recorded."""
    read: ReadText | None = None
    """How much text the verdict needed; None where the text was fixed."""
