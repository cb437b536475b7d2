"""What a story's numbers amount to: the thresholds by which its sentences choose their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.alignment import DialLines, FunctionResult, dial_lines
from explorer.narrative.story import Chapter, Story
from explorer.steering import Arm, DoseResponse
from explorer.study import Answer, Detector

if TYPE_CHECKING:
    from explorer.alignment import FamilyMatch

EXACT_KL = 1e-4
"""Below it two models answer exactly alike (float32 rounding)."""
ALIKE_KL, ALIKE_LOSS = 0.1, 0.05
"""Below both (nats per token; share of the smaller loss) two models answer alike."""
AT_HOME = 0.02
"""What comes back of a dictionary to within this is all of it."""
CLEAR = 0.05
"""EV, restored or correlation by which one thing must lead another to be said to beat it."""
OWN_MATCH = 1.5
"""Coordinates are shared where |r| with the same coordinate is this many times that with the others."""
LIGHTS = 0.25
"""Share of a detector's strongest activation from which a word counts as lit."""
REAL = 1e-4
"""Radians within which an eigenvalue counts as real: R is stored in float32."""
PAPER_FAMILY = "relu"
"""The kind of dictionary that the paper trains."""


def exact_twin(twin: Chapter) -> bool:
    """Whether the twin answers as its original does."""
    return twin.pair.function.kl < EXACT_KL


def dials(chapter: Chapter | None) -> bool:
    """Whether a dictionary was read along the dial, and there is something of it to restore."""
    if chapter is None or chapter.here.dial is None or chapter.here.dictionary is None:
        return False
    return dial_lines(chapter.here.dial, chapter.here.dictionary).scale == "restored"


def turned(chapter: Chapter | None) -> DialLines:
    """How much of the dictionary comes back along the dial: what the needle shows, and the scenes say."""
    assert chapter is not None and chapter.here.dial is not None and chapter.here.dictionary is not None
    return dial_lines(chapter.here.dial, chapter.here.dictionary)


def equally_good(f: FunctionResult) -> bool:
    """Whether two models have the same loss but for 5 %."""
    return abs(f.loss_source - f.loss_target) < ALIKE_LOSS * min(f.loss_source, f.loss_target)


def alike(f: FunctionResult) -> bool:
    """Whether two models answer alike."""
    return equally_good(f) and f.kl < ALIKE_KL


def match_of_coordinates(chapter: Chapter) -> tuple[float, float]:
    """Mean |r| of a coordinate with the same coordinate of the other model, and with its other coordinates."""
    assert chapter.correlation is not None
    size = np.abs(chapter.correlation.astype(float)) / 100
    d = len(size)
    own = float(np.trace(size)) / d
    return own, float((size.sum() - np.trace(size)) / (d * d - d))


def shares_coordinates(chapter: Chapter) -> bool:
    """Whether coordinate i of one model goes with coordinate i of the other."""
    own, others = match_of_coordinates(chapter)
    return own > OWN_MATCH * others


def shown_response(story: Story) -> DoseResponse | None:
    """The dose–response of the vector that the recorded generation shows; None without either."""
    run = story.sister.recording and story.sister.recording.run
    shown = run and (f"contrast:{run.contrast}", run.site)
    return next((r for r in story.responses if (r.vector, r.site) == shown), None)


def of_native(found: DoseResponse, arm: Arm) -> float:
    """The signed area of an arm as a share of that of the target's own vector."""
    one, native = found.arm(arm), found.arm("native")
    assert one is not None and native is not None
    return one.area.value / native.area.value


def cosine_family(story: Story) -> FamilyMatch | None:
    """The dictionaries of the paper's kind at the site nearest to the story's; None where the study has none."""
    if story.decoders is None:
        return None
    index = {s.name: s.index for s in story.study.sites}
    nearest = min(story.decoders.sites, key=lambda s: abs(index[s.site] - story.site_index), default=None)
    return None if nearest is None else next((f for f in nearest.families if f.family == PAPER_FAMILY), None)


def matched(family: FamilyMatch, case: str) -> float | None:
    """Share of the rows of one bar above 0.5, features that fire; None where the study has no such pair."""
    match = getattr(family, case)
    return None if match is None else match.alive.share


def expected_alike(answer: Answer) -> int:
    """How many of the words that the source expects next are among those that the target does."""
    return len({w.text for w in answer.source} & {w.text for w in answer.target})


def piece(chapter: Chapter) -> str:
    """What the recorded text is made of: words, or tokens where it has no spaces."""
    assert chapter.material is not None and chapter.material.answer is not None
    return "word" if " " in chapter.material.answer.prompt else "token"


def last_word(chapter: Chapter) -> str:
    """The word whose numbers are shown: the last of the prompt; a bracket where it has no words."""
    assert chapter.material is not None and chapter.material.answer is not None
    prompt = chapter.material.answer.prompt
    return prompt.split()[-1] if piece(chapter) == "word" else prompt[-1]


def plane_angles(rotation: NDArray[np.floating[Any]]) -> list[float]:
    """By what angle an orthogonal matrix turns each of its planes, radians between 0 and π, the largest first.

    They are the arguments of its eigenvalues e^{±iθ}. A real pair +1, −1 is a reflection: no plane, and left out; two of
    the same sign are a plane that is turned by 0 or by π.
    """
    found = np.angle(np.linalg.eigvals(rotation.astype(float)))
    real = int(np.sum(np.abs(np.abs(found) - np.pi) < REAL)), int(np.sum(np.abs(found) < REAL))
    turned = sorted((float(a) for a in found if REAL <= a <= np.pi - REAL), reverse=True)
    return [np.pi] * (real[0] // 2) + turned + [0.0] * (real[1] // 2)


def by_chance(d: int) -> float:
    """The |r| that two unrelated rows of d numbers exceed once in twenty times."""
    return 2 / float(np.sqrt(d))


@dataclass(frozen=True)
class LitWords:
    """At how many words of a sentence a detector lights up."""

    members: int
    """Words of its group at which it does."""
    of: int
    """Words of its group."""
    others: int
    """Other words at which it does."""


def lit(found: Detector, activation: Sequence[float]) -> LitWords:
    """Where a detector lights up: at words with at least `LIGHTS` of its strongest activation in the source."""
    on = [a >= LIGHTS for a in activation]
    inside = sum(here and member for here, member in zip(on, found.member, strict=True))
    return LitWords(inside, sum(found.member), sum(on) - inside)
