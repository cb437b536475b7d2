"""What is read of a steered model, the tokens it is read from, and the ready contrasts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from explorer.errors import InputError
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site
from explorer.steering import token_classes as effect
from explorer.steering.steered_prompts import SteeredPrompts
from explorer.text.contrast import Contrast
from explorer.text.corpus import HELD_OUT
from explorer.text.tales import contrasts, stories as tales
from explorer.text.tales.corpus import Tales
from explorer.text.windows import TextReading, read_windows

POSITIVE = tuple(d.text for d in tales.documents("example", 12, genre="recipe"))
NEGATIVE = tuple(d.text for d in tales.documents("example", 12, genre="tale"))
CONTRAST = Contrast("recipe", "tale → recipe", POSITIVE, NEGATIVE)


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> LanguageModel:
    return tiny.model("llama", tokenizer)


def test_typical_tokens_tell_the_classes_apart(model: LanguageModel) -> None:
    planted = Contrast("x", "x", ("the the the fox" * 9,), ("the the the owl" * 9,))
    found = effect.typical_tokens(planted, model, 2)
    ids = {w: set(model.tokenizer(f"the {w}", add_special_tokens=False)["input_ids"]) for w in ("fox", "owl")}
    assert int(found.positive[0]) in ids["fox"] - ids["owl"]
    assert int(found.negative[0]) in ids["owl"] - ids["fox"]
    real = effect.typical_tokens(CONTRAST, model)
    assert len(real.positive) == len(real.negative) == effect.TYPICAL_TOKENS
    assert not set(real.positive.tolist()) & set(real.negative.tolist())


def test_tokens_that_are_whole_words_are_signs_and_pieces_are_not(model: LanguageModel) -> None:
    ids = range(model.vocabulary)
    text = {i: model.tokenizer.decode([i]) for i in ids}
    found = effect.token_words(torch.arange(model.vocabulary + 3), model)
    begins = {text[i].strip() for i in ids if text[i].startswith(" ") and text[i].strip().isalpha()}
    assert {w for w in begins if w.islower() and len(w) >= effect.LETTERS} <= found
    assert "the" in found and all(w.isalpha() and w.islower() for w in found)
    pieces = {text[i] for i in ids if text[i].isalpha() and len(text[i]) >= 3} - {w for w in begins if w.islower()}
    assert pieces and not {p for p in pieces if p.islower()} & found, "what never begins a word is none"


def test_readings_equal_a_token_by_token_computation(model: LanguageModel) -> None:
    prompts = read_windows(NEGATIVE[:3], model.tokenizer, TextReading(20))
    typical = effect.typical_tokens(CONTRAST, model, 5)
    v = torch.randn(model.d_model)
    found = effect.read_effect(model, Site(3, 3), v, prompts, typical)
    from explorer.models.hooks import residuals

    end = residuals(model, prompts.ids, [Site(3, 3)])[Site(3, 3)] + v
    with torch.no_grad():
        p = model.network.get_output_embeddings()(model.final_norm(end)).softmax(-1).double()
    m, loss = [], []
    for i in range(len(prompts)):
        for t in range(max(0, int(prompts.first[i]) - 1), int(prompts.valid[i].sum()) - 1):
            m.append(np.log(float(p[i, t, typical.positive].sum())) - np.log(float(p[i, t, typical.negative].sum())))
            loss.append(-np.log(float(p[i, t, prompts.ids[i, t + 1]])))
    assert found.m == pytest.approx(np.mean(m), abs=1e-4)
    assert found.loss == pytest.approx(np.mean(loss), abs=1e-4)
    assert tiny.hooks(model) == 0


def test_tokens_that_the_target_lacks_have_no_probability(model: LanguageModel) -> None:
    prompts = read_windows(NEGATIVE[:3], model.tokenizer, TextReading(20))
    known = effect.typical_tokens(CONTRAST, model, 5)
    wider = effect.TokenClasses(
        torch.cat([known.positive, torch.tensor([tiny.VOCABULARY])]),
        torch.cat([torch.tensor([tiny.VOCABULARY + 7]), known.negative]),
    )
    v = torch.randn(model.d_model)
    one, other = (effect.read_effect(model, Site(3, 3), v, prompts, c) for c in (known, wider))
    assert one == other
    read = SteeredPrompts(model, Site(1, 3), prompts).read(v[None], [known, wider])
    assert torch.equal(read.m[:, 0], read.m[:, 1])
    assert read.m.isfinite().all()


@pytest.mark.parametrize("plan", contrasts.PLANS, ids=lambda p: p.name)
def test_ready_contrasts_have_the_latents_that_they_promise(plan: contrasts.ContrastPlan) -> None:
    grammar = tales.grammar()
    for latents in (plan.positive, plan.negative):
        for index in (0, 1):
            found = tales.document("example", index, **dict(latents)).latents
            assert dict(latents).items() <= found.items()
        for key, value in latents:
            assert grammar.record(key, value).text == value
    assert dict(plan.positive) != dict(plan.negative)
    assert plan.prompt


def test_held_out_prompts_are_others() -> None:
    made = contrasts.ready_contrast("sea")
    held_out = Tales(HELD_OUT, 40, Path()).prompts()
    for side in ("positive", "negative"):
        texts = set(getattr(made, side))
        assert len(texts) == contrasts.PROMPTS
        assert not texts & set(held_out)
    assert not set(made.positive) & set(made.negative)
    assert contrasts.ready_contrast("sea") is made
    with pytest.raises(InputError, match="no ready contrast 'wind': there are present, recipe"):
        contrasts.plan("wind")
