"""The talk's sentences: true whatever the numbers are, at most 20 words, and equal to what the study holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohorts import cohort_study

from explorer.alignment.dictionary_results import DictionaryScore
from explorer.alignment.map_results import GateNulls
from explorer.alignment.orthogonal import haar
from explorer.estimates import Estimate
from explorer.narrative import random_words, scenes
from explorer.narrative.scenes import MOST_WORDS, SCENES, Scene, scenes_of
from explorer.narrative.story import Chapter, Story, open_story
from explorer.narrative.story_facts import match_of_coordinates, plane_angles
from explorer.number_text import number
from explorer.palette import DARK
from explorer.presentation.story import stage as figures_stage
from explorer.study.cohort_draws import Law, PairDraw, RotationDraws, Uniformity
from explorer.study.library import open_study, shipped_studies
from explorer.study.study import Study
from explorer.ui.story.stage import FIGURES


@pytest.fixture(scope="module")
def study() -> Study:
    return open_study("tales")


@pytest.fixture(scope="module")
def story(study: Study) -> Story:
    return open_story(study, "seed0", "seed1", 2)


def scene(name: str) -> Scene:
    return next(s for s in SCENES if s.name == name)


def dialled(chapter: Chapter, raw: float, rotated: float, shuffled: float = -0.3, home: float = 0.9) -> Chapter:
    """The chapter with other numbers of its dictionary: what comes back as it is, and through R."""
    here, span = chapter.here, home - shuffled
    assert here.dial is not None and here.dictionary is not None
    evs = {"ceiling": home, "shuffled": shuffled, "raw": shuffled + raw * span, "rotated": shuffled + rotated * span}

    def score(ev: float) -> DictionaryScore:
        return DictionaryScore(Estimate(ev, ev, ev), Estimate(ev, ev, ev), 3.0)

    line = (evs["raw"], evs["rotated"])
    dial = replace(here.dial, ceiling=home, faithful=line, shuffled_faithful=(evs["raw"], shuffled))
    scores = {**here.dictionary, **{arm: score(ev) for arm, ev in evs.items()}}
    return replace(chapter, here=replace(here, dial=dial, dictionary=scores))


def with_ladder(story: Story, rotation: float, affine: float, shuffled: float) -> Story:
    """The story with other direct fits of the sister: R with one scale, an affine map, and R of shuffled pairs."""
    ladder = story.sister.here.ladder
    fits = {"orthogonal_scale": rotation, "affine": affine}
    rungs = {**ladder.rungs, **{name: replace(ladder[name], value=value) for name, value in fits.items()}}
    nulls = GateNulls((shuffled,), ())
    here = replace(story.sister.here, ladder=replace(ladder, rungs=rungs), nulls_scale=nulls)
    return replace(story, sister=replace(story.sister, here=here))


def with_function(story: Story, **numbers: float) -> Story:
    """The story with another comparison of the sister's answers."""
    pair = replace(story.sister.pair, function=replace(story.sister.pair.function, **numbers))
    return replace(story, sister=replace(story.sister, pair=pair))


@pytest.mark.parametrize("name", shipped_studies())
def test_every_scene_of_every_pair_and_site_is_short_and_drawn_large(name: str) -> None:
    study = open_study(name)
    kinds = {m.name: m.kind for m in study.file.models}
    for pair in study.file.pairs:
        for site in range(len(study.sites)):
            story = open_story(study, pair.source, pair.target, site)
            assert kinds[story.sister.target] == "seed", "the sister is a seed"
            for s in scenes_of(story):
                text = s.sentence(story)
                assert len(text.split()) <= MOST_WORDS, text
                assert "nan" not in (text + s.notes(story)).lower() and "None" not in s.notes(story)
                if s.name in FIGURES and (pair, site) == (study.file.pairs[0], len(study.sites) // 2):
                    spec = json.loads(FIGURES[s.name](story, DARK).to_json())
                    assert min(sizes(spec["layout"])) >= figures_stage.SMALLEST, s.name
            for shown in (scenes.revealed, scenes.read_through):
                if shown is scenes.revealed or story.sister.detector is not None:
                    assert len(shown(story).split()) <= MOST_WORDS, shown(story)


def test_seeds_that_share_weights_are_not_said_to_be_trained_apart() -> None:
    study = open_study("dyck3")
    for source, target, shared in (("A0", "A1", True), ("B0", "B1", False), ("A0", "B0", False)):
        story = open_story(study, source, target, 1)
        said = " ".join(s.sentence(story) + s.notes(story) for s in scenes_of(story) if s.name in ("answer", "sister"))
        assert story.shared == shared
        assert ("trained apart" in said or "nothing shared" in said) != shared
        assert (f"shares {source}'s input and output weights" in said) == shared


def sizes(node: Any) -> list[float]:
    """Every font size in a layout, its template left out."""
    if isinstance(node, list):
        return [size for item in node for size in sizes(item)]
    if not isinstance(node, dict):
        return []
    own = [v["size"] for k, v in node.items() if k.endswith("font") and isinstance(v, dict) and "size" in v]
    return own + [size for k, v in node.items() if k != "template" for size in sizes(v)]


def test_the_talk_goes_from_the_answers_to_what_is_not_a_rotation(story: Story) -> None:
    names = [s.name for s in scenes_of(story)]
    assert names[:5] == ["answer", "inside", "toy", "names", "fails"] and names[-1] == "limits"
    assert names.index("dial") + 1 == names.index("sister") < names.index("steering")
    bare = replace(story.sister, material=None, motion=None, inside=None)
    older = replace(story, sister=bare, twin=None, early=None, responses=(), decoders=None)
    assert [s.name for s in scenes_of(older)] == ["fails", "sister", "hands", "random", "limits"]
    assert not set(scenes.MOVED) & set(names) and set(scenes.MOVED.values()) <= set(names)


def test_before_a_word_is_taught_no_sentence_uses_it(story: Story) -> None:
    for s in scenes_of(story):
        said = f" {s.sentence(story)} ".lower().replace(".", " ").replace(",", " ")
        for term in (" row ", " rows ", " affine ", " nats ", " kl ", f" {story.site} "):
            assert term not in said, (s.name, said)
    order = [s.name for s in scenes_of(story)]
    told = {s.name: s.sentence(story) for s in scenes_of(story)} | {"names": scenes.read_through(story)}
    assert next(name for name in order if "dictionary" in told[name]) == "fails", "where it is named"
    assert "All detectors of seed0 are its dictionary" in told["fails"]
    assert next(name for name in order if " R" in told[name]) == "names" and "one rotation, R," in told["names"]


def test_dial_sentences_say_what_the_needle_shows(study: Study, story: Story) -> None:
    for chapter, name in ((story.twin, "dial"), (story.sister, "sister")):
        assert chapter is not None
        stored = json.loads((study.pair_path("seed0", chapter.target) / "result.json").read_text())["sites"][2]
        faithful = stored["dial"].get("faithful")
        reading, line = ("faithful", faithful) if faithful else ("paper", stored["dial"]["dictionary"])
        zero, home = (stored["dictionary"][arm][reading]["value"] for arm in ("shuffled", "ceiling"))
        raw, *_, rotated = [(ev - zero) / (stored["dial"]["ceiling"] - zero) for ev in line]
        assert home == pytest.approx(stored["dial"]["ceiling"], abs=0.02)
        text = scene(name).sentence(story)
        assert number(raw) in text and number(rotated) in text
        figure = FIGURES[name](story, DARK)
        assert [len(figure.frames), figure.frames[-1].data[-1].y[0]] == [21, pytest.approx(rotated)]
        assert figure.layout.updatemenus[0].buttons[0].args[1]["transition"]["duration"] > 0, "it turns smoothly"


def test_words_follow_the_numbers(story: Story) -> None:
    up = scene("sister").sentence(replace(story, sister=dialled(story.sister, -0.5, 0.99)))
    assert "from −0.50 to 0.99, all that the dictionary does at home" in up
    none = scene("sister").sentence(replace(story, sister=dialled(story.sister, -0.5, 0.02)))
    assert "from −0.50 to 0.02, no more than shuffled pairs (0)" in none
    part = scene("sister").sentence(replace(story, sister=dialled(story.sister, -0.5, 0.4)))
    assert "from −0.50 to 0.40, where shuffled pairs give 0 and the dictionary at home 1" in part
    assert story.twin is not None
    whole = scene("dial").sentence(replace(story, twin=dialled(story.twin, -0.2, 1.001)))
    assert "The twin is seed0" in whole and "the whole dictionary is back: −0.20 to 1.00" in whole
    broken = scene("dial").sentence(replace(story, twin=dialled(story.twin, -0.2, 0.5)))
    assert "0.50 of the dictionary comes back on the twin; it should be all" in broken
    assert "does not fail on seed1: 0.97" in scene("fails").sentence(
        replace(story, sister=dialled(story.sister, 0.97, 1))
    )
    hopeless = replace(story, sister=dialled(story.sister, -0.5, 0.4, home=-0.3))
    assert not {"fails", "sister"} & {s.name for s in scenes_of(hopeless)}, "there is nothing to restore"

    assert "both give the same five" in scene("answer").sentence(
        with_function(story, kl=0.03, loss_source=1.0, loss_target=1.01)
    )
    apart = with_function(story, kl=0.6, loss_source=1.0, loss_target=1.01)
    assert "not identical. Of five next words they share five" in scene("answer").sentence(apart)
    worse = scene("answer").sentence(with_function(story, kl=0.6, loss_source=1.0, loss_target=1.5))
    assert "not equally good: loss 1.00 and 1.50" in worse

    assert "a rotation is all there is" in scene("limits").sentence(with_ladder(story, 0.95, 0.97, -0.9))
    assert "no more than shuffled" in scene("limits").sentence(with_ladder(story, 0.3, 0.8, 0.28))
    assert "nothing, a map that may also stretch 0.40" in scene("limits").sentence(with_ladder(story, 0.01, 0.4, -0.9))
    assert "explains 0.60, a map that may also stretch 0.80" in scene("limits").sentence(
        with_ladder(story, 0.6, 0.8, -0.9)
    )


def test_coordinates_are_shared_within_a_run_and_not_between_seeds(story: Story) -> None:
    assert story.early is not None and story.twin is not None
    own, others = match_of_coordinates(story.early)
    assert own > 3 * others
    for chapter in (story.sister, story.twin):
        own, others = match_of_coordinates(chapter)
        assert abs(own - others) < 0.03
    assert "is no more like coordinate i of seed1 than like others" in scene("inside").notes(story)
    assert "is more like" in scene("inside").notes(replace(story, sister=story.early))


def test_the_recorded_twin_writes_what_its_original_writes(study: Study) -> None:
    twin = open_story(study, "seed0", "twin", 2).twin
    assert twin is not None and twin.recording is not None and twin.recording.run is not None
    r = twin.recording
    assert max(abs(a - b) for a, b in zip(r.log_p_source, r.log_p_target, strict=True)) < 0.01
    assert r.run is not None
    assert r.run.written["rotated"] == r.run.written["source+v"] and r.run.written["raw"] != r.run.written["rotated"]


@pytest.mark.parametrize("name", ["fails", "dial", "sister"])
def test_no_scene_tells_two_things_apart_by_colour_alone(story: Story, name: str) -> None:
    """Models and curves also differ in symbol, dash or hatch: what greyscale leaves of them."""
    channels: dict[str, dict[str, set[str]]] = {}
    for trace in FIGURES[name](story, DARK).data:
        kind = "bar" if trace.type == "bar" else trace.mode
        if trace.visible is False or kind in ("markers+text", "text"):
            continue
        if kind == "bar":
            colour, second = trace.marker.color, trace.marker.pattern.shape
        elif "markers" in kind:
            colour, second = trace.marker.color, trace.marker.symbol
        else:
            colour, second = trace.line.color, trace.line.dash or "solid"
        channels.setdefault(kind, {}).setdefault(colour, set()).add(second)
    for by_colour in channels.values():
        seconds = list(by_colour.values())
        assert all(not (a & b) for i, a in enumerate(seconds) for b in seconds[:i]), by_colour
    assert any(len(by_colour) > 1 for by_colour in channels.values())


def test_random_is_told_by_cohort_where_the_study_says_how_it_was_trained(tmp_path: Path) -> None:
    story = open_story(cohort_study(tmp_path / "study"), "seed0", "seed1", 2)
    draws, shown = story.draws, scene("random")
    assert draws is not None
    assert shown.sentence(story).endswith("by a theorem; tests agree. AdamW's deviates at 5 of 5 sites.")
    assert random_words.CONDITIONS in shown.notes(story) and "10 p-values of 2 pairs" in shown.notes(story)
    figure = FIGURES["random"](story, DARK)
    theorem, optimiser = draws.tests("theorem"), draws.tests("optimiser")
    assert [x for trace in figure.data for x in trace.x] == [t.p for t in (*theorem, *optimiser)]
    assert min(sizes(json.loads(figure.to_json())["layout"])) >= figures_stage.SMALLEST


def retested(draws: RotationDraws, law: Law, p: float) -> RotationDraws:
    """The draws with one p at every site of a law."""

    def pair(old: PairDraw) -> PairDraw:
        found = tuple(replace(r, haar=replace(r.haar, p=p)) for r in old.found)
        return replace(old, found=found) if old.law == law else old

    together = Uniformity(p, 199) if law == "theorem" else draws.uniformity
    return replace(draws, pairs=tuple(pair(old) for old in draws.pairs), uniformity=together)


def test_what_is_said_of_randomness_follows_the_tests(tmp_path: Path) -> None:
    draws = open_story(cohort_study(tmp_path / "study"), "seed0", "seed1", 2).draws
    assert draws is not None
    cases = [
        (draws, "tests agree. AdamW's deviates at 5 of 5"),
        (retested(draws, "optimiser", 0.4), "Between AdamW seeds no deviation is detected"),
        (retested(draws, "theorem", 0.001), "uniformity has p = 0.001. AdamW's deviates at 5 of 5"),
        (replace(draws, pairs=draws.of("theorem")), "tests agree."),
        (replace(draws, pairs=draws.of("optimiser")), "trained with AdamW, R deviates from random at 5 of 5"),
    ]
    for given, expected in cases:
        said = random_words.headline(given)
        assert expected in said and len(said.split()) <= MOST_WORDS
        assert "is Haar" not in said and "nan" not in random_words.told(given)
    assert "cannot see the difference" in random_words.told(draws)
    assert "cannot see the difference" not in random_words.told(retested(draws, "optimiser", 0.4))


def test_the_angles_of_planted_planes_are_found_and_a_reflection_is_no_plane() -> None:
    angles, turn = [2.5, 1.0, 0.3], haar(9, 4).numpy()
    planted = np.eye(9)
    for k, a in enumerate(angles):
        planted[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    assert plane_angles(turn @ planted @ turn.T) == pytest.approx([*angles, 0.0], abs=1e-6)
    planted[8, 8] = -1
    assert plane_angles(turn @ planted @ turn.T) == pytest.approx([*angles, 0.0], abs=1e-6)
    planted[7, 7] = -1
    assert plane_angles((turn @ planted @ turn.T).astype(np.float32)) == pytest.approx([np.pi, *angles], abs=1e-3)
