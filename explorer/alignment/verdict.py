"""The verdict on a site and on a pair: every threshold and every rule stand here, and nowhere else.

First rule that holds wins. L and U are the ends of the 95 % interval of the document bootstrap; maps are not refitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from explorer.alignment.results import PositiveControl, SiteResult, Verdict, VerdictName
from explorer.metrics import Estimate

SATURATED = 0.5
"""EV of an affine map's gate null above which a site cannot be judged: half of the positive control's, which is 1."""
NULL_MARGIN = 0.02
"""What an affine map must gain over its largest gate null."""
MOSTLY, NEARLY_ALL = 0.8, 0.95
"""ρ from which a pair is mostly rotation, or rotation-equivalent."""
EV_LEAST = 0.8
"""EV of the orthogonal map for both."""
CE_LEAST, CE_HALF = 0.9, 0.5
"""CE recovered from which the function survives; below which it does not."""
SHARED_TRANSLATION, SHARED_TRACE = 0.95, 0.9
"""Shared basis: translation's share of the orthogonal EV, and tr(M)/ΣS."""
STRETCHED = 0.5
"""ρ_s below which a rotation with one scale is not the point."""

FAVOURABLE: tuple[VerdictName, ...] = ("shared basis", "rotation-equivalent", "mostly rotation")
"""Verdicts for which `check` exits with 0."""
WORST_FIRST: tuple[VerdictName, ...] = (
    "not aligned",
    "inconclusive",
    "affine only",
    "geometric, not functional",
    "partly rotation",
    "mostly rotation",
    "rotation-equivalent",
    "shared basis",
)
"""A pair is called what its least favourable site is called."""


class Recovered(NamedTuple):
    """CE recovered in the direction where less of it is."""

    estimate: Estimate
    where: str


def recovered(site: SiteResult, seam: str) -> Recovered:
    """CE recovered by what passes a seam, in the worse of the two directions."""
    assert site.stitch is not None
    ways = (("source to target", site.stitch.source_to_target), ("target to source", site.stitch.target_to_source))
    return min((Recovered(scores[seam], where) for where, scores in ways), key=lambda r: r.estimate.value)


def _named(name: str, e: Estimate) -> str:
    return f"{name} {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"


def _recovery(ce: Recovered) -> str:
    return _named(f"CE recovered ({ce.where})", ce.estimate)


Reasons = tuple[str, ...]
"""Why a rule holds: the numbers and the thresholds that decided."""


def _saturated(site: SiteResult) -> Reasons | None:
    null = site.nulls_affine.gate
    if not null > SATURATED:
        return None
    return (
        f"the largest gate null of the affine map is {null:.3f}, above {SATURATED}: on this text wrong pairs or an "
        "untrained target already explain most of the source's rows",
    )


def _not_aligned(site: SiteResult) -> Reasons | None:
    null, affine = site.nulls_affine.gate, site.ladder["affine"]
    if not (site.rho is None or site.rho_scale is None or affine.low <= null + NULL_MARGIN):
        return None
    e = _named("EV affine", affine)
    return (f"{e}: its lower bound is not above the largest gate null {null:.3f} + {NULL_MARGIN}",)


def _geometric(site: SiteResult) -> Reasons | None:
    ce, rho = recovered(site, "orthogonal"), _rho(site)
    if not (rho.low >= MOSTLY and ce.estimate.high < CE_HALF):
        return None
    return (
        f"{_named('ρ', rho)}: lower bound ≥ {MOSTLY}, so the rotation fits the rows",
        f"{_recovery(ce)}: upper bound < {CE_HALF}, so the function does not survive it",
    )


def _shared_basis(site: SiteResult) -> Reasons | None:
    translation, share = site.ladder["translation"], site.rotation.identity_share
    least = SHARED_TRANSLATION * site.ladder["orthogonal"].value
    shift = recovered(site, "translation")
    if not (translation.low >= least and share >= SHARED_TRACE and shift.estimate.value >= CE_LEAST):
        return None
    return (
        f"{_named('EV translation', translation)}: lower bound ≥ {SHARED_TRANSLATION} × EV orthogonal = {least:.3f}",
        f"tr(M)/ΣS {share:.3f} ≥ {SHARED_TRACE}",
        f"{_named(f'CE recovered without turning ({shift.where})', shift.estimate)} ≥ {CE_LEAST}",
    )


def _rotation(least_rho: float, site: SiteResult) -> Reasons | None:
    """ρ, the orthogonal EV and the CE recovered must all reach their least."""
    asked = _asked(site, least_rho)
    if not all(e.low >= least for _, e, least in asked):
        return None
    return tuple(f"{text}: lower bound ≥ {least}" for text, _, least in asked)


def _affine_only(site: SiteResult) -> Reasons | None:
    scaled = site.rho_scale
    if scaled is None or not scaled.high < STRETCHED:
        return None
    stretched = f"{_named('ρ with one scale', scaled)}: upper bound < {STRETCHED}"
    return stretched, _named("EV affine", site.ladder["affine"])


def _partly(site: SiteResult) -> Reasons | None:
    e, null = site.ladder["orthogonal_scale"], site.nulls.gate
    if not e.low > null:
        return None
    text = _named("EV orthogonal with one scale", e)
    return f"{text}: lower bound > largest gate null {null:.3f}", *_missed(site)


def _inconclusive(site: SiteResult) -> Reasons | None:
    text = _named("EV orthogonal with one scale", site.ladder["orthogonal_scale"])
    return f"{text}: lower bound not above the largest gate null {site.nulls.gate:.3f}", *_missed(site)


def _rho(site: SiteResult) -> Estimate:
    assert site.rho is not None  # without it the first rule holds
    return site.rho


def _asked(site: SiteResult, least_rho: float) -> tuple[tuple[str, Estimate, float], ...]:
    """What a rotation must reach: the number in words, the number, the least lower bound."""
    rho, orthogonal, ce = _rho(site), site.ladder["orthogonal"], recovered(site, "orthogonal")
    return (
        (_named("ρ", rho), rho, least_rho),
        (_named("EV orthogonal", orthogonal), orthogonal, EV_LEAST),
        (_recovery(ce), ce.estimate, CE_LEAST),
    )


def _missed(site: SiteResult) -> Reasons:
    return tuple(f"{text}: lower bound < {least}" for text, e, least in _asked(site, MOSTLY) if not e.low >= least)


class Rule(NamedTuple):
    """One verdict: when it holds, and what to do then."""

    verdict: VerdictName
    reasons: Callable[[SiteResult], Reasons | None]
    """Why it holds at a site, the deciding reason first; None where it does not."""
    next: str
    """What to try next."""


RULES = (
    Rule("not assessable", _saturated, "give more text, with more different documents, and check again."),
    Rule(
        "not aligned",
        _not_aligned,
        "make sure that both models are trained and read this kind of text; then try more text.",
    ),
    Rule(
        "geometric, not functional",
        _geometric,
        "do not carry interventions through R here; look at other sites.",
    ),
    Rule("shared basis", _shared_basis, "use the source's dictionary and vectors on the target as they are."),
    Rule(
        "rotation-equivalent",
        partial(_rotation, NEARLY_ALL),
        "carry the dictionary over with `transfer`, and steer with the rotated vectors.",
    ),
    Rule(
        "mostly rotation",
        partial(_rotation, MOSTLY),
        "carry the dictionary over with `transfer`, and check single features on the Features page.",
    ),
    Rule("affine only", _affine_only, "use the affine map: R loses most of what a linear map can do."),
    Rule(
        "partly rotation",
        _partly,
        "test single features and vectors: some transfer, many do not; compare with the affine map.",
    ),
    Rule(
        "inconclusive",
        _inconclusive,
        "give more text: the intervals are too wide, or the nulls too close, to say more.",
    ),
)
"""The rules for a site, in the order in which they are tried; the last always holds."""

NEXT: dict[VerdictName, str] = {rule.verdict: rule.next for rule in RULES}
"""What to try next, by verdict."""


def site_verdict(site: SiteResult) -> Verdict:
    """The first rule that holds at a site. Stitching must have been run."""
    found = ((rule, rule.reasons(site)) for rule in RULES)
    return next(Verdict(rule.verdict, reasons, rule.next) for rule, reasons in found if reasons is not None)


def pair_verdict(sites: Sequence[SiteResult], control: PositiveControl) -> Verdict:
    """The least favourable site's verdict, of those that can be judged; the embedding counts if it is the only one."""
    if not control.passed:
        worst = min(control.ev)
        return Verdict(
            "not assessable",
            (f"the positive control ({control.kind}) failed: EV {worst:.4f} where 1 was planted",),
            "report this: the measurement itself does not work on this source.",
        )
    counted = [s for s in sites if s.site != "blocks.0.hook_resid_pre"] or list(sites)
    judged = [(s, s.verdict) for s in counted if s.verdict is not None]
    verdicts = [(s, v) for s, v in judged if v.verdict != "not assessable"]
    if not verdicts:
        site, first = judged[0]
        return replace(first, reasons=(f"no site can be judged; at {site.label} {first.reasons[0]}",))
    site, worst_verdict = min(verdicts, key=lambda found: WORST_FIRST.index(found[1].verdict))
    count = sum(v.verdict == worst_verdict.verdict for _, v in verdicts)
    head = f"decided at the site {site.label}: {worst_verdict.reasons[0]}"
    others = f"{count} of {len(verdicts)} sites counted are '{worst_verdict.verdict}'"
    skipped: Reasons = (
        () if len(counted) == len(sites) else ("the embedding (site input) is measured but does not count",)
    )
    if left_out := [s.label for s, v in judged if v.verdict == "not assessable"]:
        skipped += (f"not assessable, and so not counted: {', '.join(left_out)}",)
    return Verdict(worst_verdict.verdict, (head, *worst_verdict.reasons[1:], others, *skipped), worst_verdict.next)


def exit_code(verdict: VerdictName) -> int:
    """0 for a favourable verdict, 1 for any other, 2 for not assessable."""
    return 2 if verdict == "not assessable" else int(verdict not in FAVOURABLE)
