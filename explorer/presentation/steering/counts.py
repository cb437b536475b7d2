"""Sentences on how many texts read as the class, on what is suggested, and on what the marks of a lane mean."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from explorer.number_text import signed
from explorer.presentation.steering.arm_names import ARM_NAMES
from explorer.steering import NEW_TOKENS, TEMPERATURE

if TYPE_CHECKING:
    from explorer.steering import ClassCount, DoseResponse, Suggestion


def class_name(title: str) -> str:
    """The class to which a contrast leads: what stands after the arrow of its title."""
    return title.rpartition(" → ")[2] or title


def counted(counts: Mapping[str, ClassCount], title: str, source: str, target: str) -> str:
    """How many texts read as the class in every lane of B (HTML): R's first, then the controls."""
    first = counts["rotated"]
    others = [arm for arm in ("raw", "random", "none") if arm in counts]
    told = ", ".join(f"{ARM_NAMES[arm]} <b>{_said(counts[arm], first.texts)}</b>" for arm in others)
    return (
        f"<b>{first.counted} of {first.texts}</b> fresh texts of {escape(target)} read as "
        f"<b>{escape(class_name(title))}</b> with {escape(source)}’s v carried by R" + (f"; {told}." if told else ".")
    )


def _said(count: ClassCount, usual: int) -> str:
    return str(count.counted) if count.texts == usual else f"{count.counted} of {count.texts}"


def intervals(counts: Mapping[str, ClassCount], where: str) -> str:
    """Where the counts are from, and how sure they are (plain text). where: stored or live, and which seeds."""
    told = ", ".join(
        f"{ARM_NAMES[arm]} {100 * low:.0f} to {100 * high:.0f} %"
        for arm, (low, high) in ((arm, counts[arm].interval) for arm in ("rotated", "raw", "none") if arm in counts)
    )
    return f"{where}. Wilson’s 95 % interval: {told}."


def how_counted(prompt: str, accuracy: tuple[float, float]) -> str:
    """On what the counts rest (plain text)."""
    told = " and ".join(f"{100 * x:.0f} %" for x in accuracy)
    return (
        f"Counted texts have {NEW_TOKENS} tokens, at temperature {TEMPERATURE:g}, after “{prompt}”. Which class a text "
        f"reads as is told from its words by naive Bayes, right for {told} of the two classes’ held-out texts."
    )


def effect_told(response: DoseResponse, dose: float, source: str, target: str) -> str:
    """What the vector does at a measured dose where no text can be counted (HTML): the effect of R, and the controls."""
    i = response.doses.index(dose)
    said = {arm: curve.effect[i] for arm in ("rotated", "native", "raw") if (curve := response.arm(arm)) is not None}
    low, high = min(r[i] for r in response.random), max(r[i] for r in response.random)
    rotated = response.arm("rotated")
    rise = signed(100 * rotated.loss_rise[i], 0) if rotated is not None else "n/a"
    told = ", ".join(f"{ARM_NAMES[arm]} <b>{signed(x)}</b>" for arm, x in said.items() if arm != "rotated")
    return (
        f"Carried by R, {escape(source)}’s v moves what {escape(target)} expects by <b>{signed(said['rotated'])}</b> nats at "
        f"dose {signed(dose)} (loss {rise} %); {told}, {len(response.random)} random directions {signed(low)} to "
        f"{signed(high)}."
    )


def suggestion(found: Suggestion, site: str) -> str:
    """What is suggested for a vector and on what it rests (plain text)."""
    why = {
        "read": "the least that turns two thirds of texts with B’s own vector",
        "response": "the largest measured dose that raises no lane’s loss by over 10 %",
        "others": "not measured for this vector: for half of those measured here no larger one keeps the loss below +10 %",
        "unmeasured": "nothing of this pair is measured: the dose at which features are compared",
    }[found.ground]
    return f"Suggested: {signed(found.dose)} at {site}, {why}."


def legend(title: str, signs: int, watched: bool) -> str:
    """What the marks in the lanes mean (HTML)."""
    name = escape(class_name(title))
    marks = (
        f"<u>underlined</u>: a sign of <b>{name}</b>"
        if signs
        else "nothing underlined: no word is a sign of this class"
    )
    bar = "; bars: how far each token moved (KL)" if watched else ""
    return f"<span class='marks'>{marks}; <span class='same'>pale</span>: word for word as untouched{bar}</span>"
