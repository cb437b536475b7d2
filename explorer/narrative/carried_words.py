"""What probes and lenses of the source are worth on the target, and what lies between the weights, in words."""

from __future__ import annotations

from explorer.alignment import LensTransfer, ProbeTransfer, WeightSpace
from explorer.number_text import number, percent

GONE, LEFT = 0.05, 0.05
"""Shares of the barrier: up to the first of them nothing is left of it; if R took less than the second, it took nothing."""


def probe_told(found: ProbeTransfer, source: str, target: str) -> str:
    """How a probe does at home, carried by R, and through its controls."""
    share = {name: percent(score.accuracy.value) for name, score in found.scores.items()}
    return (
        f"the linear probe of {source} for {found.labels} names {share['home']} of {source}'s tokens and, through R, "
        f"{share['rotated']} of {target}'s ({target}'s own probe {share['own']}; {source}'s as it is {share['raw']}, through a "
        f"shuffled R {share['shuffled']}, through the best of 19 random ones {percent(found.random_best)}; the commonest "
        f"class {percent(found.majority)})"
    )


def lens_told(found: LensTransfer, source: str, target: str) -> str:
    """How often a lens puts the same token first as the model itself."""
    share = {name: percent(score.top1.value) for name, score in found.scores.items()}
    return (
        f"the affine lens of {source} has the model's own first choice for {share['home']} of {source}'s tokens and, "
        f"through R, {share['rotated']} of {target}'s ({target}'s own lens {share['own']}, its logit lens {share['logit']}; "
        f"{source}'s as it is {share['raw']}, through a shuffled R {share['shuffled']}){_gain(found, target)}"
    )


def _gain(found: LensTransfer, target: str) -> str:
    """Whether a carried lens is worth anything: the target's logit lens needs nothing of the source."""
    top = {name: score.top1.value for name, score in found.scores.items()}
    if top["rotated"] > top["logit"]:
        return ""
    return f"; carrying it gains nothing: {target}'s logit lens needs no other model"


def weights_told(found: WeightSpace) -> str:
    """The barrier half way between the weights, as they are, matched, turned, and what R takes of it."""
    barrier = {name: path.barrier for name, path in found.paths.items()}
    parts = "neurons and heads" if found.heads else "neurons"
    plain, rotated = barrier["plain"], barrier["rotated"]
    without = min(barrier["permuted"], barrier["shuffled"])
    if rotated <= GONE * plain:
        end = "nothing is left of it"
    elif without - rotated < LEFT * plain:
        end = "R takes nothing of it away"
    else:
        end = f"R takes {percent(1 - rotated / without)} of what is left without it, and the rest stays"
    return (
        f"half way between the weights the loss is {number(plain)} nats above the mean of the two models; with {parts} "
        f"matched {number(barrier['permuted'])}, turned by R as well {number(rotated)}, by a shuffled R "
        f"{number(barrier['shuffled'])}: {end}"
    )
