"""The scene of steering as HTML: two large panes, two small ones, and how many texts turned. What models write is escaped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape

from explorer.narrative import COUNTED, Story, offers
from explorer.number_text import percent
from explorer.palette import Palette
from explorer.steering import Arm, ClassCount
from explorer.text import mark_words

LARGE: tuple[Arm, ...] = ("none", "rotated")
"""Lanes of the target with a large pane."""
SMALL: tuple[Arm, ...] = ("raw", "random")
"""Those with a small one."""


@dataclass(frozen=True)
class Counter:
    """How many texts of each arm count as the class."""

    counts: Mapping[str, ClassCount]
    """By arm."""
    of: int
    """Texts of each arm that will be read in all."""
    told: str
    """When they were written, and from which seeds."""


def stored_counter(story: Story) -> Counter | None:
    """What was counted of the recorded vector when the study was made; None where nothing was."""
    offer = offers(story)[0]
    counts = offer.counts(offer.dose)
    return Counter(counts, counts["none"].texts, "counted when this study was made") if counts else None


def titles(target: str) -> dict[Arm, str]:
    """What each arm of the target is called on stage."""
    return {
        "none": f"{target}, untouched",
        "rotated": f"{target} + the vector, carried by R",
        "raw": f"{target} + the vector, as it is",
        "random": f"{target} + a random direction",
    }


def panes(
    target: str,
    prompt: str,
    texts: Mapping[Arm, str],
    signs: Collection[str],
    moving: bool,
    palette: Palette,
    counter: str,
    counts: Mapping[Arm, bool] | None = None,
) -> str:
    """The four lanes; `moving` ones are still being written, so that their last word is not marked yet.

    `counts` says of each finished text whether it counts as the class.
    """
    named = titles(target)

    def pane(arm: Arm) -> str:
        parts = mark_words(texts.get(arm, "").rstrip("\ufffd"), signs, moving)
        text = "".join(f"<u>{escape(p.text)}</u>" if p.is_sign else escape(p.text) for p in parts)
        return (
            f"<section data-lane='{arm}' style='--lane: {palette.arm(arm)}' aria-label='{escape(named[arm])}'>"
            f"<h2>{escape(named[arm])}{_judged(counts, arm)}</h2><div class='text'><span class='prompt'>{escape(prompt)}</span>{text}</div></section>"
        )

    large, small = ("".join(pane(arm) for arm in arms) for arms in (LARGE, SMALL))
    return (
        f"<div class='stage-event' data-scene='steering'><div class='large'>{large}</div>"
        f"<div class='small'>{small}{counter}</div></div>"
    )


def _judged(counts: Mapping[Arm, bool] | None, arm: Arm) -> str:
    """Whether the text of a lane is one of those that the counter would count."""
    if not counts or arm not in counts or arm not in LARGE:
        return ""
    return f" <span class='judged'>{'counts' if counts[arm] else 'does not count'}</span>"


def count_board(becomes: str, counter: Counter | None, palette: Palette) -> str:
    """The counter: a mark for each text, filled where it counts as the class."""
    head = f"<h2>Texts that become “{escape(becomes)}”</h2>"
    if counter is None:
        return f"<section class='count'>{head}<p class='told'>not counted at this dose</p></section>"
    words = {"none": "untouched", "rotated": "carried by R", "raw": "as it is", "random": "random"}
    rows = "".join(_counted(arm, words[arm], counter.counts[arm], counter.of, palette) for arm in COUNTED)
    return f"<section class='count' role='status'>{head}<ol>{rows}</ol><p class='told'>{escape(counter.told)}</p></section>"


def _counted(arm: Arm, words: str, count: ClassCount, of: int, palette: Palette) -> str:
    low, high = count.interval
    interval = f"95 % of such counts lie between {percent(low)} and {percent(high)} (Wilson)"
    return (
        f"<li style='--lane: {palette.arm(arm)}' title='{interval}'><span>{words}</span><span class='dots' aria-hidden='true'>"
        f"{_dots(count.counted, count.texts, of)}</span><b>{count.counted} of {count.texts}</b></li>"
    )


def _dots(counted: int, read: int, of: int) -> str:
    filled, open_, coming = counted, read - counted, of - read
    return "<i class='on'></i>" * filled + "<i></i>" * open_ + "<i class='later'></i>" * coming
