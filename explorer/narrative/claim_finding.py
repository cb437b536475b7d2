"""What a study says to a claim: two sentences that remember the numbers in them, and how they stand to the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from explorer.alignment import PairResult, Reading, restored
from explorer.number_text import number


class Text:
    """A sentence that remembers the numbers it was given."""

    def __init__(self) -> None:
        self.text = ""
        self.numbers: list[float] = []

    def say(self, words: str) -> Text:
        """Add words."""
        self.text += words
        return self

    def show(self, *values: float, digits: int = 2) -> Text:
        """Add a number, or the range of several."""
        shown = [min(values), max(values)] if len(values) > 1 else [values[0]]
        texts = [number(v, digits) for v in shown]
        if len(texts) == 2 and texts[0] == texts[1]:
            shown, texts = shown[:1], texts[:1]
        self.text += " to ".join(texts)
        self.numbers += shown
        return self

    def percent(self, *shares: float) -> Text:
        """Add a share, or the range of several, as a percentage."""
        return self.show(*(100 * share for share in shares), digits=1).say(" %")


@dataclass(frozen=True)
class Finding:
    """What a study says to a claim."""

    ours: Text
    """What it measures."""
    control: Text
    """What the control says."""
    agrees: bool
    """Whether the number agrees with the paper's."""
    partly: bool
    """Whether it does in part."""
    page: str = "rotation"
    """Page of the figure."""
    link: dict[str, str] = field(default_factory=dict)
    """What its link carries beside study, pair and site."""
    see: str = "opening"
    """Which part of the page shows it."""

    @property
    def numbers(self) -> tuple[float, ...]:
        """Every number shown, in order."""
        return (*self.ours.numbers, *self.control.numbers)


def say_restored(text: Text, pairs: Sequence[PairResult], arm: str) -> Text:
    """Add how much of the source's dictionary comes back under one map, in both readings, at every site of some pairs."""
    scores = [s.dictionary for p in pairs for s in p.sites if s.dictionary is not None]
    text.say(" Restored (0: shuffled pairs, 1: at home): ")
    readings: tuple[tuple[Reading, str], ...] = (("faithful", "faithful "), ("paper", ", paper-style "))
    for reading, before in readings:
        found = [e.value for d in scores if (e := restored(d, arm, reading)) is not None]
        text = text.say(before).show(*found) if found else text.say(f"{before}n/a")
    return text.say(".")


def paper_style(pairs: Sequence[PairResult], arm: str) -> list[float]:
    """Paper-style EV of the source's dictionary under one map, at every site of some pairs that has one."""
    return [s.dictionary[arm].paper.value for p in pairs for s in p.sites if s.dictionary is not None]
