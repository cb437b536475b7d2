"""The verdict on a site: every threshold and every rule stand here, and nowhere else.

First rule that holds wins. L and U are the ends of the 95 % interval of the document bootstrap; maps are not refitted.
The rotation of every rule is R with one scale s: EV, ρ, nulls and stitch are that map's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from explorer.alignment.grounds import ROTATION, UNTURNED, Grounds, Recovered, site_grounds
from explorer.alignment.map_registry import rungs
from explorer.alignment.results import SiteResult, Verdict, VerdictName
from explorer.estimates import Estimate

SATURATED = 0.5
"""EV of an affine map's gate null above which a site cannot be judged: half of the positive control's, which is 1."""
NULL_MARGIN = 0.02
"""What an affine map must gain over its largest gate null."""
MOSTLY, NEARLY_ALL = 0.8, 0.95
"""ρ from which a pair is mostly rotation, or rotation-equivalent."""
EV_LEAST = 0.8
"""EV of the rotation for both."""
CE_LEAST, CE_HALF = 0.9, 0.5
"""CE recovered from which the function survives; below which it does not."""
SHARED_SHARE, SHARED_TRACE = 0.95, 0.9
"""Shared basis: the share of the rotation's EV that is there without turning, and tr(M)/ΣS."""
DRIFTED_SHARE, DRIFTED_TRACE = 0.85, 0.7
"""Same basis, drifted: the same two."""
STRETCHED = 0.5
"""ρ below which a rotation is not the point."""
SCALE_TOLD = 0.05
"""|s − 1| above which the scale is said."""


def _named(name: str, e: Estimate) -> str:
    return f"{name} {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"


def _ev(site: Grounds, rung: str) -> str:
    return _named(f"EV of {rungs()[rung].title}", site.ladder[rung])


def _recovery(ce: Recovered) -> str:
    return _named(f"CE recovered ({ce.where})", ce.estimate)


Reasons = tuple[str, ...]
"""Why a rule holds: the numbers and the thresholds that decided."""


def _saturated(site: Grounds) -> Reasons | None:
    null = site.gate_affine
    if not null > SATURATED:
        return None
    return (
        f"the largest gate null of the affine map is {null:.3f}, above {SATURATED}: on this text wrong pairs or an "
        "untrained target already explain most of the source's rows",
    )


def _not_aligned(site: Grounds) -> Reasons | None:
    null = site.gate_affine
    if not (site.rho is None or site.ladder["affine"].low <= null + NULL_MARGIN):
        return None
    return (f"{_ev(site, 'affine')}: its lower bound is not above the largest gate null {null:.3f} + {NULL_MARGIN}",)


def _geometric(site: Grounds) -> Reasons | None:
    ce, rho = site.recovered[ROTATION], _rho(site)
    if not (rho.low >= MOSTLY and ce.estimate.high < CE_HALF):
        return None
    return (
        f"{_named('ρ', rho)}: lower bound ≥ {MOSTLY}, so the rotation fits the rows",
        f"{_recovery(ce)}: upper bound < {CE_HALF}, so the function does not survive it",
    )


def _shared_basis(site: Grounds) -> Reasons | None:
    least, share = SHARED_SHARE * site.ladder[ROTATION].value, site.identity_share
    for rung in UNTURNED:
        ce = site.recovered[rung]
        if site.ladder[rung].low >= least and share >= SHARED_TRACE and ce.estimate.value >= CE_LEAST:
            return (
                f"{_ev(site, rung)}: lower bound ≥ {SHARED_SHARE} × that of R with one scale = {least:.3f}",
                f"tr(M)/ΣS {share:.3f} ≥ {SHARED_TRACE}",
                f"{_named(f'CE recovered without turning ({ce.where})', ce.estimate)} ≥ {CE_LEAST}",
            )
    return None


def _drifted(site: Grounds) -> Reasons | None:
    least, share = DRIFTED_SHARE * site.ladder[ROTATION].value, site.identity_share
    # Noise shrinks the best scale: beside R with its scale, a translation without one would seem to lack turning.
    rung = max(UNTURNED, key=lambda rung: site.ladder[rung].low)
    if not (site.ladder[rung].low >= least and share >= DRIFTED_TRACE):
        return None
    return (
        f"{_ev(site, rung)}: lower bound ≥ {DRIFTED_SHARE} × that of R with one scale = {least:.3f}",
        f"tr(M)/ΣS {share:.3f} ≥ {DRIFTED_TRACE}",
        site.as_it_is,
    )


def _rotation(least_rho: float, site: Grounds) -> Reasons | None:
    """ρ, the rotation's EV and the CE recovered must all reach their least."""
    asked = _asked(site, least_rho)
    if not all(e.low >= least for _, e, least in asked):
        return None
    return tuple(f"{text}: lower bound ≥ {least}" for text, _, least in asked)


def _affine_only(site: Grounds) -> Reasons | None:
    rho = _rho(site)
    if not rho.high < STRETCHED:
        return None
    return f"{_named('ρ', rho)}: upper bound < {STRETCHED}", _ev(site, ROTATION), _ev(site, "affine")


def _partly(site: Grounds) -> Reasons | None:
    if not site.ladder[ROTATION].low > site.gate_rotation:
        return None
    return f"{_ev(site, ROTATION)}: lower bound > largest gate null {site.gate_rotation:.3f}", *_missed(site)


def _inconclusive(site: Grounds) -> Reasons | None:
    text = f"{_ev(site, ROTATION)}: lower bound not above the largest gate null {site.gate_rotation:.3f}"
    return text, *_missed(site)


def _rho(site: Grounds) -> Estimate:
    assert site.rho is not None  # without it the first rule holds
    return site.rho


def _asked(site: Grounds, least_rho: float) -> tuple[tuple[str, Estimate, float], ...]:
    """What a rotation must reach: the number in words, the number, the least lower bound."""
    rho, rotation, ce = _rho(site), site.ladder[ROTATION], site.recovered[ROTATION]
    return (
        (_named("ρ", rho), rho, least_rho),
        (_ev(site, ROTATION), rotation, EV_LEAST),
        (_recovery(ce), ce.estimate, CE_LEAST),
    )


def _missed(site: Grounds) -> Reasons:
    return tuple(f"{text}: lower bound < {least}" for text, e, least in _asked(site, MOSTLY) if not e.low >= least)


class Rule(NamedTuple):
    """One verdict: when it holds, what it means, and what to do then."""

    verdict: VerdictName
    reasons: Callable[[Grounds], Reasons | None]
    """Why it holds at a site, the deciding reason first; None where it does not."""
    meaning: str
    """One plain sentence: what it says of the two models, and what it does not."""
    next: str
    """What to try next."""
    scales: bool = False
    """Whether what to try next needs the target's rows multiplied by s."""


RULES = (
    Rule(
        "not assessable",
        _saturated,
        "This pair cannot be judged, which says nothing about the two models.",
        "give more text, with more different documents, and check again.",
    ),
    Rule(
        "not aligned",
        _not_aligned,
        "Not even an affine map predicts A's rows from B's better than its controls do, which does not say that "
        "the two compute different things.",
        "make sure that both models are trained and read this kind of text; then try more text.",
    ),
    Rule(
        "geometric, not functional",
        _geometric,
        "A rotation makes the rows alike, but neither model works on the other's turned rows as on its own: that rows "
        "agree does not say that the models use them alike.",
        "do not carry interventions through R here; look at other sites.",
    ),
    Rule(
        "shared basis",
        _shared_basis,
        "The two have the same axes, so that nothing need be turned, which does not say that they always answer alike.",
        "use the source's dictionary and vectors on the target as they are.",
        scales=True,
    ),
    Rule(
        "same basis, drifted",
        _drifted,
        "The two have the same axes, and one has moved away from the other, as a fine-tuned copy does; this does not "
        "say that every feature still holds.",
        "leave R out: the axes are the same, and turning gains little. Use the source's dictionary without turning it, "
        "as far as it still works, or train it on with the target's rows.",
    ),
    Rule(
        "rotation-equivalent",
        partial(_rotation, NEARLY_ALL),
        "Up to a rotation the two hold the same, which does not say that one rotation serves all sites, nor that it is "
        "a random one.",
        "carry the dictionary over with `transfer`, and steer with the rotated vectors.",
        scales=True,
    ),
    Rule(
        "mostly rotation",
        partial(_rotation, MOSTLY),
        "A rotation does most of what an affine map can do from one to the other, which does not say that every single "
        "feature comes across.",
        "carry the dictionary over with `transfer`, and check single features on the Features page.",
        scales=True,
    ),
    Rule(
        "affine only",
        _affine_only,
        "A map that may stretch takes one to the other, and a rotation does less than half of what it does, which does "
        "not say that the two have nothing in common.",
        "use the affine map: R loses most of what a linear map can do.",
    ),
    Rule(
        "partly rotation",
        _partly,
        "A rotation explains only part of what the two share, as is usual between models that were trained apart, and "
        "this does not say that one is the other rotated.",
        "test single features and vectors: some transfer, many do not; compare with the affine map.",
    ),
    Rule(
        "inconclusive",
        _inconclusive,
        "On this text a rotation cannot be told from its controls, which speaks neither for it nor against it.",
        "give more text: the intervals are too wide, or the nulls too close, to say more.",
    ),
)
"""The rules for a site, in the order in which they are tried; the last always holds."""

MEANING: dict[VerdictName, str] = {rule.verdict: rule.meaning for rule in RULES}
"""What each verdict says and does not say, in one sentence."""
NEXT: dict[VerdictName, str] = {rule.verdict: rule.next for rule in RULES}
"""What to try next, by verdict."""


def site_verdict(site: SiteResult) -> Verdict:
    """The first rule that holds at a site. Stitching must have been run."""
    return verdict_on(site_grounds(site))


def verdict_on(grounds: Grounds) -> Verdict:
    """The first rule that holds on some numbers."""
    found = ((rule, rule.reasons(grounds)) for rule in RULES)
    rule, reasons = next((rule, reasons) for rule, reasons in found if reasons is not None)
    scale = grounds.scale
    if scale is None or abs(scale - 1) <= SCALE_TOLD:
        return Verdict(rule.verdict, reasons, rule.next)
    told = f"the scale s is {scale:.3f}: f(x) = s (x − μ_B) R + μ_A"
    first = f" First multiply the target's rows, their mean removed, by s = {scale:.3f}." if rule.scales else ""
    return Verdict(rule.verdict, (*reasons, told), rule.next + first)
