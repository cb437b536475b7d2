"""What one reads of steering, on a model that is forced to say a word: planted shares, doses and sites come out."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tiny
import torch

from explorer.alignment.maps import identity
from explorer.alignment.moments import Moments
from explorer.alignment.site_maps import SiteMaps
from explorer.files import encode
from explorer.models.sites import Site
from explorer.steering.arms import CARRIED, READ
from explorer.steering.continuations import continuations
from explorer.steering.decoding import Sampling
from explorer.steering.dose_measure import Steered
from explorer.steering.generation import Lane, generate
from explorer.steering.reading_measure import RANDOM_DIRECTIONS, read_vectors
from explorer.steering.reading_shares import DOSES, MOST_LOSS_RISE, NEW_TOKENS, TEMPERATURE, TEXTS, ReadingShares
from explorer.steering.reading_trials import SuggestedDose, _Try, cheapest, loss_rises, read_arms, suggest_dose
from explorer.steering.token_classes import TokenClasses, read_effect
from explorer.text.class_reader import Accuracy, ClassReader, learn_classes
from explorer.text.contrast import Contrast
from explorer.text.tales.corpus import Tales
from explorer.text.windows import TextReading, read_windows

PROMPT = "Once there was a"
LAST = Site(3, 3)


def test_continuations_are_what_lanes_write(tokenizer: Any) -> None:
    model = tiny.model("llama", tokenizer)
    sites = [Site(1, 3), Site(2, 3)]
    vectors = torch.zeros(2, 3, 2, model.d_model)
    vectors[0, 1], vectors[1, 2] = 9 * torch.randn(model.d_model), 9 * torch.randn(model.d_model)
    ticks: list[int] = []
    texts = continuations(model, sites, PROMPT, vectors, 5, lambda: ticks.append(1))
    assert len(ticks) == NEW_TOKENS and [len(t) for t in texts] == [2, 2, 2]
    for i in range(2):
        sampling = Sampling(TEMPERATURE, 5 + i, NEW_TOKENS)
        lanes = [Lane("none", model), *(Lane(str(k), model, vectors[:, k, i]) for k in (1, 2))]
        assert list(generate(lanes, sites, PROMPT, sampling).values()) == [t[i] for t in texts]


@dataclass
class Planted:
    """A model one of whose directions makes it say one word, and a contrast of that word with another."""

    steered: list[Steered]
    """The model at an early site, where the direction does something else, and at the last one."""
    vector: torch.Tensor
    """Unit direction that says the word at the last site."""
    other: torch.Tensor
    """Unit direction that does not."""
    reader: ClassReader
    """Tells texts with the word from texts without."""


@pytest.fixture
def planted(tokenizer: Any) -> Planted:
    model = tiny.model("llama", tokenizer)
    said = tokenizer(" the", add_special_tokens=False)["input_ids"]
    assert len(said) == 1
    direction, other = torch.linalg.qr(torch.randn(model.d_model, 2))[0].T
    with torch.no_grad():
        # Nothing but a vector writes the direction, and the unembedding reads it for one word only.
        model.network.get_input_embeddings().weight.sub_(
            project(model.network.get_input_embeddings().weight, direction)
        )
        for block in model.blocks:
            for layer in (block.self_attn.o_proj, block.mlp.down_proj):
                layer.weight.copy_(layer.weight - direction[:, None] * (direction @ layer.weight))
        model.final_norm.weight.fill_(1.0)
        rows = model.network.get_output_embeddings().weight
        rows.copy_(rows / rows.norm(dim=1, keepdim=True))
        rows.sub_(project(rows, direction))
        rows[said[0]] = 3.3 * direction
    corpus = Tales("held-out", 40, Path())
    chunks = read_windows([d.text for d in corpus.documents(8)], tokenizer, TextReading(24))
    contrast = Contrast("the", "a → the", ("here the the the",) * 8, ("here a a a",) * 8)
    reader = learn_classes(contrast, "here")
    assert reader is not None and reader.accuracy == (1, 1)
    return Planted([Steered(model, s, corpus, chunks) for s in (Site(1, 3), LAST)], direction, other, reader)


def project(rows: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    return (rows @ direction)[:, None] * direction


def test_a_planted_word_is_read_in_every_text_and_chance_is_that_of_the_untouched(planted: Planted) -> None:
    others = torch.stack([planted.other, -planted.other])
    vectors = {"native": planted.vector[None], "raw": planted.other[None], "random": others}
    untouched, doses, arms = read_arms(planted.steered[1], vectors, planted.reader, PROMPT)
    assert [a.arm for a in arms] == ["native", "raw", "random"] and doses == DOSES[: len(doses)] and len(doses) > 2
    native, raw, random = arms
    assert native.shares[-1] == 1.0 and max(native.loss_rise) < MOST_LOSS_RISE
    assert native.loss_rise[-1] == max(native.loss_rise) > 0.2
    assert untouched <= 0.25 and max(*raw.shares, *random.shares) <= untouched + 0.25
    assert all(round(s * TEXTS, 2).is_integer() for a in arms for s in a.shares)
    found = ReadingShares("contrast:the", "a → the", "x", PROMPT, (1, 1), untouched, doses[-1], doses, arms)
    assert decode(encode(found)) == found
    assert found.share("native") == 1.0 and found.share("affine") is None and found.share("raw", 7.0) is None


def test_loss_rises_are_those_of_a_hooked_pass(planted: Planted) -> None:
    at = planted.steered[1]
    prompts, vectors = at.prompts.prompts, torch.stack([2 * planted.vector, 3 * planted.other])
    model, words_ = at.prompts.model, TokenClasses(torch.tensor([1]), torch.tensor([2]))
    base = read_effect(model, LAST, None, prompts, words_).loss
    expected = [read_effect(model, LAST, v, prompts, words_).loss / base - 1 for v in vectors]
    assert loss_rises(at, vectors) == pytest.approx(expected, abs=2e-4)


def test_the_smallest_dose_that_turns_enough_is_suggested_at_its_site(planted: Planted) -> None:
    found = suggest_dose(planted.steered, [planted.other, planted.vector], planted.reader, PROMPT)
    assert found.site == LAST and found.dose in DOSES
    _, doses, (native,) = read_arms(planted.steered[1], {"native": planted.vector[None]}, planted.reader, PROMPT)
    assert native.shares[doses.index(found.dose)] >= 0.5, "other texts turn about as often"
    nothing = suggest_dose(planted.steered, [planted.other, planted.other], planted.reader, PROMPT)
    assert nothing.dose is None
    blind = replace(planted.reader, accuracy=Accuracy(0.9, 0.7))
    assert suggest_dose(planted.steered, [planted.other, planted.vector], blind, PROMPT).dose is None


def test_of_the_sites_that_turn_enough_the_cheapest_counts() -> None:
    sites = [Site(1, 3), Site(2, 3)]
    tried = [_Try(0, 0.2, 0.1), _Try(0, 0.4, 0.3), _Try(0, 0.6, 0.5), _Try(1, 0.2, 0.2), _Try(1, 0.4, 0.25)]
    assert cheapest(tried, [0.1, 0.7, 1.0, 0.0, 0.7], sites) == SuggestedDose(sites[1], 0.4)
    assert cheapest(tried, [0.1, 0.7, 1.0, 0.0, 0.6], sites) == SuggestedDose(sites[0], 0.4)
    assert cheapest(tried, [0.1, 0.5, 0.6, 0.0, 0.6], sites) == SuggestedDose(sites[1], None)


def test_every_arm_is_read_with_the_vector_that_it_carries(planted: Planted) -> None:
    d = len(planted.vector)
    moments = Moments.zero(d)
    turned = replace(identity(moments), forward=torch.roll(torch.eye(d), 1, 0))
    fitted = SiteMaps({name: turned if name == "rotated" else identity(moments) for name in CARRIED})
    vectors = read_vectors(planted.vector, planted.other, fitted)
    assert tuple(vectors) == READ
    assert torch.equal(vectors["native"][0], planted.other) and torch.equal(vectors["raw"][0], planted.vector)
    assert torch.allclose(vectors["rotated"][0], fitted["rotated"].direction(planted.vector))
    assert len(vectors["random"]) == RANDOM_DIRECTIONS
    assert torch.allclose(vectors["random"].norm(dim=1), torch.ones(RANDOM_DIRECTIONS))


def decode(data: bytes) -> ReadingShares:
    return msgspec.json.decode(data, type=ReadingShares)
