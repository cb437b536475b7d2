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
    cosine_family,
    dials,
    equally_good,
    exact_twin,
    match_of_coordinates,
    matched,
    of_native,
    shares_coordinates,
    shown_response,
    turned,
)
from explorer.number_text import number, percent
from explorer.steering import Regime, TransferVerdict

MOST_WORDS = 20


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


def _twin(story: Story) -> str:
    twin = _there(story.twin)
    if not exact_twin(twin):
        return f"The twin should answer exactly like {twin.source}; it differs by KL {twin.pair.function.kl:.2g}."
    return f"The {twin.target} answers exactly like {twin.source}. Inside, everything is turned."


def _same(story: Story) -> str:
    f, b = story.sister.pair.function, story.sister.target
    made = f"shares {story.sister.source}'s input and output weights" if story.shared else "was trained apart"
    if not equally_good(f):
        return f"{b} {made}, and is not equally good: loss {number(f.loss_target)}, not {number(f.loss_source)}."
    if alike(f):  # where several tokens are equally likely, the first choice is a matter of luck
        return f"{b} {made} and answers alike: KL {max(0.0, f.kl):.2g} nats per token."
    return f"{b} {made}; as good, not identical: same first choice at {percent(f.top1_agreement)} of tokens."


def _coordinates(story: Story) -> str:
    own, others = match_of_coordinates(story.sister)
    more = "more" if shares_coordinates(story.sister) else "no more"
    text = (
        f"Coordinate i of {story.sister.source} is {more} like coordinate i of {story.sister.target} than like others"
    )
    return f"{text}: |r| {number(own)} and {number(others)}."


def _cosine(story: Story) -> str:
    family = cosine_family(story)
    assert family is not None
    same, apart, turned = (matched(family, case) for case in ("same_init", "independent", "rotated"))
    text = f"Dictionaries that started alike match in {percent(same or 0)} of rows"
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
    return f"{a}'s dictionary on {b} as it is: {number(raw.value)}, where shuffled pairs give 0 and {a} itself 1."


def _dial(story: Story) -> str:
    raw, *_, rotated = turned(story.twin).true
    if abs(rotated - 1) > AT_HOME:
        return f"Turned by R, {number(rotated)} of the dictionary comes back on the twin; it should be all, 1."
    return f"Turn the twin by R, and the whole dictionary comes back: from {number(raw)} to {number(rotated)}."


def _sister(story: Story) -> str:
    raw, *_, rotated = turned(story.sister).true
    reached = f"Turn {story.sister.target} by R: from {number(raw)} to {number(rotated)}"
    if rotated >= 1 - AT_HOME:
        return f"{reached}, all that the dictionary does at home. Shuffled pairs give 0."
    if rotated <= CLEAR:
        return f"{reached}, no more than shuffled pairs (0); the dictionary at home gives 1."
    return f"{reached}, where shuffled pairs give 0 and the dictionary at home 1."


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
    text = f"Of {story.sister.source}'s own rows R, with a scale, explains{nothing}"
    if turned <= max(rotation_nulls(here).shuffled) + CLEAR:  # whatever it explains, pairing had no part in it
        return f"{text}, no more than shuffled pairs; an affine map explains {number(affine)}."
    if turned >= affine - CLEAR:
        return f"{text}, an affine map {number(affine)}: a rotation is all there is."
    return f"{text}, an affine map {number(affine)}, the token alone {number(here.token.lookup.value)}."


def _there(chapter: Chapter | None) -> Chapter:
    assert chapter is not None  # the scene is not possible without it
    return chapter


def _dictionary(chapter: Chapter) -> Scores:
    assert chapter.here.dictionary is not None
    return chapter.here.dictionary


def _started_alike(story: Story) -> bool:
    family = cosine_family(story)
    return family is not None and matched(family, "same_init") is not None


def _recorded(chapter: Chapter | None) -> bool:
    return chapter is not None and chapter.recording is not None


SCENES = (
    Scene("twin", _twin, notes.twin, lambda s: _recorded(s.twin) and dials(s.twin)),
    Scene("function", _same, notes.same, lambda s: _recorded(s.sister)),
    Scene("coordinates", _coordinates, notes.coordinates, lambda s: s.sister.correlation is not None),
    Scene("cosine", _cosine, notes.cosine, _started_alike),
    Scene("fails", _fails, notes.fails, lambda s: dials(s.sister)),
    Scene("dial", _dial, notes.dial, lambda s: dials(s.twin)),
    Scene("sister", _sister, notes.sister, lambda s: dials(s.sister)),
    Scene("random", _random, notes.random, lambda s: True),
    Scene("steering", _steer, notes.steer, lambda s: shown_response(s) is not None),
    Scene("limits", _limits, notes.limits, lambda s: True),
)
"""All scenes, in the order of the talk."""


def scenes_of(story: Story) -> list[Scene]:
    """The scenes that a study can show."""
    return [scene for scene in SCENES if scene.possible(story)]
