"""How each claim is measured, when our number agrees with the paper's, and which control explains it.

Thresholds stand here, those of steering in `claim_steering`; a finding's sentences are built from the numbers it lists.
"""

from __future__ import annotations

from explorer.alignment import HAAR_LEVEL, ROTATION, deviates, rotation_nulls
from explorer.narrative.claim_finding import Finding, Text, paper_style, say_restored
from explorer.narrative.claim_study import ClaimStudy
from explorer.narrative.random_words import CONDITIONS, deviating, uniform
from explorer.narrative.rotation_words import NEAR_ROOT
from explorer.narrative.story_facts import ALIKE_KL, CLEAR
from explorer.study import RotationDraws, rotation_draws

OF_CEILING = 0.025
"""The paper's rotated EV lies this close to its ceiling."""
MATCH_AGREES, MATCH_PARTLY = 0.9, 0.5
"""Shares of matched decoder rows."""
RHO_AGREES, RHO_PARTLY = 0.95, 0.5
"""Of ρ = EV of R / EV of affine."""
FIRING_RISE = 0.15
"""Rise of the median firing correlation that the paper's smallest numbers show."""
CHECKPOINT_RISE = 0.5
EVERY, WHICH, RANDOM, SURVIVES = "Every map", "Which map?", "Is R random?", "Does the function survive?"
"""Questions of the Rotation page that show what a claim is about."""
BELOW = "answer"
"""The part of that page which answers the question."""
PAPER = {"ask": EVERY, "reading": "paper-style", "scale": "EV"}
"""The answer on the paper's own scale."""
SAME_FIRST = 0.9
"""Share of equal first choices from which two models are the same function in part."""


def decoder_cosine(study: ClaimStudy) -> Finding | None:
    """The share of matched rows of dictionaries with the same start; beside it those that started apart."""
    story = study.study.decoder_story()
    families = [f for s in (story.sites if story else ()) for f in s.families if f.family == "relu"]
    same = [f.same_init.all for f in families if f.same_init is not None]
    apart = [f.independent.all for f in families if f.independent is not None]
    turned = [f.rotated.all for f in families if f.rotated is not None]
    shares = [s.share for s in same if s.share is not None]
    means = [s.mean for s in same if s.mean is not None]
    if not shares:
        return None
    ours = Text().percent(*shares).say(" of rows, mean ").show(*means).say(", for dictionaries with the same start.")
    control = Text()
    if found := [s.share for s in apart if s.share is not None]:
        control.say("Started apart: ").percent(*found).say(" raw")
        if after := [s.share for s in turned if s.share is not None]:
            control.say(", ").percent(*after).say(" after R")
        control.say(". The number counts how little rows moved from their common start.")
    worst = min(shares)
    told = next(s.label for s in story.sites if any(f.same_init for f in s.families)) if story else ""
    return Finding(
        ours, control, worst >= MATCH_AGREES, worst >= MATCH_PARTLY, "features", {"site": told}, "figure-match_bars"
    )


def raw_fails(study: ClaimStudy) -> Finding | None:
    """EV of the source's dictionary on its targets as they are; how much of the failure is the mean."""
    raw, ceiling = paper_style(study.independent, "raw"), paper_style(study.independent, "ceiling")
    if not raw:
        return None
    moved = paper_style(study.independent, "translated")
    ours = Text().show(*raw).say("; on its own model ").show(*ceiling).say(".")
    say_restored(ours, study.independent, "raw")
    control = Text().say("With only the mean moved: ").show(*moved).say(". ")
    control.say("Zero is what predicting the mean gives; part of a negative value is the mean.")
    fails = all(r < c - CLEAR for r, c in zip(raw, ceiling, strict=True))
    return Finding(ours, control, fails and min(raw) < 0, fails, link={"map": "raw", **PAPER}, see=BELOW)


def rotation_repairs(study: ClaimStudy) -> Finding | None:
    """EV after R and its distance from the ceiling; what shuffled pairs and the harder reading leave of it."""
    rotated, ceiling = paper_style(study.independent, "rotated"), paper_style(study.independent, "ceiling")
    if not rotated:
        return None
    shuffled, raw = paper_style(study.independent, "shuffled"), paper_style(study.independent, "raw")
    faithful = [s.dictionary["rotated"].faithful.value for p in study.independent for s in p.sites if s.dictionary]
    below = [c - r for c, r in zip(ceiling, rotated, strict=True)]
    ours = Text().show(*rotated).say(", which is ").show(*below).say(" below the ceiling.")
    say_restored(ours, study.independent, "rotated")
    control = Text().say("An R of shuffled pairs reaches ").show(*shuffled).say(" without any true pairing. Asked for ")
    control.say("what the source itself had at the same token, the rotated dictionary explains ").show(*faithful).say(
        "."
    )
    better = all(r > max(s, w) + CLEAR for r, s, w in zip(rotated, shuffled, raw, strict=True))
    return Finding(ours, control, max(below) <= OF_CEILING, better, link={"map": "rotated", **PAPER}, see=BELOW)


def only_a_rotation(study: ClaimStudy) -> Finding | None:
    """ρ: how much of what an affine map explains of the rows a rotation explains; the token lookup beside it."""
    turned = study.over(study.independent, lambda s: s.ladder[ROTATION].value)
    affine = study.over(study.independent, lambda s: s.ladder["affine"].value)
    if not turned:
        return None
    rho = [t / a for t, a in zip(turned, affine, strict=True) if a > 0]
    ours = (
        Text()
        .say("R with one scale explains ")
        .show(*turned)
        .say(" of the source's rows, an affine map ")
        .show(*affine)
    )
    ours.say("; ρ = ").show(*rho).say(".")
    shuffled = study.over(study.independent, lambda s: max(rotation_nulls(s).shuffled))
    control = Text().say("With R of shuffled pairs: at most ").show(max(shuffled)).say(".")
    if tokens := study.over(study.independent, lambda s: None if s.token is None else s.token.lookup.value):
        control.say(" The token alone, without any context: ").show(*tokens).say(".")
    if study.twin is not None:
        exact = study.over([study.twin], lambda s: s.ladder[ROTATION].value)
        control.say(" On the twin, where it is a rotation: ").show(*exact).say(".")
    return Finding(
        ours, control, min(rho) >= RHO_AGREES, min(rho) >= RHO_PARTLY, link={"map": "affine", "ask": WHICH}, see=BELOW
    )


def far_from_identity(study: ClaimStudy) -> Finding | None:
    """‖R − I‖ against √(2d); the value of a matrix that is random by construction."""
    found = study.over(study.independent, lambda s: s.rotation.frobenius_from_identity)
    if not found:
        return None
    root = (2 * study.study.file.d_model) ** 0.5
    ours = Text().show(*found).say(", where √(2d) = ").show(root).say(".")
    control = Text().say("Every matrix of trace near 0 has that value, a permutation too.")
    if study.twin is not None:
        known = study.over([study.twin], lambda s: s.rotation.frobenius_from_identity)
        control.say(" The twin's known random Q: ").show(*known).say(".")
    far = [abs(f / root - 1) for f in found]
    return Finding(ours, control, max(far) <= NEAR_ROOT, min(far) <= NEAR_ROOT, link={"ask": RANDOM}, see=BELOW)


def looks_random(study: ClaimStudy) -> Finding | None:
    """The paper's KS test; a test with power beside it, and in how many directions R is determined at all."""
    found = [s.rotation for p in study.independent for s in p.sites]
    if not found:
        return None
    if (draws := rotation_draws(study.study)) is not None:
        return _random_by_cohort(draws)
    ks, away = [r.haar.ks_p_paper for r in found], [deviates(r) for r in found]
    ours = Text().say("p = ").show(*ks).say(" by the same test; by one with power, R deviates from random at ")
    ours.show(float(sum(away)), digits=0).say(" of ").show(float(len(away)), digits=0).say(" sites.")
    control = Text().say(
        "The paper's test finds nothing in nearly every orthogonal matrix. The one with power gives p = "
    )
    control.show(*[r.haar.p for r in found], digits=4).say("; the text fixes R in ")
    control.show(*[float(r.identified_rank) for r in found], digits=0)
    control.say(f" of {study.study.file.d_model} directions.")
    return Finding(
        ours, control, min(ks) > HAAR_LEVEL and not any(away), max(ks) > HAAR_LEVEL, link={"ask": RANDOM}, see=BELOW
    )


def _random_by_cohort(draws: RotationDraws) -> Finding:
    """Every counted pair of the study: the paper's test, and by what theory says of R the one with power."""
    theorem, optimiser = draws.tests("theorem"), draws.tests("optimiser")
    both = [*theorem, *optimiser]
    ks, digits = [test.ks_p_paper for test in both], len(str(max(test.draws for test in both)))
    away = deviating(optimiser)
    ours = Text().say("p = ").show(*ks, digits=3).say(" by the same test. By one with power:")
    control = Text()
    if theorem:
        ours.say(" p = ").show(*[test.p for test in theorem], digits=digits)
        if draws.uniformity is not None:
            ours.say(f", {'' if uniform(draws) else 'not '}uniform (p = ").show(draws.uniformity.p).say(")")
        ours.say(", where a theorem says that R is Haar;")
        control.say(f"{CONDITIONS} There no deviation may be found. ")
    if optimiser:
        ours.say(" between AdamW seeds R deviates from random at ").show(float(away), digits=0).say(" of ")
        ours.show(float(len(optimiser)), digits=0).say(" sites, p = ").show(*[t.p for t in optimiser], digits=digits)
        ours.say(";")
    ours.text = ours.text.removesuffix(";") + "."
    if away and min(ks) > HAAR_LEVEL:
        control.say("AdamW singles out coordinates, and the paper's test cannot see it: ")
        control.say("it finds nothing in nearly every orthogonal matrix. ")
    control.say("The text fixes R in ")
    control.show(*[float(r.identified_rank) for p in draws.of("theorem", "optimiser") for r in p.found], digits=0)
    control.say(f" of {draws.d_model} directions.")
    agrees = min(ks) > HAAR_LEVEL and (draws.uniformity is None or uniform(draws)) and not away
    return Finding(ours, control, agrees, max(ks) > HAAR_LEVEL, link={"ask": RANDOM}, see=BELOW)


def same_features_fire(study: ClaimStudy) -> Finding | None:
    """Median firing correlation raw and rotated; shuffled pairs, and an affine map. A rise that shuffled pairs give too
    does not count.
    """
    firings = [s.firing for p in study.independent for s in p.sites if s.firing is not None]

    def medians(arm: str) -> list[float]:
        return [value for f in firings if (value := f[arm]) is not None]

    raw, rotated = medians("raw"), medians("rotated")
    if not raw or not rotated:
        return None
    ours = Text().show(*raw).say(" raw, ").show(*rotated).say(" rotated (medians over features).")
    control = (
        Text().say("Shuffled pairs: ").show(*medians("shuffled")).say("; an affine map: ").show(*medians("affine"))
    )
    control.say(".")
    rises = [r - max(f["raw"] or 0.0, f["shuffled"] or 0.0) for f in firings if (r := f["rotated"]) is not None]
    return Finding(
        ours,
        control,
        min(rises) >= FIRING_RISE,
        max(rises) >= FIRING_RISE,
        link={"map": "rotated", "ask": WHICH},
        see=BELOW,
    )


def checkpoints(study: ClaimStudy) -> Finding | None:
    """The source's dictionary on its own earlier checkpoint, raw and rotated; whether the basis turned at all."""
    if study.early is None:
        return None
    pair = [study.early]
    raw, rotated, own = paper_style(pair, "raw"), paper_style(pair, "rotated"), paper_style(pair, "ceiling")
    if not raw:
        return None
    distance = study.over(pair, lambda s: s.rotation.frobenius_from_identity)
    ours = Text().say("Own ").show(*own).say(", raw ").show(*raw).say(", after R ").show(*rotated).say(", ‖R − I‖ ")
    ours.show(*distance).say(".")
    say_restored(ours, pair, "rotated")
    root = (2 * study.study.file.d_model) ** 0.5
    control = Text().say("Two seeds are √(2d) = ").show(root).say(" apart. Direct fit of the rows: as they are ")
    control.show(*study.over(pair, lambda s: s.ladder["identity"].value)).say(", R with one scale ")
    control.show(*study.over(pair, lambda s: s.ladder[ROTATION].value)).say(", affine ")
    control.show(*study.over(pair, lambda s: s.ladder["affine"].value)).say(".")
    rises = [b - a for a, b in zip(raw, rotated, strict=True)]
    agrees = min(raw) < 0 and min(rises) >= CHECKPOINT_RISE
    return Finding(
        ours,
        control,
        agrees,
        max(rises) >= CLEAR,
        link={"a": study.early.source, "b": study.early.target, **PAPER},
        see=BELOW,
    )


def toy_independent(study: ClaimStudy) -> Finding | None:
    """Cohort B of the toy: raw, rotated, ceiling; shuffled pairs and the direct fit."""
    pairs = study.independent
    raw, rotated, ceiling = (paper_style(pairs, arm) for arm in ("raw", "rotated", "ceiling"))
    if not raw:
        return None
    below = [c - r for c, r in zip(ceiling, rotated, strict=True)]
    ours = (
        Text().say("Raw ").show(*raw).say(", after R ").show(*rotated).say(", ").show(*below).say(" below the ceiling.")
    )
    say_restored(ours, pairs, "rotated")
    control = (
        Text().say("Shuffled pairs: ").show(*paper_style(pairs, "shuffled")).say(". Direct fit: R with one scale ")
    )
    control.show(*study.over(pairs, lambda s: s.ladder[ROTATION].value)).say(", affine ")
    control.show(*study.over(pairs, lambda s: s.ladder["affine"].value)).say(".")
    agrees = max(raw) < 0 and max(below) <= OF_CEILING
    return Finding(ours, control, agrees, max(raw) < min(rotated), link={"b": pairs[0].target, **PAPER}, see=BELOW)


def same_function(study: ClaimStudy) -> Finding | None:
    """Losses, KL and agreement on the first choice; what no model can be below."""
    if not study.independent:
        return None
    f, (source, *_) = [p.function for p in study.independent], [p.source for p in study.independent]
    ours = Text().say("Losses ").show(*[x.loss_source for x in f], *[x.loss_target for x in f], digits=3)
    ours.say(" nats per token; KL ").show(*[max(0.0, x.kl) for x in f]).say("; same first choice at ")
    ours.percent(*[x.top1_agreement for x in f]).say(" of tokens.")
    control = Text()
    entropy = study.study.file.text.entropy
    if entropy:
        names = [source, *(p.target for p in study.independent)]
        losses = [study.study.model_entry(name).loss for name in names]
        control.say("Over whole documents the losses are ").show(*losses, digits=3).say(
            " and the text's own entropy is "
        )
        control.show(entropy, digits=3).say(": no model can be below it, and what is above it need not be shared.")
    agrees = max(x.kl for x in f) < ALIKE_KL
    return Finding(
        ours, control, agrees, min(x.top1_agreement for x in f) > SAME_FIRST, link={"ask": SURVIVES}, see=BELOW
    )
