"""Sentences on dose–responses, computed from results: what a vector does in B, and which vectors transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from explorer.number_text import interval, minus, signed
from explorer.presentation.steering.arm_names import said
from explorer.steering import LEAST_ACCURACY, DoseResponse, Regime, TransferVerdict

if TYPE_CHECKING:
    from explorer.steering import ReadingShares

_WORDS = {
    TransferVerdict.TRANSFERS: "Carried by R, it <b>transfers</b>",
    TransferVerdict.WEAK: "Carried by R, it works <b>weakly</b>",
    TransferVerdict.NO_BETTER: "Carried by R, it does <b>no better than random</b> directions",
    TransferVerdict.INVERTED: "Carried by R, it is <b>inverted</b>",
}
_REGIMES = {
    Regime.CLEAN: "as it is, it works cleanly",
    Regime.PARTIAL: "as it is, it works in part",
    Regime.NONE: "as it is, it does nothing that random directions do not",
    Regime.INVERTED: "as it is, it does the opposite",
}


def response(found: DoseResponse, source: str, target: str, site: str) -> str:
    """What the vector does in B at this site (HTML with bold words)."""
    target = escape(target)
    used = [c for c, u in zip(found.doses, found.usable, strict=True) if u]
    if not used:
        return (
            f"At the site {site} even the smallest dose raises the loss of {target} by more than 10 %: "
            "there is no dose at which to compare."
        )
    span = minus(f"{min(used):+g} … {max(used):+g}")
    if found.transfer is None:
        why = (
            f"{target} has no vector of its own to compare with"
            if found.arm("native") is None
            else f"{target}’s own vector does no more than random directions"
        )
        return f"At doses {span} {why}: nothing can be said to transfer."
    te = found.transfer
    text = f"{_WORDS[found.verdict]}: TE {interval(te)}"
    return (
        f"{text} of what {target}’s own vector does; {_REGIMES[found.regime]}. "
        f"Areas over the doses {span}, at which no arm raises the loss by more than 10 %."
    )


def grid(responses: Sequence[DoseResponse], sites: Mapping[str, str], site: str, source: str, target: str) -> str:
    """Which vectors transfer at a site, and where the best demonstration is (HTML)."""
    source, target = escape(source), escape(target)
    if not responses:
        return f"The dose–responses of {source} → {target} are not measured."
    contrasts = [r for r in responses if r.is_contrast]
    here = [r for r in contrasts if r.site == site]
    passed = sum(r.verdict == TransferVerdict.TRANSFERS for r in here)
    judged = sum(r.transfer is not None for r in here)
    text = (
        f"At the site {sites[site]}, <b>{passed} of {len(here)}</b> contrasts transfer from {source} to {target} "
        f"through R; {target}’s own vector works for {judged}."
    )
    if (best := best_demonstration(responses)) is not None:
        assert best.transfer is not None
        text += (
            f" The clearest to show is <b>{escape(best.title)}</b> at {sites[best.site]}: TE {best.transfer.value:.2f}, "
            f"raw {best.regime.value}."
        )
    return text


def best_demonstration(responses: Sequence[DoseResponse]) -> DoseResponse | None:
    """Of the vectors that transfer, the one whose rotated area most exceeds both the raw one and the random band."""
    passed = [r for r in responses if r.verdict == TransferVerdict.TRANSFERS]
    return max(passed, key=_lead, default=None)


def _lead(found: DoseResponse) -> float:
    rotated, raw = found.arm("rotated"), found.arm("raw")
    assert rotated is not None and raw is not None
    return rotated.area.low - max(raw.area.high, found.band[1])


def shares(found: ReadingShares, target: str, site: str) -> str:
    """What one reads of a vector at a site, and how the texts were read (plain text)."""
    told = ", ".join(f"{100 * x:.0f} %" for x in found.accuracy)
    how = (
        f"Untouched, {found.untouched * found.texts:.0f} of {found.texts} count. Whether a text counts is told from its "
        f"words by naive Bayes, which reads held-out texts of this length rightly: {told} of the two classes."
    )
    dose = found.suggested
    native = found.arm("native")
    if dose is None or native is None:
        return f"{_unsuggested(found, target)} {how}"
    counted = [
        f"{said(a.arm)} {a.shares[found.doses.index(dose)] * found.texts:.0f}"
        for a in found.arms
        if dose in found.doses
    ]
    rise = signed(100 * native.loss_rise[found.doses.index(dose)], 0)
    return (
        f"Suggested: dose {dose:g} at the site {site}, where {target}’s own vector raises the loss by {rise} %. "
        f"Of {found.texts} fresh continuations there count as the class: {', '.join(counted)}. {how}"
    )


def _unsuggested(found: ReadingShares, target: str) -> str:
    if min(found.accuracy) < LEAST_ACCURACY:
        return "No dose is suggested: the two classes are not told apart in texts of this length."
    return f"No dose is suggested: below a loss rise of 60 % {target}’s own vector turns too few texts."


_TE = {"width": 74, "type_config": {"type": "number", "format": "%.2f"}}


def grid_columns(labels: Sequence[str]) -> dict[str, Any]:
    """Column formats of the table of vectors (Streamlit's column_config as plain data)."""
    return {
        "vector": {"width": 190},
        "verdict": {"width": 160, "help": "Of the rotated arm, at the site chosen above"},
        "raw arm": {"width": 90, "help": "The paper's regime of the raw arm, at the site chosen above"},
        "raw / own": {**_TE, "help": "Area of the raw arm / area of B's own vector"},
        **{
            label: {**_TE, "help": f"TE at the site {label}; a dash where B's own vector does nothing"}
            for label in labels
        },
        "name": None,
        "site": None,
    }
