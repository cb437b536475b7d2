"""Labels read from words, and shares of generations."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer.models.sites import Site
from explorer.steering import label_counting as label_shares
from explorer.steering.decoding import Sampling
from explorer.steering.generation import Lane, generate
from explorer.steering.held_out_prompts import held_out_prompts
from explorer.text.tales import contrasts, stories as tales
from explorer.text.tales.contrasts import plan
from explorer.text.tales.corpus import Tales, label_of, label_reader


@pytest.mark.slow
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


@pytest.mark.slow
def test_shares_count_what_is_written(tokenizer: Any) -> None:
    model, site = tiny.model("llama", tokenizer), Site(1, 3)
    prompts = held_out_prompts(Tales("held-out", 40, Path()), model)[slice(0, 3)]
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
