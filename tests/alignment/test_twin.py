"""The twin is the control that must never fail: identical logits, rotated inside, everything restored by R = Qᵀ."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from explorer.alignment import maps, pair as measure
from explorer.alignment.first_pass import SiteMoments
from explorer.alignment.moments import Moments
from explorer.alignment.pair import Pair
from explorer.alignment.pairing import PairedRows
from explorer.alignment.twin import FAMILIES, make_twin, rotation_of, twin_rotation
from explorer.errors import InputError
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.sae.sae import SAE
from explorer.sae.trainer import SAERecipe, SAETrainer
from explorer.steering import generation
from explorer.steering.decoding import Sampling
from explorer.steering.generation import Lane

CASES = [(family, tied) for family in FAMILIES for tied in (False, True)]


@pytest.mark.parametrize(("family", "tied"), CASES)
def test_the_twin_is_exact_and_the_fit_finds_it(family: str, tied: bool, tokenizer: Any) -> None:
    original = tiny.model(family, tokenizer, tied=tied)
    if family == "qwen2":
        assert float(original.blocks[0].self_attn.q_proj.bias.abs().max()) > 0.1  # type: ignore[union-attr]
    weights = {k: v.clone() for k, v in original.network.state_dict().items()}
    twin = make_twin(original, seed=3)
    q = rotation_of(original, 3)
    eye = torch.eye(len(q), dtype=torch.float64)
    assert torch.allclose(q @ q.T, eye, atol=1e-12)
    if isinstance(original.final_norm, torch.nn.LayerNorm):
        assert torch.allclose(q.sum(1), torch.ones(len(q), dtype=torch.float64), atol=1e-12), "the mean is kept"
    assert float(torch.linalg.det(q)) == pytest.approx(1)
    assert not torch.allclose(q, rotation_of(original, 4))
    ids = tiny.chunks(40).ids
    with torch.no_grad():
        a, b = original.network(input_ids=ids).logits, twin.network(input_ids=ids).logits
    assert float(a.std()) > 0.3
    np.testing.assert_allclose(b, a, atol=1e-4)
    rows_a, rows_b = (residuals(m, ids, original.sites) for m in (original, twin))
    for site in original.sites:
        x, y = rows_a[site].flatten(0, 1), rows_b[site].flatten(0, 1)
        np.testing.assert_allclose(y, x.double() @ q, atol=1e-4)
        assert float((y - x).abs().max()) > 0.5
        moments = Moments.zero(original.d_model)
        moments.add(x, y)
        np.testing.assert_allclose(maps.orthogonal(moments).matrix, q.T, atol=1e-4)
    for name, value in original.network.state_dict().items():
        assert torch.equal(value, weights[name]), f"the original's {name} changed"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dictionary_comes_back_to_its_ceiling(family: str, tokenizer: Any) -> None:
    """Of every family: rebuilt rows of the twin, read through R, are as good as those of the original."""
    original = tiny.model(family, tokenizer)
    twin, site, ids = make_twin(original, 2), original.sites[2], tiny.chunks(60).ids
    x, y = (residuals(m, ids, [site])[site].flatten(0, 1) for m in (original, twin))
    moments = Moments.zero(original.d_model)
    moments.add(x, y)
    fitted = maps.orthogonal(moments)
    rows = torch.randn(64, original.d_model)
    sae = SAE("topk", 4, rows.T, torch.zeros(64), rows / rows.norm(dim=1, keepdim=True) ** 2, x.mean(0), site.name)

    def ev(given: torch.Tensor) -> float:
        return float(1 - (sae(given) - x).pow(2).sum() / (x - x.mean(0)).pow(2).sum())

    back = (y - y.mean(0)) @ fitted.matrix.float() + x.mean(0)
    assert ev(back) == pytest.approx(ev(x), abs=1e-3)
    assert ev(y) < ev(x) - 0.05
    carried = sae.rotated_for_target(fitted.matrix.float(), x.mean(0), y.mean(0))
    assert float((carried(y) - sae(x) @ rotation_of(original, 2).float()).abs().max()) < 1e-2


@pytest.mark.parametrize("family", ["bloom", "phi"])
def test_families_without_an_exact_twin_are_refused(family: str, tokenizer: Any) -> None:
    model = tiny.model("llama", tokenizer)
    model.network.config.model_type = family
    with pytest.raises(
        InputError, match=f"family '{family}': an exact twin exists for llama, mistral, qwen2, qwen3, gemma"
    ):
        make_twin(model)


@pytest.fixture(scope="module")
def measured(tokenizer: Any) -> tuple[LanguageModel, LanguageModel, SAE, Pair]:
    """A tiny model, its twin, a dictionary trained for some steps at site 1, and the pair measured."""
    original = tiny.model("llama", tokenizer, name="A")
    twin = make_twin(original, 1, "B")
    chunks = tiny.chunks(60)
    site = original.sites[1]
    rows = residuals(original, chunks.ids, [site])[site].flatten(0, 1).clone()
    trainer = SAETrainer(SAERecipe(width=160, k=3, batch=256, dead_after=50), rows[:1000], 300, 0, site.name)
    order = torch.Generator().manual_seed(0)
    for _ in range(300):
        trainer.step(rows[torch.randint(len(rows), (256,), generator=order)])
    sae = trainer.finish()
    return original, twin, sae, measure.measure_pair(original, twin, chunks, original.sites, {site.name: sae})


def test_rotation_restores_the_dictionary_to_its_ceiling(
    measured: tuple[LanguageModel, LanguageModel, SAE, Pair],
) -> None:
    _, _, _, pair = measured
    result = pair.result.sites[1]
    scores = result.dictionary
    assert scores is not None
    assert result.dial is not None
    assert result.firing is not None
    assert scores["ceiling"].paper.value > 0.5
    for reading in ("paper", "faithful"):
        rotated, ceiling = getattr(scores["rotated"], reading).value, getattr(scores["ceiling"], reading).value
        assert rotated == pytest.approx(ceiling, abs=1e-3)
        assert getattr(scores["affine"], reading).value == pytest.approx(ceiling, abs=1e-2)
        for arm in ("raw", "translated", "random"):
            assert getattr(scores[arm], reading).value < ceiling - 0.25
    assert scores["shuffled"].faithful.value < 0.1
    assert scores["rotated"].l0 == pytest.approx(scores["ceiling"].l0, abs=0.01)
    assert result.firing["rotated"] == pytest.approx(1, abs=1e-3)
    assert result.firing["raw"] is None or result.firing["raw"] < 0.2
    assert result.dial.dictionary[-1] == pytest.approx(result.dial.ceiling, abs=1e-3)
    assert result.dial.direct[-1] == pytest.approx(1, abs=1e-4)
    assert result.dial.dictionary[0] < result.dial.ceiling - 0.2
    assert pair.result.sites[0].dictionary is None


def test_the_twins_ladder(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    original, _, _, pair = measured
    q = twin_rotation(original.d_model, 1)
    for result in pair.result.sites:
        ladder = result.ladder
        assert ladder["orthogonal"].value == pytest.approx(1, abs=1e-4)
        assert ladder["affine"].value == pytest.approx(1, abs=1e-4)
        assert ladder["identity"].value < 0
        assert ladder["translation"].value < 0.3
        assert ladder.random < 0.3
        assert max(ladder.shuffled) < 0.3
        assert len(ladder.shuffled) == 19
        assert result.rho_scale is not None
        assert (result.rho_scale.value, ladder.p) == (pytest.approx(1, abs=1e-3), 1 / 20)
        assert result.rotation.determinant == pytest.approx(1, abs=1e-4)
        assert result.rotation.special_cost == 0
        assert result.rotation.frobenius_from_identity == pytest.approx(
            float((q.T - torch.eye(len(q))).norm()), abs=1e-3
        )
        assert result.rows_fit + result.rows_test < 60 * 2 * 23
        np.testing.assert_allclose(pair.maps[result.site]["rotated"].matrix, q.T, atol=1e-4)
    assert pair.result.function.kl == pytest.approx(0, abs=1e-6)
    assert pair.result.function.top1_agreement == 1
    assert pair.result.function.loss_source == pytest.approx(pair.result.function.loss_target, abs=1e-5)


def test_the_clouds_meet_at_the_end_of_the_dial(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    _, _, _, pair = measured
    for cloud in pair.clouds.values():
        np.testing.assert_allclose(cloud.target[-1], cloud.source, atol=1e-3)
        assert float((cloud.target[0] - cloud.source).abs().mean()) > 0.1


def test_a_steered_twin_writes_the_same_text(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    original, twin, sae, pair = measured
    site = original.sites[1]
    fitted = pair.maps[site.name]
    differs = 0
    for feature in range(4):
        v = 6.0 * sae.W_dec[feature]
        lanes = [
            Lane("A", original),
            Lane("A+v", original, v),
            Lane("B", twin),
            Lane("rotated", twin, fitted["rotated"].direction(v)),
            Lane("raw", twin, v),
        ]
        for temperature in (0.0, 0.9):
            streamed = list(generation.stream(lanes, site, "Once there was", Sampling(temperature, feature, 30)))
            ids = {
                key: [t.id for tokens in streamed for t in tokens if t.key == key]
                for key in ("A", "A+v", "B", "rotated", "raw")
            }
            assert ids["rotated"] == ids["A+v"]
            assert ids["B"] == ids["A"]
            differs += (ids["A+v"] != ids["A"]) + (ids["raw"] != ids["rotated"])
    assert differs >= 12, "steering must do something for this to mean anything"


def test_too_few_rows_are_not_assessable(tokenizer: Any) -> None:
    original = tiny.model("llama", tokenizer)
    with pytest.raises(InputError, match=r"not assessable: \d+ rows to fit, at least 20·d = 480"):
        measure.measure_pair(original, original, tiny.chunks(12), [original.sites[0]], {})


def test_pairs_of_other_shapes_are_not_assessable(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer)
    wide, deep = tiny.model("llama", tokenizer, hidden_size=32), tiny.model("llama", tokenizer, num_hidden_layers=2)
    with pytest.raises(InputError, match="widths differ"):
        measure.measure_pair(a, wide, tiny.chunks(12), a.sites, {})
    with pytest.raises(InputError, match="depths differ"):
        measure.measure_pair(a, deep, tiny.chunks(12), a.sites, {})


def test_a_model_with_broken_activations_is_refused(tokenizer: Any) -> None:
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    b.blocks[1].mlp.down_proj.weight.fill_(float("nan"))  # type: ignore[union-attr, operator]
    with pytest.raises(InputError, match=r"B has non-finite activations at blocks\.2\.hook_resid_pre"):
        measure.measure_pair(a, b, tiny.chunks(40), a.sites, {})


def test_massive_rows_are_left_out_and_counted(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer)
    a.network.get_input_embeddings().weight[7] *= 300
    chunks = tiny.chunks(60)
    massive = (chunks.ids == 7) & chunks.scored
    result = measure.measure_pair(a, make_twin(a), chunks, [a.sites[0]], {}).result.sites[0]
    assert int(massive.sum()) > 0
    assert result.rows_fit == int((chunks.split("fit").ids[:, 1:] != 7).sum())
    assert result.rows_test == int((chunks.split("test").ids[:, 1:] != 7).sum())
    assert result.dropped == int(massive.sum())
    kept = measure.measure_pair(a, make_twin(a), chunks, [a.sites[0]], {}, massive=float("inf")).result.sites[0]
    assert (kept.rows_fit, kept.dropped) == (int(chunks.split("fit").scored.sum()), 0)


def test_shuffled_pairings_never_pair_a_document_with_itself() -> None:
    documents = torch.tensor([0, 0, 1, 2])
    rows = documents[:, None, None].expand(4, 3, 1).float() + 1
    keep = torch.ones(4, 3, dtype=torch.bool)
    keep[2, 1] = False
    ids = torch.arange(12).reshape(4, 3)
    pair = PairedRows(rows, rows, keep, documents[:, None].expand(4, 3), 0, ids)
    moments = SiteMoments(1, replace(tiny.chunks(2), ids=ids, valid=torch.ones_like(ids, dtype=torch.bool)), shuffles=3)
    moments._centre = (torch.zeros(1), torch.zeros(1))
    moments.add_shuffled(pair)
    found = moments.shuffled
    expected = []
    for shift in (1, 2, 3):
        pairs = [
            (int(documents[i]), int(documents[(i - shift) % 4]))
            for i in range(4)
            for t in range(3)
            if keep[i, t] and keep[(i - shift) % 4, t] and documents[i] != documents[(i - shift) % 4]
        ]
        expected.append((len(pairs), float(sum((a + 1) * (b + 1) for a, b in pairs))))
    assert [(m.n, float(m.target_source)) for m in found] == expected
