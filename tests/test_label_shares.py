"""Labels read from words, shares of generations, and background tasks that report, cancel and pause."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer import contrasts, label_shares, tales
from explorer.contrasts import plan
from explorer.decoding import Sampling
from explorer.dose_prompts import held_out_prompts
from explorer.errors import InputError
from explorer.generation import Lane, generate
from explorer.sites import Site
from explorer.tales_corpus import Tales, label_of, label_reader
from explorer.task import Task
from explorer.turns import Turns


def test_genres_are_read_from_words() -> None:
    reader = label_reader("genre")
    assert set(reader.values) == set(tales.genres()) and reader.accuracy > 0.95
    texts = [d.text for d in tales.documents("never-seen", 20, genre="recipe")]
    assert reader.share(texts, "recipe") > 0.9 and reader.share(texts, "tale") < 0.1
    assert reader.read(["zzzz qqqq"])[0] in reader.values
    moods = label_reader("mood", (("genre", "tale"),))
    assert moods.accuracy < label_shares.LEAST_ACCURACY, "the first words of a tale do not tell its mood: say nothing"


@pytest.mark.parametrize("name", [p.name for p in contrasts.PLANS])
def test_every_contrast_changes_one_label(name: str) -> None:
    key, value, fixed = label_of(plan(name))
    assert dict(plan(name).positive)[key] == value != dict(plan(name).negative).get(key)
    assert all(dict(plan(name).negative)[k] == v for k, v in fixed)


def test_shares_count_what_is_written(tokenizer: Any) -> None:
    model, site = tiny.model("llama", tokenizer), Site(1, 3)
    prompts = held_out_prompts(Tales("held-out", 40, Path()), tokenizer)[slice(0, 3)]
    vectors = torch.stack([torch.zeros(model.d_model), 9 * torch.randn(model.d_model)])
    ticks: list[int] = []
    texts = label_shares.write(model, site, prompts, vectors, lambda: ticks.append(1))
    assert len(ticks) == label_shares.NEW_TOKENS and [len(t) for t in texts] == [3, 3]
    assert texts[0] != texts[1]
    # The same tokens as the lanes of the page would write from that prompt with that seed.
    for i in range(3):
        prompt = tokenizer.decode(prompts.ids[i])
        if tokenizer(prompt, add_special_tokens=False)["input_ids"] != prompts.ids[i].tolist():
            continue
        sampling = Sampling(seed=i, new_tokens=label_shares.NEW_TOKENS)
        lanes = [Lane("none", model), Lane("v", model, vectors[1])]
        assert generate(lanes, site, prompt, sampling) == {"none": texts[0][i], "v": texts[1][i]}
    arms = {"raw": torch.eye(model.d_model)[0], "rotated": torch.eye(model.d_model)[1]}
    found = label_shares.label_shares(model, site, prompts, arms, 3.0, Tales.read_class("recipe"))
    assert found is not None and found.value == "recipe" and [a for a, _ in found.arms] == ["raw", "rotated"]
    assert all(len(v) == len(found.doses) and all(0 <= s <= 1 for s in v) for _, v in found.arms)
    assert label_shares.label_shares(model, site, prompts, arms, 3.0, Tales.read_class("merry")) is None


def test_a_task_reports_and_ends_with_its_result() -> None:
    def work(report: Callable[[float], None]) -> str:
        report(0.5)
        return "found"

    task = Task(work, None, Turns(1))
    assert task.wait(5) == "found"
    assert task.look() == (False, 1.0, 0) and not task.error


def test_a_cancelled_task_ends_at_its_next_report_and_frees_the_queue() -> None:
    def endless(report: Callable[[float], None]) -> str:
        while True:
            report(0.1)
            time.sleep(0.005)

    queue = Turns(1)
    task, second = Task(endless, None, queue), Task(lambda report: "next", None, queue)
    assert second.look()[2] == 1 and second.result is None
    task.cancel()
    assert task.wait(5) is None and not task.look()[0]
    assert second.wait(5) == "next"


def test_a_task_that_nobody_looks_at_pauses() -> None:
    steps: list[int] = []

    def counting(report: Callable[[float], None]) -> str:
        for i in range(10_000):
            steps.append(i)
            report(i / 10_000)
            time.sleep(0.005)
        return "done"

    queue = Turns(1)
    task = Task(counting, 0.3, queue)
    time.sleep(1.0)
    paused = len(steps)
    time.sleep(0.4)
    assert len(steps) == paused
    assert Task(lambda report: "other", None, queue).wait(5) == "other", "a paused task keeps no place"
    task.look()
    time.sleep(0.25)
    assert len(steps) > paused
    task.cancel()
    task.wait(5)


@pytest.mark.parametrize(
    ("error", "message"),
    [(InputError("too short"), "too short"), (RuntimeError("secret"), "the measurement failed (RuntimeError)")],
)
def test_a_task_says_why_it_failed(error: Exception, message: str) -> None:
    def broken(_report: Callable[[float], None]) -> None:
        raise error

    task = Task(broken, None, Turns(1))
    task.wait(5)
    assert message in task.error and "secret" not in task.error
