"""What it does to the target when features of the source stand in for its own, in words."""

from __future__ import annotations

from explorer.alignment import MATTERS, FeatureSubstitution, SiteSubstitution, SubstitutionSummary
from explorer.number_text import number, percent

LEVEL, LEAST_P = 0.05, 0.001


def nats(value: float | None) -> str:
    """A harm."""
    return f"+{number(None if value is None else max(0.0, value), 3)}"


def substitution_told(found: SubstitutionSummary) -> str:
    """How many matches stand in better than their best wrong neighbour, with the harm of each and of nothing."""
    if found.share is None or found.p is None:
        return (
            f"one feature at a time: this tells nothing here, for removing one costs B {MATTERS} nats or more with only "
            f"{found.n} of {found.tried} matches"
        )
    p = f"p < {LEAST_P}" if found.p < LEAST_P else f"p = {number(found.p, 3)}"
    no = "" if found.p <= LEVEL else ", no more than chance would"
    return (
        f"one feature at a time: where a feature of A stands in for its match in B, B's loss rises by "
        f"{nats(found.match)} nats, with its best wrong neighbour by {nats(found.wrong)}, with nothing by "
        f"{nats(found.ablation)}; {percent(found.share)} of {found.n} matches do less harm than that neighbour ({p}{no})"
    )


def substitution_definition(found: SiteSubstitution) -> str:
    """How the harm is defined, for small print."""
    losses = ", ".join(number(v, 3) for v in (found.match_loss, found.wrong_loss, found.ablation_loss))
    summary = found.summary
    return (
        "At a token where B's feature j or A's feature i fires: h ← h − aⱼ dⱼ + aᵢ dᵢ Rᵀ, aᵢ read on A's own row of "
        "the token. Rise: Σ KL(before‖after) of the next token / tokens at which j fires, that of the loss in the mean "
        f"over the words that B expects; medians. On the words that came, means of all tried: {losses}. Match: each is "
        f"the other's nearest, nearer than 99 % are through a shuffled R; {found.matched:,} features have one. Tried: the "
        f"{summary.tried} whose removal costs B most; told: the {summary.n} where it costs {MATTERS} nats or more. The "
        "neighbour is the best of four."
    )


def stands_in(found: FeatureSubstitution) -> str:
    """What one feature does in the place of its match."""
    return (
        f"stands in for its match: {nats(found.match.value)} nats (±\u00a0{number(found.match.error, 3)}); its best wrong "
        f"neighbour, {found.wrong_feature}: {nats(found.wrong.value)}; nothing: {nats(found.ablation.value)}"
    )
