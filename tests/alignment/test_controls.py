"""Nulls, controls, tokens and stitching against plain computations that hold every row in memory."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from scipy.linalg import orthogonal_procrustes

from explorer import metrics
from explorer.alignment import control_runs as controls_module, fresh_models, nulls, stitching as stitch
from explorer.alignment.control_runs import UNTRAINED_SEEDS, controls, positive_control
from explorer.alignment.fresh_models import fresh_model, related, untrained_target
from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.pair import Pair, bootstrap_units, measure_pair
from explorer.alignment.results import BootstrapUnit, Verdict
from explorer.alignment.twin import make_twin
from explorer.cache import Cache
from explorer.errors import InputError
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.text.windows import shuffle

CHUNKS = tiny.chunks(70)


def silent(_step: str, _share: float) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def measured(tokenizer: Any) -> tuple[LanguageModel, LanguageModel, Pair]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    # Tokens come again and again, so that there is a mean of each to speak of.
    few = replace(CHUNKS, ids=CHUNKS.ids % 60 + 1)
    shared = controls(a, b, few, a.sites, ("", ""), silent, Cache(None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stitch, "TOKENS", 200)
        return a, b, measure_pair(a, b, few, a.sites, {}, controls=shared)


def frames(measured: tuple[LanguageModel, LanguageModel, Pair], split: str, index: int) -> list[np.ndarray]:
    """Rows of A, rows of B, token ids, one after the other."""
    a, b, _ = measured
    part = replace(CHUNKS, ids=CHUNKS.ids % 60 + 1).split(split)
    rows = [residuals(m, part.ids, m.sites)[m.sites[index]][:, 1:].flatten(0, 1).double().numpy() for m in (a, b)]
    return [*rows, part.ids[:, 1:].flatten().numpy()]


def ev(truth: np.ndarray, guess: np.ndarray) -> float:
    return metrics.explained_variance(torch.from_numpy(truth), torch.from_numpy(np.ascontiguousarray(guess)))


@pytest.mark.parametrize("index", [0, 2])
def test_token_lookup_and_residual_equal_pandas(
    index: int, measured: tuple[LanguageModel, LanguageModel, Pair]
) -> None:
    a, b, tokens = frames(measured, "fit", index)
    test_a, test_b, test_tokens = frames(measured, "test", index)
    found = measured[2].result.sites[index].token
    counts = pd.Series(tokens).value_counts()
    known = np.isin(test_tokens, counts[counts >= 5].index)
    means = [pd.DataFrame(x).groupby(tokens).mean() for x in (a, b)]
    guess = np.where(known[:, None], means[0].reindex(test_tokens).to_numpy(), a.mean(0))
    assert found.lookup.value == pytest.approx(ev(test_a, guess), abs=1e-4)
    assert found.share == pytest.approx(known.mean())
    if index == 0:
        assert found.lookup.value > 0.99, "at the input the token is everything"
        assert found.residual is None
        return
    rest = [x - m.loc[tokens].to_numpy() for x, m in zip((a, b), means, strict=True)]
    r, _ = orthogonal_procrustes(rest[1], rest[0])
    left = [x[known] - m.loc[test_tokens[known]].to_numpy() for x, m in zip((test_a, test_b), means, strict=True)]
    assert found.residual is not None
    assert found.residual.value == pytest.approx(ev(left[0], left[1] @ r), abs=1e-3)


def test_one_rotation_at_other_sites(measured: tuple[LanguageModel, LanguageModel, Pair]) -> None:
    _, _, pair = measured
    matrix = np.array(pair.result.ev_cross_site)
    np.testing.assert_allclose(np.diag(matrix), [s.ladder["orthogonal"].value for s in pair.result.sites], atol=1e-4)
    fit_a, fit_b, _ = frames(measured, "fit", 3)
    test_a, test_b, _ = frames(measured, "test", 3)
    r = pair.maps[pair.result.sites[1].site]["rotated"].matrix.double().numpy()
    assert matrix[1, 3] == pytest.approx(ev(test_a, (test_b - fit_b.mean(0)) @ r + fit_a.mean(0)), abs=1e-4)


def test_the_fit_curve_is_that_of_the_first_rows(measured: tuple[LanguageModel, LanguageModel, Pair]) -> None:
    a, b, pair = measured
    d, index = a.d_model, 1
    part = shuffle(replace(CHUNKS, ids=CHUNKS.ids % 60 + 1).split("fit"))
    x, y = (residuals(m, part.ids, m.sites)[m.sites[index]][:, 1:].flatten(0, 1).double().numpy() for m in (a, b))
    test_a, test_b, _ = frames(measured, "test", index)
    mean_a, mean_b = x.mean(0), y.mean(0)
    curve = pair.result.sites[index].fit_curve
    assert curve.rows[:3] == (2 * d, 4 * d, 8 * d)
    assert curve.rows[-1] == pair.result.sites[index].rows_fit
    for n, value in zip(curve.rows, curve.orthogonal, strict=True):
        r, _ = orthogonal_procrustes(y[:n] - y[:n].mean(0), x[:n] - x[:n].mean(0))
        assert value == pytest.approx(ev(test_a, (test_b - mean_b) @ r + mean_a), abs=1e-3), n
    assert curve.affine[-1] == pair.result.sites[index].ladder["affine"].value


def test_principal_axes_with_random_signs(measured: tuple[LanguageModel, LanguageModel, Pair]) -> None:
    fit_a, fit_b, _ = frames(measured, "fit", 2)
    test_a, test_b, _ = frames(measured, "test", 2)
    axes = [np.linalg.eigh(np.cov(x.T))[1] for x in (fit_a, fit_b)]
    signs = np.random.default_rng(0).choice([-1, 1], (200, fit_a.shape[1]))
    plain = [ev(test_a, (test_b - fit_b.mean(0)) @ (axes[1] * s) @ axes[0].T + fit_a.mean(0)) for s in signs]
    found = measured[2].result.sites[2].nulls.pca_signs
    assert len(found) == 19
    assert np.mean(found) == pytest.approx(np.mean(plain), abs=4 * np.std(plain) / 19**0.5)


def test_affine_nulls_of_wrong_pairs_explain_nothing(measured: tuple[LanguageModel, LanguageModel, Pair]) -> None:
    for site in measured[2].result.sites:
        assert len(site.nulls_affine.shuffled) == len(site.nulls.shuffled) == 19
        assert all(-0.2 < value < 0.05 for value in site.nulls_affine.shuffled)
        assert site.nulls_scale is not None
        assert (len(site.nulls_scale.shuffled), len(site.nulls_scale.untrained)) == (19, 3)
        pairs = zip(site.nulls_scale.shuffled, site.nulls.shuffled, strict=True)
        assert all(-0.2 < scaled < 0.2 and scaled > plain for scaled, plain in pairs), "a scale shrinks the error"
        assert len(site.nulls_affine.untrained) == len(site.nulls.untrained) == 3
        assert len(site.nulls.haar) == 19
        assert site.nulls.haar[0] == pytest.approx(site.ladder.random, abs=1e-6)


def test_directions_are_identified_where_two_halves_agree() -> None:
    rng = np.random.default_rng(0)
    d, clean, n = 20, 12, 4000
    a = rng.standard_normal((n, d)) * np.linspace(3, 1, d)
    # Of the last directions B holds nothing but noise of its own.
    b = np.concatenate([a[:, :clean], rng.standard_normal((n, d - clean))], axis=1) @ haar(d, 1).numpy()
    halves = (Moments.zero(d), Moments.zero(d))
    for half, part in zip(halves, (slice(0, n // 2), slice(n // 2, n)), strict=True):
        half.add(torch.from_numpy(a[part]), torch.from_numpy(b[part]))
    assert nulls.identified(halves[0] + halves[1], halves) == clean
    fit = halves[0] + halves[1]
    assert nulls.identity_share(fit, orthogonal_factor(fit.cross)) < 0.5
    own = Moments.zero(d)
    own.add(torch.from_numpy(a), torch.from_numpy(a))
    assert nulls.identity_share(own, torch.eye(d)) == pytest.approx(1)


def test_no_random_rotation_is_the_q_of_a_twin(tokenizer: Any) -> None:
    model = tiny.model("llama", tokenizer)
    site = model.sites[1]
    for seed in range(3):
        found = measure_pair(make_twin(model, seed), model, CHUNKS, [site], {}).result.sites[0]
        assert found.ladder["orthogonal"].value == pytest.approx(1, abs=1e-4)
        assert max(*found.nulls.haar, found.ladder.random) < 0.5


@pytest.mark.parametrize(
    ("family", "kind"), [("llama", "twin"), ("gpt2", "twin"), ("gemma", "twin"), ("gpt2", "planted")]
)
def test_the_positive_control_passes_in_every_family(
    family: str, kind: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "planted":  # as in a family that has no exact twin
        monkeypatch.setattr("explorer.alignment.control_runs.FAMILIES", {})
    model = tiny.model(family, tokenizer)
    found = positive_control(model, CHUNKS, model.sites, silent)
    assert (found.kind, found.passed) == (kind, True)
    assert min(found.ev) == pytest.approx(1, abs=1e-4)


def test_a_failed_control_makes_the_pair_not_assessable(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    with monkeypatch.context() as broken:
        broken.setattr(controls_module, "orthogonal_factor", lambda m: torch.eye(len(m), dtype=torch.float64))
        failed = positive_control(a, CHUNKS, [a.sites[1]], silent)
    assert not failed.passed
    shared = replace(controls(a, b, CHUNKS, [a.sites[1]], ("", ""), silent, Cache(None)), positive=failed)
    monkeypatch.setattr(stitch, "TOKENS", 200)
    verdict = measure_pair(a, b, CHUNKS, [a.sites[1]], {}, controls=shared).result.verdict
    assert isinstance(verdict, Verdict)
    assert verdict.verdict == "not assessable"


def test_fresh_models_differ_by_seed_and_leave_the_random_state_alone(tokenizer: Any) -> None:
    model = tiny.model("gpt_neox", tokenizer)
    before = torch.random.get_rng_state()
    one, same, other = (fresh_model(model, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [m.network.get_input_embeddings().weight for m in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def seeds(source: LanguageModel, target: LanguageModel, digests: tuple[str, str] = ("x", "y")) -> list[int]:
    """Of the untrained targets of a pair."""
    nulls = (untrained_target(source, target, digests, number) for number in range(UNTRAINED_SEEDS))
    return [int(null.name.rpartition(" ")[2]) for null in nulls]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_untrained_target_is_where_a_model_began(seed: int, tokenizer: Any) -> None:
    model = fresh_model(tiny.model("llama", tokenizer), seed)
    drawn = seeds(model, model)
    assert not {seed, *range(100)} & set(drawn)
    assert not any(related(fresh_model(model, other), model) for other in drawn)
    assert related(fresh_model(model, seed), model)
    # A model that began where the first of them does: only that one is drawn again.
    began, moved = fresh_model(model, drawn[0]), fresh_model(model, 7)
    for weight, start in zip(moved.network.parameters(), began.network.parameters(), strict=True):
        if weight.ndim > 1:
            weight.copy_(start + 2 * start.std() * torch.randn_like(weight))
    for pair in ((moved, model), (model, moved)):
        again = seeds(*pair)
        assert again[0] != drawn[0]
        assert again[1:] == drawn[1:]


def test_untrained_targets_follow_the_digests_of_both_models(tokenizer: Any) -> None:
    model = tiny.model("llama", tokenizer)
    drawn = [seed for digests in (("x", "y"), ("x", "z"), ("w", "y")) for seed in seeds(model, model, digests)]
    assert len(set(drawn)) == 9


def test_a_longer_embedding_is_compared_on_the_shared_rows(tokenizer: Any) -> None:
    fresh = fresh_model(tiny.model("llama", tokenizer), 5)
    longer = tiny.model("llama", tokenizer, vocab_size=tiny.VOCABULARY + 1)
    assert not related(fresh, longer)
    longer.network.get_input_embeddings().weight[: tiny.VOCABULARY] = fresh.network.get_input_embeddings().weight
    assert related(fresh, longer)


def test_a_config_whose_initial_weights_are_not_random_is_not_assessable(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.model("llama", tokenizer)
    monkeypatch.setattr(fresh_models, "fresh_model", lambda like, _seed: like)
    with pytest.raises(InputError, match="not assessable"):
        untrained_target(model, model, ("x", "y"), 0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_untrained_model_against_itself_is_a_shared_basis(
    seed: int, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh_model(tiny.model("llama", tokenizer), seed)
    monkeypatch.setattr(stitch, "TOKENS", 200)
    shared = controls(model, model, CHUNKS, model.sites[1:], ("", ""), silent, Cache(None))
    found = measure_pair(model, model, CHUNKS, model.sites[1:], {}, controls=shared).result
    for site in found.sites:
        assert max(site.nulls_affine.untrained) < 0.5
        assert site.verdict is not None
        assert site.verdict.verdict != "not aligned"


def test_stitching_equals_a_forward_pass_with_rows_replaced(
    measured: tuple[LanguageModel, LanguageModel, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, pair = measured
    index = 1
    site, fitted = a.sites[index], pair.maps[a.sites[index].name]
    text = replace(CHUNKS, ids=CHUNKS.ids % 60 + 1)
    test, unit = bootstrap_units(text.split("test"))
    found = pair.result.sites[index].stitch
    assert found is not None
    monkeypatch.setattr(stitch, "TOKENS", 200)
    sample = stitch.Stitcher(a, b, text.split("fit"), test, unit.count, stitch.NormLimits()).sample
    assert found.tokens == int(sample.predicted.sum())

    def loss(receiver: LanguageModel, rows: torch.Tensor | None) -> float:
        def before(_module: Any, args: Any, kwargs: Any) -> Any:
            hidden = (args[0] if args else kwargs["hidden_states"]).clone()
            if rows is not None:
                hidden[:, 1:] = rows[:, 1:]
            return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

        handle = receiver.blocks[index].register_forward_pre_hook(before, with_kwargs=True)
        with torch.no_grad():
            logits = receiver.network(input_ids=sample.ids).logits[:, :-1]
        handle.remove()
        return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), sample.ids[:, 1:].flatten()))

    x, y = (residuals(m, sample.ids, [site])[site] for m in (a, b))
    turned, m, s = fitted["rotated"], fitted["affine"], pair.result.sites[index].rotation.scale
    assert s is not None
    to_target = {
        "mean": turned.mean_target.expand_as(x),
        "translation": x - turned.mean_source + turned.mean_target,
        "orthogonal": (x - turned.mean_source) @ turned.matrix.T + turned.mean_target,
        "orthogonal_scale": (x - turned.mean_source) @ turned.matrix.T / s + turned.mean_target,
        "affine": (x - m.mean_source) @ m.forward + m.mean_target,
        "shuffled": (x - turned.mean_source) @ fitted["shuffled"].matrix.T + turned.mean_target,
    }
    scaled = s * (y - turned.mean_target) @ turned.matrix + turned.mean_source
    to_source = {"mean": turned.mean_source.expand_as(y), "orthogonal": turned(y), "affine": m(y)}
    to_source["orthogonal_scale"] = scaled
    counts = np.bincount(text.split("fit").ids.flatten().numpy(), minlength=320)
    for receiver, arms, scores in ((b, to_target, found.source_to_target), (a, to_source, found.target_to_source)):
        own, mean = loss(receiver, None), loss(receiver, arms["mean"])
        assert scores.loss == pytest.approx(own, rel=1e-4)
        assert scores.base == pytest.approx(min(mean, scores.unigram), rel=1e-4)
        truth = sample.ids[:, 1:].flatten().numpy()
        assert scores.unigram == pytest.approx(-np.log(counts[truth] / counts.sum()).mean(), abs=0.01)
        for arm, rows in arms.items():
            expected = (scores.base - loss(receiver, rows)) / (scores.base - own)
            assert scores[arm].value == pytest.approx(expected, rel=1e-3, abs=1e-3), arm
    assert tiny.hooks(a) == tiny.hooks(b) == 0


def test_the_unigram_model_leaves_good_and_turings_share_to_unseen_tokens() -> None:
    ids = torch.tensor([[1, 1, 1, 2], [2, 3, 4, 9]])
    chunks = replace(tiny.chunks(2)[:2], ids=ids, valid=torch.ones(2, 4).bool())
    p = stitch.unigram(replace(chunks, valid=chunks.valid & (chunks.ids < 9)), 10).exp()
    assert float(p.sum()) == pytest.approx(1)
    assert float(p[[0, 5, 6, 7, 8, 9]].sum()) == pytest.approx(2 / 7), "two of seven tokens were seen once"
    assert float(p[1] / p[3]) == pytest.approx(3)


def test_the_bootstrap_draws_documents_blocks_or_groups() -> None:
    few, unit = bootstrap_units(tiny.chunks(4, per_document=30, context=64))
    assert unit == BootstrapUnit("blocks of 1,024 tokens", -(-120 * 64 // 1024)), "fewer than ten documents"
    assert few.document.diff().ge(0).all()
    some, unit = bootstrap_units(tiny.chunks(40))
    assert (unit, len(some.document.unique())) == (BootstrapUnit("documents", 40), 40)
    many, unit = bootstrap_units(tiny.chunks(1000))
    assert (unit, len(many.document.unique())) == (BootstrapUnit("groups of neighbouring documents", 400), 400)
    assert set(many.document.diff().tolist()) == {0, 1}
    cut = [replace(tiny.chunks(n), in_blocks=True)[slice(0, 2 * n)] for n in (40, 1000)]
    kinds = [str(bootstrap_units(text)[1]) for text in cut]
    assert kinds == [
        "40 blocks of 1,024 tokens of the test text",
        "400 groups of neighbouring blocks of 1,024 tokens of the test text",
    ]
