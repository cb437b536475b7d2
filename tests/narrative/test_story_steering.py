"""The scene of steering: its sentence, its recorded run, its vectors, the name that a room supplies."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from test_story import scene, story as story, study as study

from explorer.narrative.scenes import MOST_WORDS
from explorer.narrative.story import Story
from explorer.narrative.story_facts import of_native, shown_response
from explorer.narrative.story_steering import name_in, offers, recorded_run, renamed, to_a_sentence
from explorer.number_text import percent
from explorer.pipeline.recorded_run import READABLE, SEEN, RecordingTrial, first_shown, plainest
from explorer.steering.dose_response import Regime, TransferVerdict
from explorer.study.recordings import RecordedRun, WrittenToken
from explorer.text.telling_words import class_words, mark_words


def test_the_recorded_run_is_a_measured_contrast(story: Story) -> None:
    found = shown_response(story)
    assert found is not None and story.sister.recording is not None and story.sister.recording.run is not None
    run = story.sister.recording.run
    assert (f"contrast:{run.contrast}", run.site) == (found.vector, found.site)
    stored = json.loads((story.study.pair_path("seed0", "seed1") / "steering.json").read_text())
    areas = next(r for r in stored if (r["vector"], r["site"]) == (found.vector, found.site))["arms"]
    native, rotated = (next(a for a in areas if a["arm"] == arm)["area"]["value"] for arm in ("native", "rotated"))
    assert percent(rotated / native) in scene("steering").sentence(replace(story, shares=()))
    stored = json.loads((story.study.pair_path("seed0", "seed1") / "reading.json").read_text())
    read = next(r for r in stored if (r["vector"], r["site"]) == (found.vector, found.site))
    shares = {a["arm"]: a["shares"][read["doses"].index(run.dose)] for a in read["arms"]}
    counted = {arm: round(shares[arm] * read["texts"]) for arm in ("rotated", "raw", "random")}
    said = scene("steering").sentence(story)
    assert f"turned {counted['rotated']} of {read['texts']} recorded texts" in said
    assert said.endswith(f"not carried, {counted['raw']}; random, {counted['random']}.")
    notes, rise = scene("steering").notes(story), dict(zip(found.doses, found.arm("rotated").loss_rise, strict=True))
    assert f"dose {run.dose:g}" in notes
    around = (
        [run.dose] if run.dose in rise else [max(c for c in rise if c < run.dose), min(c for c in rise if c > run.dose)]
    )
    assert all(percent(rise[c]) in notes for c in around)


def test_the_recorded_run_shows_the_effect_in_both_models_and_reads_well(story: Story) -> None:
    recording = story.sister.recording
    assert recording is not None and recording.run is not None
    run = recording.run
    signs = class_words(story.study.corpus.contrast(run.contrast))
    texts = {lane: "".join(token.text for token in tokens) for lane, tokens in run.written.items()}
    words = {lane: sum(part.is_sign for part in mark_words(text, signs)) for lane, text in texts.items()}
    assert words["source+v"] > words["source"]
    assert words["rotated"] > max(words[lane] for lane in ("none", "raw", "random"))
    means: list[float] = []
    for name, lane in (("seed0", "source+v"), ("seed0", "source"), ("seed1", "rotated"), ("seed1", "none")):
        model = story.study.load_model(name)
        ids = model.tokenizer(run.prompt)["input_ids"]
        text = "".join(token.text for token in run.written[lane])
        both = torch.tensor([ids + model.tokenizer(text, add_special_tokens=False)["input_ids"]])
        log_p = model.network(input_ids=both).logits[0].log_softmax(-1)
        # The first half is where a text turns; once it has, its own model knows how it goes on.
        half = len(ids) + (both.shape[1] - len(ids)) // 2
        surprise = [-float(log_p[i - 1, both[0, i]]) for i in range(half, both.shape[1])]
        means.append(sum(surprise) / len(surprise))
    # What was written may be cut into other tokens.
    assert means[0] < 1.1 * READABLE * means[1] and means[2] < 1.1 * READABLE * means[3]


@pytest.mark.parametrize(
    ("verdict", "regime", "words"),
    [
        (TransferVerdict.TRANSFERS, Regime.NONE, "once it is rotated"),
        (TransferVerdict.TRANSFERS, Regime.CLEAN, ": rotated,"),
        (TransferVerdict.NO_BETTER, Regime.NONE, "no more than random"),
        (TransferVerdict.INVERTED, Regime.NONE, "the opposite"),
    ],
)
def test_the_steering_sentence_follows_the_verdict(
    story: Story, verdict: TransferVerdict, regime: Regime, words: str
) -> None:
    found = shown_response(story)
    assert found is not None
    judged = replace(found, verdict=verdict, regime=regime)
    text = scene("steering").sentence(replace(story, responses=(judged,), shares=()))
    assert words in text and percent(of_native(found, "raw")) in text and len(text.split()) <= MOST_WORDS
    unheard = replace(story, responses=(replace(judged, transfer=None),), shares=())
    assert "nothing can transfer" in scene("steering").sentence(unheard)
    assert "nan" not in scene("steering").notes(unheard)


def test_the_run_to_record_has_its_lanes_right_and_reads_well() -> None:
    def trial(right: int, surprise: float = READABLE / 2, signs: int = SEEN) -> RecordingTrial:
        return RecordingTrial(RecordedRun("", "", "", 0.5, 0.8, 0, "", {}), right, signs, surprise)

    def of(contrast: str, one: RecordingTrial) -> RecordingTrial:
        lanes = {str(i): list[WrittenToken]() for i in range(6)}
        return replace(one, run=replace(one.run, contrast=contrast, written=lanes))

    broken, partly, whole, quiet = trial(6, 2 * READABLE), trial(4, 1.0), trial(6), trial(6, READABLE / 4)
    assert plainest([broken, partly, whole]) is whole
    assert plainest([whole, quiet, partly]) is quiet, "of equals the one that reads best"
    faint, plain = trial(6, 0.1, 3), trial(6, signs=3 * SEEN)
    assert plainest([faint, whole, quiet]) is quiet and plainest([faint, partly]) is faint
    assert plainest([plain, quiet]) is quiet, "more than a room sees does not count"
    assert plainest([broken, trial(0, 3 * READABLE)]) is broken
    first, second = [of("a", partly), of("a", whole)], [of("b", quiet)]
    assert first_shown([*first, *second]) is first[1], "the contrast that R carries furthest has a run that shows it"
    assert first_shown([first[0], *second]) is second[0] and first_shown([of("a", broken), *second]) is second[0]
    assert first_shown([of("a", faint), *second]) is second[0], "too few words that a room could see"
    assert first_shown([of("a", broken), of("b", partly)]).run.contrast == "b", "none as it should: the best that reads"


def test_vectors_to_choose_from_begin_with_the_recorded_one(story: Story) -> None:
    found, run = offers(story), recorded_run(story)
    assert run is not None and (found[0].contrast, found[0].dose, found[0].site) == (run.contrast, run.dose, run.site)
    assert len({o.contrast for o in found}) == len(found) > 3
    assert all(o.dose > 0 and o.shares is not None and o.counts(o.dose) for o in found)
    assert not found[0].counts(0.77), "a dose that was not counted"
    leads = [o.shares.lead for o in found[1:] if o.shares is not None]
    assert leads == sorted(leads, reverse=True)


def test_the_room_supplies_a_name_and_the_prompt_ends_its_sentence() -> None:
    prompt = "Once there was a gardener called Clara. One evening Clara"
    assert name_in(prompt) == "Clara" and renamed(prompt, "") == renamed(prompt, "Clara") == prompt
    assert renamed(prompt, " Ada  Maria ") == "Once there was a gardener called Ada Maria. One evening Ada Maria."
    assert renamed("Once upon a time there was a cat.", "Ada") == "Once upon a time there was a cat."
    assert name_in("([{") is None


def test_a_text_on_stage_ends_at_a_sentence() -> None:
    assert to_a_sentence('He said "No." Then he w') == 'He said "No."'
    assert to_a_sentence("no end in it") == "no end in it" and to_a_sentence("") == ""
