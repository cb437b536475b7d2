"""Words of the card's steering: where it stands, what its lanes are, and what each has come to."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from explorer.alignment import MAPS
from explorer.number_text import signed

if TYPE_CHECKING:
    from explorer.steering import LaneEffect, Snapshot


class Marked(NamedTuple):
    """A text whose signs are underlined."""

    html: str
    """The text, escaped, each sign underlined."""
    signs: int
    """How many signs there are."""


def status(snapshot: Snapshot | None, stale: bool) -> str:
    """One calm line on where the writing stands."""
    if snapshot is None:
        return ""
    if snapshot.state == "failed":
        return "" if stale else f"Nothing was written: {snapshot.message}."
    if snapshot.state == "waiting":
        return (
            f"Waiting for others to finish: {snapshot.ahead} before you."
            if snapshot.ahead
            else "Waiting: you are next."
        )
    if snapshot.busy:
        return "Writing …"
    if stale:
        return "Feature, dose or prompt changed: press again."
    return f"{'Stopped' if snapshot.state == 'stopped' else 'Done'} after {snapshot.seconds:.1f} s."


def invitation(feature: int, dose: float, source: str, target: str) -> str:
    """What one click will do (HTML)."""
    a, b = html.escape(source), html.escape(target)
    return (
        f"One click writes three lanes from the same prompt: {a} with feature {feature} added, {b} with the same "
        f"direction carried to it, and {b} with a random direction of the same length, the control. "
        f"Dose {signed(dose, 1)}: the length in median norms of the model that is steered."
    )


def lane_title(arm: str, feature: int, source: str, target: str) -> str:
    """What a lane is, in a few words."""
    if arm == "source+v":
        return f"{source} + feature {feature}"
    if arm == "random":
        return f"{target} + a random direction"
    how = "as it is" if arm == "raw" else MAPS[arm].short
    return f"{target} + feature {feature}, {how}"


def mark_signs(text: str, signs: Iterable[str]) -> Marked:
    """A text with every whole word underlined that is one of `signs`, whatever its case."""
    known = {s.lower() for s in signs if s.isalpha()}
    out, count = [], 0
    for part in re.split(r"(\w+)", text):
        if part.lower() in known:
            count += 1
            out.append(f"<u>{html.escape(part)}</u>")
        else:
            out.append(html.escape(part))
    return Marked("".join(out), count)


def lane_count(count: int, effect: LaneEffect | None) -> str:
    """What a lane has come to: its signs, and how much worse the model predicts the untouched text."""
    said = f"{count} of its words"
    return said if effect is None else f"{said}, loss {signed(100 * effect.loss_rise, 0)} %"


def untouched(texts: dict[str, str], signs: Iterable[str]) -> str:
    """What both models write without any vector (HTML); `texts` by the model's name."""
    known, out = list(signs), []
    for name, text in texts.items():
        found = mark_signs(text, known)
        out.append(f"<b>{html.escape(name)} untouched</b> ({found.signs}): {found.html}")
    return "<br>".join(out)
