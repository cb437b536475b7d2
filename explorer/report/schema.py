"""The format of report.json, schema 1 (a contract: scripts read it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from explorer.alignment import (
    BootstrapUnit,
    CalibratedIndex,
    DecoderMcc,
    FunctionResult,
    IndexName,
    Lineage,
    ReadText,
    Rows,
    SubstitutionSummary,
    UnpairedFit,
    VerdictName,
    WeightSpace,
)
from explorer.steering import Regime, TransferVerdict

SCHEMA = 1
RESTORED = ("raw", "translated", "rotated", "affine")
"""Maps of which the report says how much of the dictionary comes back."""


@dataclass(frozen=True)
class ModelFacts:
    """One of the two models."""

    id: str
    """Folder or hub id, as it was given."""
    revision: str | None
    """Revision of a hub id."""
    sha256: str
    """Hash of its config and weights."""
    d_model: int
    """Width of the residual stream."""
    n_layers: int
    """Blocks."""
    parameters: int
    """Number of parameters."""
    weights: str = ""
    """How its weights were found, where that is not the usual way: converted from a pickle, from a pull request of the
    conversion bot, or from a cache because the hub did not answer."""
    dictionaries: str | None = None
    """Its dictionaries: train (trained here, on this text), none, or the folder or name on the hub that was given; null
    in reports of older versions."""


@dataclass(frozen=True)
class Models:
    """The pair."""

    source: ModelFacts
    """A."""
    target: ModelFacts
    """B."""


@dataclass(frozen=True)
class Rotation:
    """What kind of matrix R is."""

    frobenius_from_identity: float
    """‖R − I‖_F."""
    sqrt_2d: float
    """√(2d): where ‖R − I‖_F lies whenever tr R is near 0."""
    det: float
    """+1 or −1."""
    identified_rank: int
    """k*, of d."""
    identity_share: float
    """tr(M) / ΣS."""
    haar_p: float
    """p of the Haar test."""
    ks_p_paper: float
    """The paper's KS test, which has no power."""
    scale: float | None = None
    """s of R with one scale."""


@dataclass(frozen=True)
class SiteReport:
    """One site."""

    site: str
    """Its name."""
    ev: Mapping[str, float | None]
    """EV of the source's rows on test by map: `mean` (the fit rows' mean), the rungs of the ladder, and
    `token_residual` (R after what the token alone explains was subtracted on both sides; null where nothing is left).
    """
    rho: float | None
    """EV orthogonal / EV affine."""
    nulls: Mapping[str, float]
    """Orthogonal EV on test without a true pairing, of several refits the largest: `shuffled` and `untrained` (gates),
    `haar`, `pca_signs`; and `token_lookup`, the mean of the source's fit rows of the same token."""
    nulls_affine: Mapping[str, float]
    """The gates of the affine map: `shuffled`, `untrained`."""
    p: float
    """(1 + #{shuffled ≥ orthogonal}) / 20."""
    sae: Mapping[str, float] | None
    """Paper-style EV of the source's dictionary on the source (`ceiling`) and on the target by map;
    `rotated_faithful` is through R against x_A, `l0` the mean number of active features on the source. Null where no
    dictionary was used."""
    decoder_cosine: float | None
    """Mean over the source's live features of the largest cosine with the target's decoder rows, after R; null where
    one of the two has no dictionary, as in a check without `--sae-target`."""
    rotation: Rotation
    """R."""
    stitch: Mapping[str, Mapping[str, float]]
    """CE recovered, `source_to_target` (the source to the site, the target from there) and `target_to_source`: each by
    what passes the seam."""
    firing: Mapping[str, float | None] | None
    """Median firing Pearson r over features by map: null where no feature fired often enough; null as a whole where no
    dictionary was used."""
    intervals: Mapping[str, tuple[float, float]]
    """95 % bounds of the document bootstrap by name, e.g. ev.orthogonal, rho, stitch.target_to_source.affine."""
    verdict: VerdictName
    """One of the verdicts."""
    reasons: tuple[str, ...]
    """Why."""
    restored: Mapping[str, Mapping[str, float | None]] | None = None
    """How much of the source's dictionary comes back: (EV − EV of shuffled pairs) / (ceiling − EV of shuffled pairs),
    by reading (`faithful`, `paper`) and map; null where the ceiling is not above shuffled pairs, and as a whole where
    no dictionary was used."""
    sae_faithful: Mapping[str, float] | None = None
    """Faithful EV of the source's dictionary, against x_A, on the source (`ceiling`) and on the target by map."""
    dictionary: str | None = None
    """Which dictionary that is: kind, size, and the first digits of a hash of its weights."""
    rows_test: int | None = None
    """Rows of this site on which everything was scored."""
    rho_scale: float | None = None
    """EV of R with one scale / EV affine: the ρ of the verdict."""
    nulls_scale: Mapping[str, float] | None = None
    """The gates of R with one scale: `shuffled`, `untrained`."""
    similarity: Mapping[IndexName, CalibratedIndex] | None = None
    """The field's indices, each with that of shuffled pairs and of a turned copy: `cka` (debiased), `procrustes`
    (angular distance, radians), `cca` (mean canonical correlation), `knn` (shared nearest neighbours)."""
    pw_mcc: DecoderMcc | None = None
    """Decoders matched one to one, as they are, through R and through its controls; null without two dictionaries."""
    substitution: SubstitutionSummary | None = None
    """What it does to the target's loss when features of the source stand in for their matches in its dictionary,
    beside wrong neighbours and nothing; null without two dictionaries."""
    unpaired: UnpairedFit | None = None
    """R found without pairs, beside R with pairs and its controls; null where `--pairs none` was not given."""


@dataclass(frozen=True)
class AxisMark:
    """One number on the verdict's axis."""

    name: str
    """What it is, in words."""
    ev: float
    """EV of the source's rows by the map on which the verdict rests."""
    low: float | None
    """Lower 95 % bound; null for the largest of several refits, and for the positive control."""
    high: float | None
    """Upper 95 % bound."""


@dataclass(frozen=True)
class DecidingNumber:
    """The one number on which the pair's verdict rests."""

    site: str
    """The deciding site."""
    rung: str
    """Whose EV it is, a name in `ev`: orthogonal_scale, or affine where not even that is above its nulls."""
    title: str
    """That map in words."""
    ev: float
    """The number."""
    null: float
    """The largest gate null of the same map."""
    axis: tuple[AxisMark, ...]
    """The pair itself, then its references, as far as there are: twin, sister, untrained target, largest nulls."""


@dataclass(frozen=True)
class SteeringRow:
    """One ready contrast of the source on the target. Effects are signed areas ∫ sign(c)·(m(c) − m(0)) dc."""

    name: str
    """The contrast."""
    site: str
    """Where it was added."""
    reach: float
    """Largest |c|, in median residual norms of the target, that the areas cover; beyond it the loss rises by > 10 %."""
    native: float
    """Area of the target's own vector."""
    rotated: float
    """Of the source's vector through R."""
    raw: float
    """Of the source's vector as it is."""
    random_low: float
    """5th percentile of random directions' areas."""
    random_high: float
    """95th percentile."""
    transfer: float | None
    """TE = rotated / native; null where native is not above the random band."""
    transfer_low: float | None
    """Lower 95 % bound of TE, by bootstrap over prompts."""
    transfer_high: float | None
    """Upper 95 % bound."""
    verdict: TransferVerdict
    """What the source's vector does through R."""
    regime: Regime
    """What the raw vector does, in the paper's words."""


@dataclass(frozen=True)
class Report:
    """The whole."""

    schema: int
    """Version of this format."""
    models: Models
    """Who was compared."""
    rows: Rows
    """On how much."""
    function: FunctionResult
    """Same function?"""
    sites: tuple[SiteReport, ...]
    """Site by site."""
    ev_cross_site: tuple[tuple[float, ...], ...]
    """EV at the site of the column with the R of the site of the row."""
    steering: tuple[SteeringRow, ...] | None
    """Verdicts on steering vectors; null where the text has no ready contrasts, or a model does not know the text."""
    verdict: VerdictName
    """Of the pair."""
    reasons: tuple[str, ...]
    """Why."""
    next: str
    """What to try next."""
    text: str
    """What was read."""
    command: str
    """What made this report."""
    versions: Mapping[str, str]
    """Libraries."""
    seconds: float
    """How long the check took."""
    unit: BootstrapUnit | None = None
    """What the intervals are drawn over."""
    date: str = ""
    """When the report was written: ISO 8601, with the zone."""
    meaning: str = ""
    """What the verdict says, and what it does not, in one sentence."""
    decided_by: DecidingNumber | None = None
    """What the verdict rests on."""
    context: int | None = None
    """Tokens of a window in which the text was read; null in reports of before."""
    bos: bool | None = None
    """Whether a BOS (or an end of text) stood before each document; null in reports of before."""
    lineage: Lineage | None = None
    """How the weights of the two are related, told from the files; null in reports of older versions."""
    notes: tuple[str, ...] = ()
    """What was left out or read in another way than usual, a sentence each."""
    similarity: Mapping[IndexName, CalibratedIndex] | None = None
    """Each of the field's indices at its best site; every shuffled pairing takes its own best site, too."""
    weight_space: WeightSpace | None = None
    """The loss on straight lines between the weights of both; null where they cannot be mixed and turned (another
    family or shape, no RMSNorm), and for models of more than 20 million parameters."""
    read: ReadText | None = None
    """How much of the text was read; null where the number of tokens was given."""
    reading: str = ""
    """Why that was enough, in one sentence; empty where the number of tokens was given."""


@dataclass(frozen=True)
class Circumstances:
    """What a report says beside the numbers."""

    models: Models
    """The two models."""
    text: str
    """What was read, in words."""
    context: int
    """Tokens of a window in which it was read."""
    bos: bool
    """Whether a BOS (or an end of text) stood before each document."""
    command: str
    """The command line."""
    versions: Mapping[str, str]
    """Libraries."""
    seconds: float
    """Time taken."""
    date: str = ""
    """When the report is written: ISO 8601, with the zone."""
    lineage: Lineage | None = None
    """How the weights of the two are related, told from the files; null in reports of older versions."""
    notes: tuple[str, ...] = ()
    """What was left out or read in another way than usual, a sentence each."""
