"""The report on a pair, schema 1: what `check` writes into report.json, sites.csv and report.html, from one object."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from explorer.metrics import Estimate
from explorer.results import PairResult, SiteResult, StitchScores

if TYPE_CHECKING:
    from explorer.dose_response import DoseResponse

SCHEMA = 1
CONTRAST = "contrast:"
"""How the name of a ready contrast begins."""


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


@dataclass(frozen=True)
class Models:
    """The pair."""

    source: ModelFacts
    """A."""
    target: ModelFacts
    """B."""


@dataclass(frozen=True)
class Rows:
    """Rows of residual stream that were used."""

    fit: int
    """Fitted on."""
    validation: int
    """Ridge strength chosen on."""
    test: int
    """Scored on."""
    dropped: int
    """Left out for their norm."""


@dataclass(frozen=True)
class Function:
    """Do the two compute the same?"""

    loss_source: float
    """Nats per token on the test text."""
    loss_target: float
    """Nats per token."""
    kl: float
    """KL(source‖target), nats per token."""
    top1_agreement: float
    """Share of positions with the same first choice."""


@dataclass(frozen=True)
class Ladder:
    """EV of the source's rows by each map, on test."""

    mean: float
    """The fit rows' mean."""
    identity: float
    """No map."""
    translation: float
    """The mean moved."""
    permutation: float
    """Signed permutation of dimensions."""
    orthogonal: float
    """R."""
    orthogonal_scale: float
    """R and one scale."""
    affine: float
    """Ridge."""
    token_residual: float | None
    """R after what the token alone explains was subtracted on both sides."""


@dataclass(frozen=True)
class Nulls:
    """Orthogonal EV on test without a true pairing; of several refits the largest."""

    shuffled: float
    """Gate: 19 deranged pairings."""
    untrained: float
    """Gate: 3 fresh initialisations of the target."""
    haar: float
    """19 Haar-random rotations."""
    pca_signs: float
    """19 random sign patterns on matched principal axes."""
    token_lookup: float
    """Mean of the source's fit rows of the same token."""


@dataclass(frozen=True)
class AffineNulls:
    """The same for the affine map."""

    shuffled: float
    """Gate: 19 deranged pairings."""
    untrained: float
    """Gate: 3 fresh initialisations of the target."""


@dataclass(frozen=True)
class Sae:
    """Paper-style EV of the source's dictionary under each map (`rotated_faithful`: against the source's own rows)."""

    ceiling: float
    """On the source itself."""
    raw: float
    """On the target as it is."""
    translated: float
    """Mean moved."""
    rotated: float
    """Through R."""
    rotated_faithful: float
    """Through R, against x_A."""
    shuffled: float
    """Through an R of shuffled pairs."""
    l0: float
    """Mean number of active features on the source."""


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


@dataclass(frozen=True)
class Arms:
    """CE recovered by arm, in one direction."""

    mean: float
    """Mean row."""
    translation: float
    """Mean moved."""
    orthogonal: float
    """R."""
    affine: float
    """Ridge."""
    shuffled: float
    """R of shuffled pairs."""


@dataclass(frozen=True)
class Stitch:
    """Both directions."""

    source_to_target: Arms
    """The source to the site, the target from there."""
    target_to_source: Arms
    """The reverse."""


@dataclass(frozen=True)
class FiringR:
    """Median firing Pearson r over features."""

    raw: float | None
    """The target as it is; null where no feature fired often enough."""
    rotated: float | None
    """Through R."""


@dataclass(frozen=True)
class SiteReport:
    """One site."""

    site: str
    """Its name."""
    ev: Ladder
    """Ladder of maps."""
    rho: float | None
    """EV orthogonal / EV affine."""
    nulls: Nulls
    """Controls of the orthogonal map."""
    nulls_affine: AffineNulls
    """Controls of the affine map."""
    p: float
    """(1 + #{shuffled ≥ orthogonal}) / 20."""
    sae: Sae | None
    """The dictionary, null where none was used."""
    decoder_cosine: float | None
    """Mean over the source's live features of the largest cosine with the target's decoder rows, after R; null where
    one of the two has no dictionary, as in a check without `--sae-target`."""
    rotation: Rotation
    """R."""
    stitch: Stitch
    """CE recovered."""
    firing: FiringR | None
    """Firing correlation, null where no dictionary was used."""
    intervals: Mapping[str, tuple[float, float]]
    """95 % bounds of the document bootstrap by name, e.g. ev.orthogonal, rho, stitch.target_to_source.affine."""
    verdict: str
    """One of the verdicts."""
    reasons: tuple[str, ...]
    """Why."""


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
    verdict: str
    """n/a, inverted, no better than random, weak, transfers."""
    regime: str
    """What the raw vector does, in the paper's words: n/a, inverted, none, partial, clean."""


@dataclass(frozen=True)
class Report:
    """The whole."""

    schema: int
    """Version of this format."""
    models: Models
    """Who was compared."""
    rows: Rows
    """On how much."""
    function: Function
    """Same function?"""
    sites: tuple[SiteReport, ...]
    """Site by site."""
    ev_cross_site: tuple[tuple[float, ...], ...]
    """EV at the site of the column with the R of the site of the row."""
    steering: tuple[SteeringRow, ...] | None
    """Verdicts on steering vectors; null where the text has no ready contrasts, or a model does not know the text."""
    verdict: str
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


@dataclass(frozen=True)
class Circumstances:
    """What a report says beside the numbers."""

    models: Models
    """The two models."""
    text: str
    """What was read, in words."""
    command: str
    """The command line."""
    versions: Mapping[str, str]
    """Libraries."""
    seconds: float
    """Time taken."""


def make_report(
    result: PairResult,
    responses: Sequence[DoseResponse],
    facts: Circumstances,
    decoder_cosines: Mapping[str, float] = MappingProxyType({}),
) -> Report:
    """The report on a measured and judged pair; decoder cosines by site, where both models have dictionaries."""
    assert result.verdict is not None
    f, r = result.function, result.rows
    return Report(
        schema=SCHEMA,
        models=facts.models,
        rows=Rows(r.fit, r.validation, r.test, r.dropped),
        function=Function(f.loss_source, f.loss_target, f.kl, f.top1_agreement),
        sites=tuple(_site(s, result.d_model, decoder_cosines.get(s.site)) for s in result.sites),
        ev_cross_site=result.ev_cross_site,
        steering=tuple(_steering(r) for r in responses if r.vector.startswith(CONTRAST)) or None,
        verdict=result.verdict.verdict,
        reasons=result.verdict.reasons,
        next=result.verdict.next,
        text=facts.text,
        command=facts.command,
        versions=facts.versions,
        seconds=facts.seconds,
    )


def _steering(r: DoseResponse) -> SteeringRow:
    native, rotated, raw = (r.arm(name) for name in ("native", "rotated", "raw"))
    assert native is not None
    assert rotated is not None
    assert raw is not None
    reach = max((abs(c) for c, usable in zip(r.doses, r.usable, strict=True) if usable), default=0.0)
    te = r.transfer
    return SteeringRow(
        r.vector.removeprefix(CONTRAST),
        r.site,
        reach,
        native.area.value,
        rotated.area.value,
        raw.area.value,
        *r.band,
        None if te is None else te.value,
        None if te is None else te.low,
        None if te is None else te.high,
        str(r.verdict),
        str(r.regime),
    )


def _site(s: SiteResult, d: int, decoder_cosine: float | None) -> SiteReport:
    assert s.stitch is not None
    assert s.verdict is not None
    ladder, intervals = s.ladder, {}
    rungs = ("identity", "translation", "permutation", "orthogonal", "orthogonal_scale", "affine")

    def value(name: str, estimate: Estimate | None) -> float | None:
        if estimate is None:
            return None
        intervals[name] = (estimate.low, estimate.high)
        return estimate.value

    evs = {name: value(f"ev.{name}", getattr(ladder, name)) for name in rungs}
    ev = Ladder(mean=ladder.mean, **evs, token_residual=value("ev.token_residual", s.token.residual))  # type: ignore[arg-type]
    rho = value("rho", s.rho)
    value("rho_scale", s.rho_scale)
    lookup = value("nulls.token_lookup", s.token.lookup)
    assert lookup is not None
    n = s.nulls
    nulls = Nulls(max(n.shuffled), max(n.untrained), max(n.haar), max(n.pca_signs), lookup)
    sae = firing = None
    if s.dictionary is not None and s.firing is not None:
        scores = s.dictionary
        paper = {
            arm: value(f"sae.{arm}", getattr(scores, arm).paper)
            for arm in ("ceiling", "raw", "translated", "rotated", "shuffled")
        }
        faithful = value("sae.rotated_faithful", scores.rotated.faithful)
        sae = Sae(**paper, rotated_faithful=faithful, l0=scores.ceiling.l0)  # type: ignore[arg-type]
        firing = FiringR(s.firing.raw, s.firing.rotated)

    def arms(side: str, scores: StitchScores) -> Arms:
        return Arms(**{f.name: value(f"stitch.{side}.{f.name}", getattr(scores, f.name)) for f in fields(Arms)})  # type: ignore[arg-type]

    r = s.rotation
    return SiteReport(
        site=s.site,
        ev=ev,
        rho=rho,
        nulls=nulls,
        nulls_affine=AffineNulls(max(s.nulls_affine.shuffled), max(s.nulls_affine.untrained)),
        p=ladder.p,
        sae=sae,
        decoder_cosine=decoder_cosine,
        rotation=Rotation(
            r.frobenius_from_identity,
            (2 * d) ** 0.5,
            r.determinant,
            r.identified_rank,
            r.identity_share,
            r.haar.p,
            r.haar.ks_p_paper,
        ),
        stitch=Stitch(
            arms("source_to_target", s.stitch.source_to_target), arms("target_to_source", s.stitch.target_to_source)
        ),
        firing=firing,
        intervals=intervals,
        verdict=s.verdict.verdict,
        reasons=s.verdict.reasons,
    )


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Every number of a site's report by its dotted name, in the contract's order; bounds as name.low and name.high."""
    if isinstance(value, Mapping):
        return {f"{k}.{end}": v for k, both in value.items() for end, v in zip(("low", "high"), both, strict=True)}
    if hasattr(value, "__dataclass_fields__"):
        out: dict[str, Any] = {}
        for f in fields(value):
            inner = "" if f.name == "intervals" else f"{name}.{f.name}" if name else f.name
            out |= flat(getattr(value, f.name), inner)
        return out
    return {name: " · ".join(value) if isinstance(value, tuple) else value}


def sites_csv(report: Report) -> str:
    """One line for each site, every number in full precision; an empty cell where there is none."""
    rows = [flat(site) for site in report.sites]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return out.getvalue()
