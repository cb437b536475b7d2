"""What the scene of steering shows of a pair: vectors to choose from, and how many texts each turned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from explorer.narrative.story import Story
from explorer.steering import Arm, ClassCount, ReadingShares
from explorer.study import RecordedRun

COUNTED: tuple[Arm, ...] = ("rotated", "raw", "random", "none")
"""Arms whose texts are counted, in the order of the stage."""
ARROW = " → "
_NAME = re.compile(r"(?<=[a-z,] )[A-Z]\w+")


@dataclass(frozen=True)
class Offer:
    """A vector that a speaker can choose, where and how strongly it is shown at first."""

    contrast: str
    """Name of the contrast."""
    title: str
    """What turns into what."""
    site: str
    """Name of the site."""
    dose: float
    """c, in median norms of the steered model."""
    prompt: str
    """What the texts continue."""
    shares: ReadingShares | None
    """How many texts turn at each dose there; None where that was not counted."""

    @property
    def becomes(self) -> str:
        """What texts turn into."""
        return self.title.split(ARROW)[-1]

    def counts(self, dose: float) -> Mapping[str, ClassCount]:
        """By arm: how many fresh texts count as the class at a dose; empty where that was not counted."""
        found = {} if self.shares is None else self.shares.counts(dose)
        return found if set(COUNTED) <= set(found) else {}


def count_sentence(source: str, target: str, becomes: str, counts: Mapping[str, ClassCount], live: bool) -> str:
    """What the scene says of how many texts turn: of those that are written `live` so far, or of the recorded ones."""
    carried = f"{source}'s vector for “{becomes}”, carried into {target}"
    if not counts:
        return f"{carried}."
    of, raw, random = counts["rotated"], counts["raw"], counts["random"]
    turned = f"turns {of.counted} of {of.texts} fresh" if live else f"turned {of.counted} of {of.texts} recorded"
    return f"{carried}, {turned} texts; not carried, {raw.counted}; random, {random.counted}."


def recorded_run(story: Story) -> RecordedRun | None:
    """The recorded generation of the sister."""
    return None if story.sister.recording is None else story.sister.recording.run


def offers(story: Story) -> tuple[Offer, ...]:
    """The recorded vector first, then the others with a suggested dose, the one that R carries furthest first."""
    run = recorded_run(story)
    if run is None:
        return ()
    there = next((r for r in story.shares if r.vector == f"contrast:{run.contrast}" and r.site == run.site), None)
    first = Offer(run.contrast, run.title, run.site, run.dose, run.prompt, there)
    found = [first]
    for r in sorted(story.shares, key=lambda r: -r.lead):
        name = r.vector.removeprefix("contrast:")
        if name != run.contrast and r.suggested is not None:
            found.append(Offer(name, r.title, r.site, r.suggested, r.prompt, r))
    return tuple(found)


def name_in(prompt: str) -> str | None:
    """The person that a prompt speaks of: its last word with a capital that does not begin a sentence."""
    found: list[str] = _NAME.findall(prompt)
    return found[-1] if found else None


def renamed(prompt: str, name: str) -> str:
    """The prompt about somebody else; as it is where it names nobody, or the name is no other.

    It ends its sentence: a model that does not know a name takes it for the beginning of a longer word.
    """
    old, new = name_in(prompt), " ".join(name.split())
    if old is None or new in ("", old):
        return prompt
    return prompt.replace(old, new) + ("." if prompt.endswith(old) else "")


def to_a_sentence(text: str) -> str:
    """A text up to the end of its last whole sentence; as it is where none ends."""
    ends = [m.end() for m in re.finditer(r"[.!?]+[\"”']?(?=\s|$)", text)]
    return text[: ends[-1]] if ends else text
