"""The report on a measured pair: what `check` writes into report.json and sites.csv, from one object."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from explorer.alignment import (
    MEANING,
    READINGS,
    CalibratedIndex,
    DecoderMcc,
    GateNulls,
    PairResult,
    PairSimilarity,
    PairSubstitution,
    Scores,
    SiteResult,
    SiteSimilarity,
    StitchScores,
    SubstitutionSummary,
    UnpairedFit,
    deciding_site,
    decisive,
    restored,
)
from explorer.estimates import Estimate
from explorer.report.schema import (
    RESTORED,
    SCHEMA,
    AxisMark,
    Circumstances,
    DecidingNumber,
    Report,
    Rotation,
    SiteReport,
    SteeringRow,
)

if TYPE_CHECKING:
    from explorer.steering import DoseResponse
    from explorer.study import Mark

CONTRAST = "contrast:"
"""How the name of a ready contrast begins."""
SCORES = {
    "ceiling": ("ceiling", "paper"),
    "raw": ("raw", "paper"),
    "translated": ("translated", "paper"),
    "rotated": ("rotated", "paper"),
    "rotated_faithful": ("rotated", "faithful"),
    "shuffled": ("shuffled", "paper"),
    "affine": ("affine", "paper"),
}
"""The dictionary's scores that the format has: arm and reading."""
FIRED = ("raw", "rotated")
"""Arms of the firing correlation that it has."""


def make_report(
    result: PairResult,
    responses: Sequence[DoseResponse],
    facts: Circumstances,
    decoder_cosines: Mapping[str, float] = MappingProxyType({}),
    axis: Sequence[Mark] = (),
    similarity: PairSimilarity | None = None,
    substitution: PairSubstitution | None = None,
) -> Report:
    """The report on a measured and judged pair; decoder cosines by site, where both models have dictionaries, the marks
    of the verdict's axis, the field's similarity indices, and what becomes of the target when features stand in.
    """
    assert result.verdict is not None
    alike = {} if similarity is None else {s.site: s for s in similarity.sites}
    stood_in = {} if substitution is None else {s.site: s.summary for s in substitution.sites}
    return Report(
        schema=SCHEMA,
        models=facts.models,
        rows=result.rows,
        function=result.function,
        sites=tuple(
            replace(
                _site(s, result.d_model, decoder_cosines.get(s.site), alike.get(s.site)),
                substitution=stood_in.get(s.site),
            )
            for s in result.sites
        ),
        ev_cross_site=result.ev_cross_site,
        steering=tuple(_steering(r) for r in responses if r.vector.startswith(CONTRAST)) or None,
        verdict=result.verdict.verdict,
        reasons=result.verdict.reasons,
        next=result.verdict.next,
        text=facts.text,
        context=facts.context,
        bos=facts.bos,
        lineage=facts.lineage,
        read=result.read,
        reading="" if result.read is None else result.read.sentence,
        notes=facts.notes,
        command=facts.command,
        versions=facts.versions,
        seconds=facts.seconds,
        unit=result.unit,
        date=facts.date,
        meaning=MEANING[result.verdict.verdict],
        decided_by=_decided_by(result, axis),
        similarity=None if similarity is None else similarity.best,
    )


def _decided_by(result: PairResult, axis: Sequence[Mark]) -> DecidingNumber:
    site = deciding_site(result.sites)
    number = decisive(site)
    ends = [(m.estimate.low, m.estimate.high) if m.estimate is not None else (None, None) for m in axis]
    marks = tuple(AxisMark(m.name, m.value, *both) for m, both in zip(axis, ends, strict=True))
    return DecidingNumber(site.site, number.rung, number.title, number.estimate.value, number.nulls.gate, marks)


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
        r.verdict,
        r.regime,
    )


def _site(s: SiteResult, d: int, decoder_cosine: float | None, alike: SiteSimilarity | None) -> SiteReport:
    assert s.stitch is not None
    assert s.verdict is not None
    estimates = {name: e for name, e in _estimates(s).items() if e is not None}

    def under(part: str) -> dict[str, float]:
        return {n.removeprefix(f"{part}."): e.value for n, e in estimates.items() if n.startswith(f"{part}.")}

    r = s.rotation
    return SiteReport(
        site=s.site,
        ev={"mean": s.ladder.mean, "token_residual": None, **under("ev")},
        rho=None if s.rho is None else s.rho.value,
        nulls=_largest(s.nulls) | under("nulls"),
        nulls_affine=_largest(s.nulls_affine),
        p=s.ladder.p,
        sae=None if s.dictionary is None else {**under("sae"), "l0": s.dictionary["ceiling"].l0},
        restored=None if s.dictionary is None else _restored(s.dictionary),
        sae_faithful=None if s.dictionary is None else under("sae_faithful"),
        dictionary=s.dictionary_name,
        rows_test=s.rows_test,
        decoder_cosine=decoder_cosine,
        rotation=Rotation(
            r.frobenius_from_identity,
            (2 * d) ** 0.5,
            r.determinant,
            r.identified_rank,
            r.identity_share,
            r.haar.p,
            r.haar.ks_p_paper,
            r.scale,
        ),
        stitch={way: under(f"stitch.{way}") for way in _ways(s)},
        firing=None if s.firing is None else {arm: s.firing[arm] for arm in FIRED},
        intervals={name: (e.low, e.high) for name, e in estimates.items() if e.low == e.low},
        verdict=s.verdict.verdict,
        reasons=s.verdict.reasons,
        rho_scale=None if s.rho_scale is None else s.rho_scale.value,
        nulls_scale=None if s.nulls_scale is None else _largest(s.nulls_scale),
        similarity=None if alike is None else alike.indices,
        pw_mcc=None if alike is None else alike.decoders,
        unpaired=None if alike is None else alike.unpaired,
    )


def _restored(scores: Scores) -> dict[str, dict[str, float | None]]:
    found = {reading: {arm: restored(scores, arm, reading) for arm in RESTORED} for reading in READINGS}
    return {r: {arm: None if e is None else e.value for arm, e in by_arm.items()} for r, by_arm in found.items()}


def _largest(nulls: GateNulls) -> dict[str, float]:
    """The largest of each kind of null."""
    return {name: max(values) for name, values in asdict(nulls).items()}


def _ways(s: SiteResult) -> dict[str, StitchScores]:
    assert s.stitch is not None
    return {"source_to_target": s.stitch.source_to_target, "target_to_source": s.stitch.target_to_source}


def _estimates(s: SiteResult) -> dict[str, Estimate | None]:
    """Every number of a site that has an interval, by its dotted name in the report."""
    found: dict[str, Estimate | None] = {f"ev.{rung}": e for rung, e in s.ladder.rungs.items()}
    found |= {"ev.token_residual": s.token.residual, "rho": s.rho, "rho_scale": s.rho_scale}
    found["nulls.token_lookup"] = s.token.lookup
    if s.dictionary is not None:
        found |= {f"sae.{name}": getattr(s.dictionary[arm], reading) for name, (arm, reading) in SCORES.items()}
        found |= {f"sae_faithful.{arm}": s.dictionary[arm].faithful for arm in ("ceiling", *RESTORED, "shuffled")}
        found |= {f"restored.{r}.{arm}": restored(s.dictionary, arm, r) for r in READINGS for arm in RESTORED}
    return found | {f"stitch.{way}.{seam}": e for way, scores in _ways(s).items() for seam, e in scores.seams.items()}


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Every number of a site's report by its dotted name, in the contract's order; bounds as name.low and name.high."""
    if isinstance(value, SiteReport | Rotation | CalibratedIndex | DecoderMcc | UnpairedFit | SubstitutionSummary):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if not isinstance(value, Mapping):
        return {name: " · ".join(value) if isinstance(value, tuple) else value}
    out: dict[str, Any] = {}
    for key, inner in value.items():
        if key == "intervals":
            out |= {f"{k}.{end}": v for k, both in inner.items() for end, v in zip(("low", "high"), both, strict=True)}
        else:
            out |= flat(inner, f"{name}.{key}" if name else key)
    return out


def sites_csv(report: Report) -> str:
    """One line for each site, every number in full precision; an empty cell where there is none."""
    rows = [flat(site) for site in report.sites]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return out.getvalue()
