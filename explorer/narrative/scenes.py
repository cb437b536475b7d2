"""The scenes of the talk: each has one idea, one sentence of at most 20 words, and notes for the speaker.

Every sentence is computed from the study's numbers; the thresholds in `story_facts` decide which words it uses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from explorer.alignment import ROTATION, Scores, deviates, restored, rotation_nulls
from explorer.narrative import notes, random_words
from explorer.narrative.story import Chapter, Story
from explorer.narrative.story_facts import (
    AT_HOME,
    CLEAR,
    alike,
    by_chance,
    cosine_family,
    dials,
    equally_good,
    exact_twin,
    expected_alike,
    last_word,
    lit,
    matched,
    of_native,
    piece,
    plane_angles,
    shown_response,
    turned,
)
from explorer.narrative.story_steering import count_sentence, offers
from explorer.number_text import number, percent
from explorer.steering import Regime, TransferVerdict
from explorer.study import Detector

MOST_WORDS = 20
COUNTS = ("none", "one", "two", "three", "four", "five")
"""How few words are counted aloud."""


@dataclass(frozen=True)
class Scene:
    """One step of the talk."""

    name: str
    """Its word in the link and in the bar."""
    sentence: Callable[[Story], str]
    """What it says, at most 20 words."""
    notes: Callable[[Story], str]
    """What a speaker may add."""
    possible: Callable[[Story], bool]
    """Whether the study holds what it shows."""


def _answer(story: Story) -> str:
    f, a, b = story.sister.pair.function, story.sister.source, story.sister.target
    made = f"{b} shares {a}'s input and output weights" if story.shared else f"{a} and {b} were trained apart"
    if not equally_good(f):
        return f"{made}, and they are not equally good: loss {number(f.loss_source)} and {number(f.loss_target)}."
    found = _there(story.sister).material
    assert found is not None and found.answer is not None
    same, of = expected_alike(found.answer), len(found.answer.source)
    if not alike(f):
        return f"{made}; as good, not identical. Of {COUNTS[of]} next {piece(story.sister)}s they share {COUNTS[same]}."
    shared = f"both give the same {COUNTS[of]}" if same == of else f"they share {COUNTS[same]} of {COUNTS[of]}"
    return f"{made}. Asked for the next {piece(story.sister)}, {shared}."


def _inside(story: Story) -> str:
    found = story.sister.alike_inside
    assert found is not None
    d = story.sister.pair.d_model
    text = f"The {piece(story.sister)} “{last_word(story.sister)}” inside both models: {d} numbers each"
    if abs(found.here) <= by_chance(d):
        return f"{text}, nothing in common. Correlation {number(found.here)}."
    return f"{text}, correlation {number(found.here)}. Chance seldom gives more than {number(by_chance(d))}."


def _toy(story: Story) -> str:
    twin = _there(story.twin)
    return f"The twin is {twin.source} with all weights turned. Drag three groups of its words onto those of {twin.source}."


def _names(story: Story) -> str:
    found, a, b = story.sister.detector, story.sister.source, story.sister.target
    assert found is not None
    return f"One detector in {a} finds {_group(found)}. On {b}, as it is: {_counted(story, found.raw)}."


def read_through(story: Story) -> str:
    """What the scene of the detector says once the target is read through R."""
    found, b = story.sister.detector, story.sister.target
    assert found is not None
    if (found.r_rotated or 0.0) < (found.r_shuffled or 0.0) + CLEAR:
        return f"Read through one rotation, R, the detector finds {_group(found)} in {b} no better than through a wrong one."
    through = _counted(story, found.rotated)
    return f"Read {b} through one rotation, R, and the same detector finds {_group(found)}: {through}."


def _group(found: Detector) -> str:
    """The group in a sentence; a bracket in quotes."""
    return found.group if found.group[0].isalpha() else f"“{found.group}”"


def _counted(story: Story, activation: list[float]) -> str:
    """How many words of its group a detector finds, and how many others."""
    found = story.sister.detector
    assert found is not None
    there, one = lit(found, activation), piece(story.sister)
    others = f", and {there.others} other {one}{'s' if there.others > 1 else ''}" if there.others else ""
    return f"{there.members} of {there.of}{others}"


def _cosine(story: Story) -> str:
    family = cosine_family(story)
    assert family is not None
    same, apart, turned = (matched(family, case) for case in ("same_init", "independent", "rotated"))
    text = f"Dictionaries that started alike share {percent(same or 0)} of their detectors"
    if apart is None:
        return f"{text}."
    return f"{text}; started apart, {percent(apart)}" + (
        f"; after R, {percent(turned)}." if turned is not None else "."
    )


def _fails(story: Story) -> str:
    a, b = story.sister.source, story.sister.target
    raw = restored(_dictionary(story.sister), "raw")
    assert raw is not None
    if raw.value >= 1 - CLEAR:
        return f"{a}'s dictionary does not fail on {b}: {number(raw.value)} of what it does at home, as it is."
    return f"All detectors of {a} are its dictionary. On {b}: {number(raw.value)}; shuffled pairs give 0, {a} itself 1."


def _dial(story: Story) -> str:
    raw, *_, rotated = turned(story.twin).true
    if abs(rotated - 1) > AT_HOME:
        return f"Turned by R, {number(rotated)} of the dictionary comes back on the twin; it should be all, 1."
    twin = _there(story.twin)
    if not exact_twin(twin):
        return f"The twin should answer exactly like {twin.source}; it differs by KL {twin.pair.function.kl:.2g}."
    return f"The twin is {twin.source}, all weights turned. Turned by R, the whole dictionary is back: {number(raw)} to {number(rotated)}."


def _sister(story: Story) -> str:
    raw, *_, rotated = turned(story.sister).true
    reached = f"Turn {story.sister.target} by R: from {number(raw)} to {number(rotated)}"
    if rotated >= 1 - AT_HOME:
        return f"{reached}, all that the dictionary does at home. Shuffled pairs give 0."
    if rotated <= CLEAR:
        return f"{reached}, no more than shuffled pairs (0); the dictionary at home gives 1."
    return f"{reached}, where shuffled pairs give 0 and the dictionary at home 1."


def _hands(story: Story) -> str:
    planes, d = len(plane_angles(story.sister.rotation)), story.sister.pair.d_model
    return f"In {d} dimensions, R is {planes} clock hands: each turns its own plane, by its own angle."


def _random(story: Story) -> str:
    if story.draws is not None:
        return random_words.headline(story.draws)
    a, b = story.sister.source, story.sister.target
    return f"One of these turns {b} into {a}. The other is a random rotation. Which?"


def revealed(story: Story) -> str:
    """What the scene of the two matrices says once the answer is shown."""
    r = story.sister.here.rotation
    found = ", and deviates from random" if deviates(r) else ". No deviation from random detected"
    fixed = f"The text fixes {r.identified_rank} of {story.sister.pair.d_model} directions."
    return f"R is on the {'left' if story.learned_first else 'right'}{found}: p = {r.haar.p:.1g}. {fixed}"


def _steer(story: Story) -> str:
    offer = offers(story)[0]
    counts = offer.counts(offer.dose)
    if not counts:
        return _areas(story)
    return count_sentence(story.sister.source, story.sister.target, offer.becomes, counts, live=False)


def _areas(story: Story) -> str:
    """What the areas under the dose–response say, where no texts were read."""
    found, b = shown_response(story), story.sister.target
    assert found is not None
    if found.transfer is None:
        return f"“{found.title}”: {b}'s own vector does no more than random directions; nothing can transfer."
    rotated, raw = percent(of_native(found, "rotated")), percent(of_native(found, "raw"))
    if found.verdict == TransferVerdict.NO_BETTER:
        return f"“{found.title}”, rotated into {b}, does no more than random directions: {rotated}; raw, {raw}."
    if found.verdict == TransferVerdict.INVERTED:
        return f"“{found.title}”, rotated into {b}, does the opposite: {rotated}; raw, {raw}."
    numbers = f"{rotated} of its own vector's effect; raw, {raw}."
    if found.regime in (Regime.CLEAN, Regime.PARTIAL):
        return f"“{found.title}” steers {b}: rotated, {numbers}"
    return f"“{found.title}” steers {b} once it is rotated: {numbers}"


def _limits(story: Story) -> str:
    here = story.sister.here
    turned, affine = here.ladder[ROTATION].value, here.ladder["affine"].value
    nothing = " nothing" if turned < CLEAR else f" {number(turned)}"
    text = f"Of {story.sister.source}'s numbers R explains{nothing}"
    if turned <= max(rotation_nulls(here).shuffled) + CLEAR:  # whatever it explains, pairing had no part in it
        return f"{text}, no more than shuffled pairs; a map that may also stretch explains {number(affine)}."
    if turned >= affine - CLEAR:
        return f"{text}, a map that may also stretch {number(affine)}: a rotation is all there is."
    return f"{text}, a map that may also stretch {number(affine)}, the token alone {number(here.token.lookup.value)}."


def _there(chapter: Chapter | None) -> Chapter:
    assert chapter is not None  # the scene is not possible without it
    return chapter


def _dictionary(chapter: Chapter) -> Scores:
    assert chapter.here.dictionary is not None
    return chapter.here.dictionary


def _started_alike(story: Story) -> bool:
    family = cosine_family(story)
    return family is not None and matched(family, "same_init") is not None


SCENES = (
    Scene(
        "answer",
        _answer,
        notes.answer,
        lambda s: s.sister.material is not None and s.sister.material.answer is not None,
    ),
    Scene("inside", _inside, notes.inside, lambda s: s.sister.inside is not None and s.sister.alike_inside is not None),
    Scene("toy", _toy, notes.toy, lambda s: s.twin is not None and s.twin.register is not None),
    Scene("names", _names, notes.names, lambda s: s.sister.detector is not None),
    Scene("fails", _fails, notes.fails, lambda s: dials(s.sister)),
    Scene("dial", _dial, notes.dial, lambda s: dials(s.twin)),
    Scene("sister", _sister, notes.sister, lambda s: dials(s.sister)),
    Scene("cosine", _cosine, notes.cosine, _started_alike),
    Scene("hands", _hands, notes.hands, lambda s: True),
    Scene("random", _random, notes.random, lambda s: True),
    Scene("steering", _steer, notes.steer, lambda s: shown_response(s) is not None),
    Scene("limits", _limits, notes.limits, lambda s: True),
)
"""All scenes, in the order of the talk."""
MOVED = {"twin": "dial", "function": "answer", "coordinates": "inside"}
"""Scenes of older links, and where what they showed is now."""


def scenes_of(story: Story) -> list[Scene]:
    """The scenes that a study can show."""
    return [scene for scene in SCENES if scene.possible(story)]
