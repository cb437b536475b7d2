"""Counting fresh texts: what is counted is what those seeds write, and a stopped count stands still."""

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_live import site_maps

from explorer.alignment.twin import make_twin, twin_rotation
from explorer.errors import InputError
from explorer.jobs import JobState, Queue
from explorer.models.sites import Site
from explorer.steering import count_job
from explorer.steering.class_counts import BATCH
from explorer.steering.count_job import COUNTED, FRESH_TEXTS, CountJob, fresh_counts
from explorer.steering.decoding import Sampling
from explorer.steering.generation import generate
from explorer.steering.lanes import Steering, build_lanes
from explorer.steering.reading_shares import NEW_TOKENS, TEMPERATURE, ClassCount
from explorer.steering.vectors import unit
from explorer.text.class_reader import WORDS, Accuracy, ClassReader, words

PROMPT, DOSE, FIRST = "Once there was a gardener", 0.8, 40


class Words:
    """Stands for a classifier: a text counts that has a word of one letter; what it was shown is kept."""

    def __init__(self) -> None:
        self.seen = list[list[str]]()

    def predict_log_proba(self, texts: list[list[str]]) -> np.ndarray:
        self.seen += texts
        return np.array([[-1.0, 0.0] if any(len(w) == 1 for w in text) else [0.0, -1.0] for text in texts])


def reader(words: Words) -> ClassReader:
    return ClassReader(words, 0.5, Accuracy(1.0, 1.0))


@pytest.fixture
def steering(tokenizer: Any) -> Steering:
    """A tiny Llama, its twin, and a vector strong enough to change what it writes."""
    source = tiny.model("llama", tokenizer)
    target = make_twin(source, seed=3)
    v = unit(torch.randn(source.d_model))
    return Steering(
        source, target, Site(1, source.n_layers), v, site_maps(twin_rotation(source.d_model, 3).T), (6.0, 6.0)
    )


def test_it_counts_what_a_lane_writes_with_the_same_seed(steering: Steering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_job, "FRESH_TEXTS", 2 * BATCH)
    shown = Words()
    found = list(fresh_counts(steering, DOSE, PROMPT, reader(shown), FIRST))
    assert len(found) == 2 and all(set(counts) == set(COUNTED) for counts in found)
    # In the order in which they are read: group by group, in each arm by arm.
    read = [shown.seen[k : k + BATCH] for k in range(0, len(shown.seen), BATCH)]
    for i in range(2 * BATCH):
        lanes = build_lanes(steering, COUNTED, DOSE, FIRST + i)
        alone = generate(lanes, steering.site, PROMPT, Sampling(TEMPERATURE, FIRST + i, NEW_TOKENS))
        for k, arm in enumerate(COUNTED):
            assert read[len(COUNTED) * (i // BATCH) + k][i % BATCH] == words(alone[arm])[:WORDS], (arm, i)
    for k, arm in enumerate(COUNTED):
        for batch, counts in enumerate(found):
            texts = read[len(COUNTED) * batch + k]
            assert counts[arm] == ClassCount(sum(any(len(w) == 1 for w in text) for text in texts), BATCH)


def test_a_count_in_the_background_ends_with_every_text_read(steering: Steering) -> None:
    job = CountJob(steering, DOSE, PROMPT, reader(Words()), FIRST, patience=None, queue=Queue(1))
    done = job.wait(240)
    assert (done.state, done.first) == (JobState.DONE, FIRST)
    assert {arm: count.texts for arm, count in done.counts.items()} == dict.fromkeys(COUNTED, FRESH_TEXTS)


def test_a_stopped_count_stands_still_and_a_bad_prompt_is_told(steering: Steering) -> None:
    busy = Queue(1)
    job = CountJob(steering, DOSE, PROMPT, reader(Words()), FIRST, patience=None, queue=busy)
    job.stop()
    stopped = job.wait(120)
    assert stopped.state == JobState.STOPPED and stopped.counts == {}
    with pytest.raises(InputError):
        next(fresh_counts(steering, DOSE, "", reader(Words()), FIRST))
    bad = CountJob(steering, DOSE, "", reader(Words()), FIRST, patience=None, queue=busy).wait(120)
    assert bad.state == JobState.FAILED and bad.message and not bad.counts
