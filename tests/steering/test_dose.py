"""Dose–response: the quick reading equals a plain one, areas and verdicts follow their rules, a twin transfers all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_live import site_maps

from explorer.alignment.twin import make_twin, twin_rotation
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site
from explorer.steering import dose_measure
from explorer.steering.dose_measure import Measurer
from explorer.steering.dose_response import (
    DOSES,
    ArmReadings,
    Regime,
    TransferVerdict,
    area_weights,
    dose_response,
    usable_doses,
)
from explorer.steering.held_out_prompts import PROMPTS, held_out_prompts
from explorer.steering.steered_prompts import SteeredPrompts
from explorer.steering.strong_features import moved_tokens, strongest
from explorer.steering.token_classes import TokenClasses, read_effect
from explorer.steering.vectors import native_vectors, unit
from explorer.text.corpus import LabelHead
from explorer.text.tales import stories as tales
from explorer.text.tales.corpus import Tales
from explorer.text.windows import TextReading, read_windows

FAMILIES = ("llama", "qwen2", "gemma", "gpt2", "gpt_neox")
TALES = Tales("held-out", 40, Path())
A, B = (
    TokenClasses(torch.tensor([3, 9, 40]), torch.tensor([5, 6])),
    TokenClasses(torch.tensor([7]), torch.tensor([100, 101])),
)


@pytest.fixture
def llama(tokenizer: Any) -> LanguageModel:
    return tiny.model("llama", tokenizer)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_quick_reading_equals_a_plain_one(family: str, index: int, tokenizer: Any) -> None:
    model, site = tiny.model(family, tokenizer), Site(index, 3)
    prompts = read_windows([d.text for d in tales.documents("example", 5)], tokenizer, TextReading(12))[slice(0, 7)]
    vectors = 5 * torch.randn(4, model.d_model)
    quick = SteeredPrompts(model, site, prompts)
    found = quick.read(vectors, [A, B])
    for v in range(4):
        for c, classes in enumerate((A, B)):
            each = [read_effect(model, site, vectors[v], prompts[slice(i, i + 1)], classes) for i in range(7)]
            np.testing.assert_allclose(found.m[v, c], [r.m for r in each], atol=2e-4)
            np.testing.assert_allclose(found.loss[v], [r.loss for r in each], atol=2e-4)
    assert tiny.hooks(model) == 0 and not any("forward" in vars(block) for block in model.blocks)
    assert found.accuracy.shape == (4, 0)


def test_label_heads_are_scored_where_they_have_a_truth(llama: LanguageModel) -> None:
    prompts = tiny.chunks(3, 1, 10)
    with torch.no_grad():
        said = llama.network(input_ids=prompts.ids).logits[..., 20:30].argmax(-1) + 20
    truth = said.clone()
    truth[:, :4] = -1
    truth[0, 5] = 20 + (int(said[0, 5]) - 19) % 10
    heads = [LabelHead(20, 30, said), LabelHead(20, 30, truth)]
    quick = SteeredPrompts(llama, Site(1, 3), prompts, heads)
    accuracy = quick.read(torch.zeros(1, llama.d_model), [A]).accuracy[0]
    assert accuracy.tolist() == pytest.approx([1.0, 17 / 18])


def test_the_area_is_the_signed_integral() -> None:
    every = (True,) * len(DOSES)
    c = np.array(DOSES)
    weights = area_weights(every)
    assert weights @ (3 * c) == pytest.approx(3 * 0.8**2)
    assert weights @ np.abs(c) == pytest.approx(0)
    assert weights @ np.ones(len(c)) == pytest.approx(0, abs=1e-12)
    few = usable_doses([[0.2, 0.05, 0.2, 0.0, 0.0, 0.0, 0.0, 0.1, 0.11, 0.0]])
    assert [d for d, u in zip(DOSES, few, strict=True) if u] == [-0.1, -0.05, 0.05, 0.1, 0.2]
    assert area_weights(few) @ c == pytest.approx((0.1**2 + 0.2**2) / 2)
    assert not area_weights((False,) * len(DOSES)).any()
    assert usable_doses([[0.0] * 10, [0.0] * 4 + [0.5] + [0.0] * 5]) == (False,) * 5 + (True,) * 5


def response(rotated: float, raw: float, native: float = 1.0, noise: float = 0.02, loss: float = 1.0) -> Any:
    """A planted linear response: m = slope · c on every prompt, with a little noise, and a random band around 0."""
    rng, c = np.random.default_rng(0), np.array(DOSES)[:, None]
    slopes = {"native": native, "rotated": rotated, "raw": raw, "affine": rotated, "shuffled": 0.0}
    base = (rng.normal(size=30), np.ones(30))
    arms = {
        a: ArmReadings(base[0] + s * c + noise * rng.normal(size=(len(DOSES), 30)), np.full((len(DOSES), 30), loss))
        for a, s in slopes.items()
    }
    random = 0.1 * rng.normal(size=(40, 1)) * c.T
    return dose_response(("contrast:x", "x", "s"), 2.0, arms, base, (random, np.zeros_like(random)), (0.5, 0.1))


@pytest.mark.parametrize(
    ("rotated", "raw", "native", "verdict", "regime"),
    [
        (0.9, 0.9, 1.0, TransferVerdict.TRANSFERS, Regime.CLEAN),
        (0.55, 0.5, 1.0, TransferVerdict.TRANSFERS, Regime.PARTIAL),
        (0.4, 0.0, 1.0, TransferVerdict.WEAK, Regime.NONE),
        (0.05, -0.6, 1.0, TransferVerdict.NO_BETTER, Regime.INVERTED),
        (-0.6, 0.3, 2.0, TransferVerdict.INVERTED, Regime.NONE),
        (0.9, 0.9, 0.05, TransferVerdict.NOT_APPLICABLE, Regime.NOT_APPLICABLE),
        (0.9, 0.9, -1.0, TransferVerdict.NOT_APPLICABLE, Regime.NOT_APPLICABLE),
    ],
)
def test_verdicts_and_regimes_follow_their_rule(
    rotated: float, raw: float, native: float, verdict: TransferVerdict, regime: Regime
) -> None:
    found = response(rotated, raw, native)
    assert (found.verdict, found.regime) == (verdict, regime)
    if found.transfer is not None:
        assert found.transfer.value == pytest.approx(rotated / native, abs=0.03)
        assert found.transfer.low < found.transfer.value < found.transfer.high
    curve = found.arm("rotated")
    assert curve is not None and curve.area.value == pytest.approx(rotated * 0.64, abs=0.02)
    assert all(low <= e <= high for low, e, high in zip(curve.low, curve.effect, curve.high, strict=True))


def test_broken_text_leaves_no_dose_and_no_verdict() -> None:
    found = response(1.0, 1.0, loss=1.2)
    assert not any(found.usable) and found.verdict == TransferVerdict.NOT_APPLICABLE and found.transfer is None


@pytest.mark.slow
def test_on_the_twin_every_vector_transfers_whole(llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from test_sae import random_sae

    from explorer.text.tales import contrasts

    monkeypatch.setattr(contrasts, "PROMPTS", 4)
    contrasts.ready_contrast.cache_clear()
    monkeypatch.setattr(contrasts, "PLANS", tuple(p for p in contrasts.PLANS if p.name in ("recipe", "sea")))
    assert len(TALES.contrasts()) == 2
    twin = make_twin(llama, 3, "twin")
    fitted = {s.name: site_maps(twin_rotation(llama.d_model, 3).T) for s in llama.sites[:2]}
    sae = random_sae("topk", 4, d=llama.d_model)
    chunks = read_windows([d.text for d in tales.documents("held-out", 30)], llama.tokenizer, TextReading(48))
    measurer = Measurer(TALES, chunks)
    heard: list[float] = []
    found = measurer.pair(llama, twin, fitted, {llama.sites[1]: sae}, lambda _, share: heard.append(share))
    assert heard == [0.0, 0.5]
    assert [r.vector for r in found if r.site == llama.sites[0].name] == ["contrast:recipe", "contrast:sea"]
    features = [r for r in found if r.vector.startswith("feature:")]
    assert len(features) == 4 and {r.site for r in features} == {llama.sites[1].name}
    for r in found:
        native, rotated, raw = (r.arm(a) for a in ("native", "rotated", "raw"))
        assert native and rotated and raw
        assert r.prompts == PROMPTS and len(r.random) == dose_measure.RANDOM_DIRECTIONS
        if r.vector.startswith("contrast:"):
            assert r.cosine_native_rotated == pytest.approx(1, abs=1e-3)
            np.testing.assert_allclose(native.effect, rotated.effect, atol=2e-3)
            np.testing.assert_allclose(native.loss_rise, rotated.loss_rise, atol=2e-3)
            assert r.transfer is None or r.transfer.value == pytest.approx(1, abs=0.02)
    assert any(np.abs(np.subtract(r.arm("raw").effect, r.arm("rotated").effect)).max() > 0.05 for r in found)
    # What was read for one pair is kept for the next.
    assert measurer.own(twin, twin.sites[1]) is measurer.own(twin, twin.sites[1])
    contrasts.ready_contrast.cache_clear()


def test_features_are_chosen_by_what_they_move(llama: LanguageModel) -> None:
    from test_sae import random_sae

    site, sae = Site(3, 3), random_sae("topk", 4, d=llama.d_model)
    prompts = held_out_prompts(TALES, llama, made=True)
    assert not set(TALES.prompts(held_out=False)) & set(TALES.prompts())
    head = llama.network.get_output_embeddings().weight
    loud = unit(head[11] * llama.final_norm.weight)
    with torch.no_grad():
        sae.W_dec[5] = loud
    few = SteeredPrompts(llama, site, prompts[slice(0, 4)])
    ranked = strongest(few, sae, 8.0, torch.arange(sae.n_features), sae.n_features).tolist()
    from explorer.steering.strong_features import DOSE, strength

    norms = sae.W_dec / sae.W_dec.norm(dim=1, keepdim=True)
    strengths = strength(few, DOSE * 8.0 * norms)
    assert ranked == strengths.argsort(descending=True).tolist()
    typical = moved_tokens(few, 6.0 * loud, 5)
    assert int(typical.positive[0]) == 11 and 11 not in typical.negative.tolist()


def test_native_vectors_are_the_targets_rows_weighted_by_the_features(llama: LanguageModel) -> None:
    from test_sae import random_sae

    site, sae, other = Site(1, 3), random_sae("topk", 4, d=llama.d_model), tiny.model("llama", llama.tokenizer, 5)
    chunks = tiny.chunks(40)
    a, b = (residuals(m, chunks.ids, [site])[site][chunks.scored] for m in (llama, other))
    weights, some = sae.encode(a), [5, 0, 17, 3]
    assert int((weights[:, some].sum(0) > 0).sum()) > 0
    for feature, found in zip(some, native_vectors(llama, other, sae, some, site, chunks), strict=True):
        own = weights[:, feature]
        if own.sum() == 0:
            assert found is None
        else:
            assert found is not None
            np.testing.assert_allclose(found, unit(own @ b / own.sum() - b.mean(0)), atol=1e-4)


def test_dyck_prompts_carry_the_truth_of_their_heads() -> None:
    from explorer.text.dyck import language as dyck
    from explorer.text.dyck.corpus import Dyck3
    from explorer.text.dyck.label_ids import COPY, DEPTH, VALIDITY
    from explorer.text.windows import Chunks

    rows = torch.from_numpy(np.stack([dyck.encode("•([])()]("), dyck.encode("•(((([[]]")]))
    prompts = Chunks(rows, torch.ones_like(rows, dtype=torch.bool), torch.arange(2), torch.zeros(2), torch.zeros(2))
    truth = dyck.label(rows.numpy())
    copy, depth, validity = Dyck3.label_heads(prompts.ids)
    assert (copy.first, depth.first, validity.first) == (COPY.start, DEPTH.start, VALIDITY.start)
    valid = torch.from_numpy(~truth.broken) & (rows > 0)
    assert (depth.ids - DEPTH.start)[valid].tolist() == truth.depth[valid.numpy()].tolist()
    assert set(depth.ids[~valid].tolist()) == {-1}, "a broken document has no depth"
    assert (validity.ids - VALIDITY.start)[:, 1:].tolist() == truth.broken[:, 1:].astype(int).tolist()
    assert (copy.ids - COPY.start)[:, 1:].tolist() == (rows - 1)[:, 1:].tolist()
    assert {h.ids[i, 0].item() for h in (copy, depth, validity) for i in (0, 1)} == {-1}
    assert TALES.label_heads(prompts.ids) == []
