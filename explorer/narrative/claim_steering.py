"""Claims about steering: the paper's regimes of the raw arm, beside the rotated arm that the paper did not run."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.alignment import PairResult
from explorer.narrative.claim_finding import Finding, Text
from explorer.narrative.claim_study import ClaimStudy
from explorer.steering import REGIMES, DoseResponse, Regime, TransferVerdict


def _responses(study: ClaimStudy, pairs: Sequence[PairResult]) -> list[DoseResponse]:
    """Of the ready contrasts at every site those for which the target's own vector does more than random directions."""
    every = [r for p in pairs for r in study.study.responses(p.source, p.target)]
    return [r for r in every if r.is_contrast and r.transfer is not None]


def raw_steering(study: ClaimStudy) -> Finding | None:
    """In how many cases a vector inverts raw; in how many it transfers rotated."""
    found = _responses(study, study.independent)
    return _steering(found, Regime.INVERTED) if found else None


def _steering(found: Sequence[DoseResponse], wanted: Regime) -> Finding:
    regimes = [r.regime for r in found]
    vectors = len({r.vector for r in found})
    ours = Text().say("Raw, in ").show(float(len(found)), digits=0).say(" cases (").show(float(vectors), digits=0)
    ours.say(" vectors, by site and target): ")
    for i, regime in enumerate(REGIMES):
        ours.say(", " if i else "").show(float(regimes.count(regime)), digits=0).say(f" {regime.value}")
    ours.say(". Counted where B's own vector works; areas over ten doses.")
    passed = [r for r in found if r.verdict == TransferVerdict.TRANSFERS]
    ratios = [r.transfer.value for r in passed if r.transfer is not None]
    control = Text().say("Rotated, ").show(float(len(passed)), digits=0).say(" transfer")
    if ratios:
        control.say(" at ").show(*ratios).say(" of B's own effect")
    control.say(". “None” is within the 5–95 % band of random directions or below a fifth of B's own; only a ")
    control.say("signed effect can show an inversion.")
    share = regimes.count(wanted) / len(regimes)
    return Finding(ours, control, share == 1, share > 0, "steering", see="vectors")


def toy_shared(study: ClaimStudy) -> Finding | None:
    """Cohort A of the toy: how raw vectors steer; whether shared output weights pin the last site."""
    responses = _responses(study, study.shared)
    if not responses:
        return None
    found = _steering(responses, Regime.CLEAN)
    pair = study.shared[0]
    last = pair.sites[-1].rotation.frobenius_from_identity
    root = (2 * study.study.file.d_model) ** 0.5
    found.control.say(" Shared weights pin a part of the basis: ‖R − I‖ is ").show(last).say(" at the end and ")
    found.control.show(pair.sites[len(pair.sites) // 2].rotation.frobenius_from_identity).say(" in the middle, where ")
    found.control.say("√(2d) = ").show(root).say(".")
    regimes = {r.regime for r in responses}
    agrees = {Regime.CLEAN, Regime.PARTIAL, Regime.INVERTED} <= regimes
    partly = bool(regimes & {Regime.CLEAN, Regime.PARTIAL, Regime.INVERTED})
    return Finding(
        found.ours, found.control, agrees, partly, "steering", {"a": pair.source, "b": pair.target}, "vectors"
    )
