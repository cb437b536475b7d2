"""Lanes with a shared cache write what each would write alone, steered exactly as a full hooked pass is."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.twin import make_twin
from explorer.errors import InputError
from explorer.models.hooks import edit_residual, residuals
from explorer.models.language_model import LanguageModel
from explorer.models.prompts import check_prompt
from explorer.models.sites import Site
from explorer.steering import generation, vectors as steering
from explorer.steering.decoding import Positions, Sampling
from explorer.steering.generation import Lane, generate, stream
from explorer.steering.vectors import carry, unit
from explorer.text.contrast import Contrast

FAMILIES = ("llama", "qwen2", "mistral", "gemma", "gpt2", "gpt_neox")
PROMPT = "Once there was a"


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest, tokenizer: Any) -> LanguageModel:
    return tiny.model(request.param, tokenizer)


@pytest.fixture
def llama(tokenizer: Any) -> LanguageModel:
    return tiny.model("llama", tokenizer)


def vectors(model: LanguageModel, n: int, norm: float = 12.0) -> list[torch.Tensor]:
    made = torch.randn(n, model.d_model)
    return list(norm * made / made.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("index", [0, 1, 3])
def test_cached_lanes_equal_a_full_hooked_pass(
    model: LanguageModel, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, (v, w) = Site(index, 3), vectors(model, 2)
    lanes = [Lane("none", model), Lane("v", model, v), Lane("w", model, w)]
    seen: list[torch.Tensor] = []
    choose = generation.choose

    def spy(logits: torch.Tensor, sampling: Sampling, step: int) -> torch.Tensor:
        seen.append(logits.clone())
        return choose(logits, sampling, step)

    monkeypatch.setattr(generation, "choose", spy)
    written: dict[str, list[int]] = {lane.key: [] for lane in lanes}
    prompt = check_prompt(model, PROMPT)
    for step, tokens in enumerate(stream(lanes, site, PROMPT, Sampling(0.9, 1, 12))):
        for row, lane in enumerate(lanes):
            if lane.key not in {t.key for t in tokens}:
                continue
            ids = torch.cat([prompt, torch.tensor(written[lane.key], dtype=torch.long)])[None]
            steer = nullcontext() if lane.vector is None else edit_residual(model, site, lambda x, v=lane.vector: x + v)
            with torch.no_grad(), steer:
                alone = model.network(input_ids=ids, use_cache=False).logits[0, -1]
            np.testing.assert_allclose(seen[step][row], alone, atol=1e-4)
        for t in tokens:
            written[t.key].append(t.id)
    assert len({tuple(ids) for ids in written.values()}) > 1
    assert tiny.hooks(model) == 0


@pytest.mark.parametrize("positions", list(Positions))
def test_watched_lanes_say_how_far_they_moved(llama: LanguageModel, positions: Positions) -> None:
    """KL and alternatives equal those of two plain passes over the lane's own text, at two sites at once."""
    sites, (v, w) = [Site(0, 3), Site(2, 3)], vectors(llama, 2, 6.0)
    lanes = [Lane("none", llama), Lane("v", llama, torch.stack([v, w]))]
    prompt = check_prompt(llama, PROMPT)
    ids: dict[str, list[int]] = {"none": [], "v": []}
    for tokens in stream(lanes, sites, PROMPT, Sampling(0.9, 1, 8), positions, watched=True):
        for t in tokens:
            read = torch.cat([prompt, torch.tensor(ids[t.key], dtype=torch.long)])
            here = positions.mask(torch.arange(len(read)), len(prompt))[:, None]
            with torch.no_grad():
                plain = llama.network(input_ids=read[None]).logits[0, -1].log_softmax(-1)
                if t.key == "v":
                    with (
                        edit_residual(llama, sites[0], lambda x, h=here: x + v * h),
                        edit_residual(llama, sites[1], lambda x, h=here: x + w * h),
                    ):
                        moved = llama.network(input_ids=read[None]).logits[0, -1].log_softmax(-1)
                else:
                    moved = plain
            kl = float((moved.exp() * (moved - plain)).sum())
            assert t.kl == pytest.approx(kl, abs=1e-4)
            assert [a.p for a in t.alternatives] == pytest.approx(moved.exp().topk(5).values.tolist(), abs=1e-4)
            top = moved.topk(5).indices
            assert [a.p_unsteered for a in t.alternatives] == pytest.approx(plain.exp()[top].tolist(), abs=1e-4)
            ids[t.key].append(t.id)
    assert ids["none"] != ids["v"]


def test_top_p_draws_only_from_the_likeliest() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    drawn = {int(generation.choose(logits, Sampling(1.0, s, top_p=0.75), 0)) for s in range(300)}
    assert drawn == {0, 1}
    assert {int(generation.choose(logits, Sampling(1.0, s, top_p=0.5), 0)) for s in range(100)} == {0}
    assert {int(generation.choose(logits, Sampling(1.0, s, top_p=1.0), 0)) for s in range(300)} == {0, 1, 2, 3}


def test_the_models_longest_text_ends_every_lane(llama: LanguageModel) -> None:
    llama.network.config.max_position_embeddings = len(check_prompt(llama, PROMPT)) + 6
    tokens = [t for some in stream([Lane("x", llama)], Site(1, 3), PROMPT, Sampling(0.9, 5, 50)) for t in some]
    assert len(tokens) == 7 and tokens[-1].ended
    with pytest.raises(InputError, match="reads at most"):
        generate([Lane("x", llama)], Site(1, 3), PROMPT * 5, Sampling())


def test_a_batch_of_lanes_equals_single_lanes(llama: LanguageModel, tokenizer: Any) -> None:
    other = tiny.model("llama", tokenizer, seed=5, name="B")
    site = Site(1, 3)
    v, w = vectors(llama, 2)
    lanes = [Lane("A", llama), Lane("B", other), Lane("A+v", llama, v), Lane("B+w", other, w)]
    for temperature in (0.0, 0.8):
        sampling = Sampling(temperature, 3, 20)
        together = generate(lanes, site, PROMPT, sampling)
        assert together == {lane.key: generate([lane], site, PROMPT, sampling)[lane.key] for lane in lanes}
        assert len(set(together.values())) == 4


def test_lanes_share_their_random_numbers(llama: LanguageModel, tokenizer: Any) -> None:
    twin, site = make_twin(llama), Site(1, 3)
    texts = generate([Lane("A", llama), Lane("copy", llama), Lane("twin", twin)], site, PROMPT, Sampling(1.0, 7, 40))
    assert len(set(texts.values())) == 1
    again, other = (generate([Lane("A", llama)], site, PROMPT, Sampling(1.0, s, 40))["A"] for s in (7, 8))
    assert again == texts["A"] != other


def test_a_zero_vector_steers_nothing(llama: LanguageModel) -> None:
    lanes = [Lane("none", llama), Lane("zero", llama, torch.zeros(llama.d_model))]
    texts = generate(lanes, Site(1, 3), PROMPT, Sampling(0.8, 0, 30))
    assert texts["none"] == texts["zero"]


def test_gumbel_sampling_follows_the_softmax() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    for temperature in (0.5, 1.0):
        chosen = [int(generation.choose(logits, Sampling(temperature, s), 0)) for s in range(3000)]
        share = np.bincount(chosen, minlength=4) / 3000
        np.testing.assert_allclose(share, (logits[0] / temperature).softmax(-1), atol=0.03)
    assert int(generation.choose(logits, Sampling(0.0, 5), 0)) == 2


def test_closing_early_leaves_no_hook(llama: LanguageModel) -> None:
    (v,) = vectors(llama, 1)
    streaming = stream([Lane("v", llama, v)], Site(1, 3), PROMPT, Sampling(new_tokens=50))
    for _ in range(3):
        next(streaming)
        assert tiny.hooks(llama) == 0, "between two tokens another session may use the model"
    streaming.close()  # type: ignore[attr-defined]
    assert tiny.hooks(llama) == 0
    ids = tiny.chunks(1).ids
    with torch.no_grad():
        fresh = tiny.model("llama", llama.tokenizer).network(input_ids=ids).logits
        assert torch.equal(llama.network(input_ids=ids).logits, fresh)


def test_two_sessions_on_one_model_do_not_disturb_each_other(llama: LanguageModel) -> None:
    from concurrent.futures import ThreadPoolExecutor

    site, made = Site(1, 3), vectors(llama, 4)
    sampling = Sampling(0.8, 2, 25)
    alone = [generate([Lane("x", llama, v)], site, PROMPT, sampling)["x"] for v in made]
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda v: generate([Lane("x", llama, v)], site, PROMPT, sampling)["x"], made))
    assert texts == alone
    assert tiny.hooks(llama) == 0


def test_the_end_of_text_ends_a_lane(llama: LanguageModel) -> None:
    end = llama.tokenizer.eos_token_id
    head = llama.network.get_output_embeddings().weight
    direction = 40 * head[end] / head[end].norm()
    lanes = [Lane("free", llama), Lane("ends", llama, direction)]
    streamed = list(stream(lanes, Site(3, 3), PROMPT, Sampling(0.0, 0, 10)))
    ended = [t for tokens in streamed for t in tokens if t.key == "ends"]
    assert [(t.id, t.text, t.ended) for t in ended] == [(end, "", True)]
    free = [t for tokens in streamed for t in tokens if t.key == "free"]
    assert [t.ended for t in free] == [False] * 9 + [True]
    assert [t.key for t in streamed[1]] == ["free"]
    assert free[-1].text == llama.tokenizer.decode([t.id for t in free])


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ("", {}, "the prompt is empty"),
        ("fox " * 300, {}, "at most 200 are allowed"),
        ("<|endoftext|> fox " * 5, {}, "5 special tokens, at most 4"),
        (PROMPT, {"temperature": -0.1}, "outside 0 … 5"),
        (PROMPT, {"temperature": float("nan")}, "outside 0 … 5"),
        (PROMPT, {"top_p": 0.0}, "outside 0 … 1"),
        (PROMPT, {"new_tokens": 0}, "outside 1 … 400"),
        (PROMPT, {"new_tokens": 401}, "outside 1 … 400"),
    ],
)
def test_bad_input_is_refused(llama: LanguageModel, prompt: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate([Lane("A", llama)], Site(1, 3), prompt, Sampling(**options))


def test_a_planted_contrast_is_found(llama: LanguageModel) -> None:
    """Texts of two classes differ by one word; at the input their difference of means is that of the embeddings."""
    contrast = Contrast("x", "x", ("fox a a a a", "fox a a a a"), ("fox b b b b",))
    site = Site(0, 3)
    found = steering.contrast_vector(llama, site, contrast)
    a, b = (
        llama.tokenizer(t, add_special_tokens=False)["input_ids"] for t in (contrast.positive[0], contrast.negative[0])
    )
    table = llama.network.get_input_embeddings().weight
    expected = table[torch.tensor(a[1:])].mean(0) - table[torch.tensor(b[1:])].mean(0)
    np.testing.assert_allclose(found, expected / expected.norm(), atol=1e-5)


def test_mean_activation_counts_every_token_once(llama: LanguageModel) -> None:
    site, texts = Site(2, 3), ["Once there was a fox.", "Clara and Tom walked home in the rain, singing."]
    rows = [
        residuals(llama, torch.tensor([llama.tokenizer(t, add_special_tokens=False)["input_ids"]]), [site])[site][0, 1:]
        for t in texts
    ]
    np.testing.assert_allclose(steering.mean_activation(llama, site, texts), torch.cat(rows).mean(0), atol=1e-4)
    with pytest.raises(InputError, match="no token after their first"):
        steering.mean_activation(llama, site, ["a"])


def test_arms_carry_vectors_as_they_should(llama: LanguageModel) -> None:
    from explorer.alignment.pair import measure_pair

    twin, site = make_twin(llama, 4), Site(1, 3)
    fitted: SiteMaps = measure_pair(llama, twin, tiny.chunks(60), [site], {}).maps[site.name]
    from explorer.alignment.twin import twin_rotation

    q = twin_rotation(llama.d_model, 4).float()
    v = unit(torch.randn(llama.d_model))
    np.testing.assert_allclose(carry(v, "rotated", fitted), v @ q, atol=1e-4)
    np.testing.assert_allclose(carry(v, "affine", fitted), v @ q, atol=1e-2)
    assert torch.equal(carry(v, "raw", fitted), v)
    assert abs(float(carry(v, "shuffled", fitted) @ (v @ q))) < 0.9
    randoms = [carry(v, "random", fitted, seed=s) for s in range(3)]
    assert not torch.allclose(randoms[0], randoms[1])
    for arm in ("rotated", "affine", "raw", "shuffled", "random"):
        assert float(carry(v, arm, fitted).norm()) == pytest.approx(1, abs=1e-4)
    assert torch.equal(carry(v, "native", fitted, native=v), v)
    with pytest.raises(InputError, match="no vector of its own"):
        carry(v, "native", fitted)
    with pytest.raises(InputError, match="steers nothing"):
        carry(v, "none", fitted)


def test_the_native_vector_of_a_twins_feature_is_the_rotated_one(llama: LanguageModel) -> None:
    from test_sae import random_sae

    from explorer.alignment.twin import twin_rotation

    sae, site, twin = random_sae("topk", 4, d=llama.d_model), Site(1, 3), make_twin(llama, 2)
    chunks = tiny.chunks(40)
    q = twin_rotation(llama.d_model, 2).float()
    rows = residuals(llama, chunks.split("fit").ids, [site])[site][:, 1:].flatten(0, 1)
    feature = int(sae.encode(rows).sum(0).argmax())
    weights = sae.encode(rows)[:, feature]
    expected = unit((weights @ rows / weights.sum() - rows.mean(0)) @ q)
    (found,) = steering.native_vectors(llama, twin, sae, [feature], site, chunks.split("fit"))
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-4)
    norms = residuals(llama, chunks.ids[:64], [site])[site][:, 1:].norm(dim=-1)
    assert steering.median_norm(llama, site, chunks) == pytest.approx(float(norms.median()), rel=1e-5)
    assert steering.median_norm(twin, site, chunks) == pytest.approx(float(norms.median()), rel=1e-4)


def test_feature_vectors(llama: LanguageModel) -> None:
    from test_sae import random_sae

    sae = random_sae("topk", 4)
    np.testing.assert_allclose(steering.feature_vector(sae, 7), sae.W_dec[7], atol=1e-6)
    for feature in (-1, 40):
        with pytest.raises(InputError, match=rf"no feature {feature}: this dictionary has 0 … 39"):
            steering.feature_vector(sae, feature)
    with pytest.raises(InputError, match="zero or not finite"):
        unit(torch.zeros(4))
