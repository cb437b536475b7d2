"""A measured pair of independent models against a plain computation that holds every row in memory."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.special import log_softmax
from test_sae import random_sae

from explorer import metrics
from explorer.alignment import dictionary_scorer
from explorer.alignment.dictionary_results import DictionaryScore, dial_lines, restored
from explorer.alignment.geodesic import dial
from explorer.alignment.map_registry import arms
from explorer.alignment.orthogonal import NULL_SEED, haar
from explorer.alignment.pair import Pair, measure_pair
from explorer.alignment.result_json import decode_result, encode_result
from explorer.estimates import Estimate
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.models.massive import BATCH
from explorer.number_text import interval
from explorer.sae.sae import SAE
from explorer.text.windows import shuffle

CHUNKS = tiny.chunks(70)


@pytest.fixture(scope="module")
def measured(tokenizer: Any) -> tuple[LanguageModel, LanguageModel, SAE, Pair]:
    torch.manual_seed(0)
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    random = random_sae("topk", 6, d=a.d_model, f=50)
    # Rows have a mean square of about 100: a decoder of the transposed encoder is of their size.
    sae = replace(random, W_enc=0.5 * random.W_dec.T.contiguous(), b_enc=torch.zeros(50))
    return a, b, sae, measure_pair(a, b, CHUNKS, a.sites, {a.sites[2].name: sae}, ("x", "y"))


def rows(model: LanguageModel, split: str, index: int) -> torch.Tensor:
    part = CHUNKS.split(split)
    return residuals(model, part.ids, model.sites)[model.sites[index]][:, 1:].flatten(0, 1)


def test_the_ladder_equals_plain_fits(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    a, b, _, pair = measured
    for index, found in enumerate(pair.result.sites):
        fit_a, fit_b, test_a, test_b = (rows(m, s, index).double() for s in ("fit", "test") for m in (a, b))
        assert (found.rows_fit, found.rows_test, found.dropped) == (len(fit_a), len(test_a), 0)
        mean_a, mean_b = fit_a.mean(0), fit_b.mean(0)
        r, _ = orthogonal_procrustes((fit_b - mean_b).numpy(), (fit_a - mean_a).numpy())
        r = torch.from_numpy(r)
        scale = ((fit_b - mean_b) @ r * (fit_a - mean_a)).sum() / ((fit_b - mean_b) ** 2).sum()
        # A validated ridge is at least as good as plain least squares, and not much better on as many rows as here.
        design = torch.cat([fit_b, torch.ones(len(fit_b), 1)], 1)
        least = torch.linalg.lstsq(design, fit_a).solution
        plain = {
            "identity": test_b,
            "translation": test_b - mean_b + mean_a,
            "orthogonal": (test_b - mean_b) @ r + mean_a,
            "orthogonal_scale": scale * (test_b - mean_b) @ r + mean_a,
            "affine": torch.cat([test_b, torch.ones(len(test_b), 1)], 1) @ least,
        }
        for name, guess in plain.items():
            expected = metrics.explained_variance(test_a, guess)
            value = found.ladder[name].value
            if name == "affine":
                assert expected - 0.005 < value < expected + 0.1
            else:
                assert value == pytest.approx(expected, abs=1e-4), name
        null = (test_b - mean_b) @ haar(a.d_model, NULL_SEED) + mean_a
        assert found.ladder.random == pytest.approx(metrics.explained_variance(test_a, null), abs=1e-4)
        assert len(found.ladder.shuffled) == 19
        if index == 0:
            assert found.ladder["affine"].value > 0.04, "the same token at the input leaves something for a map to find"


def test_shuffled_maps_are_refitted_to_wrong_pairs(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    a, b, _, pair = measured
    part = shuffle(CHUNKS.split("fit"))
    x, y = (residuals(m, part.ids, m.sites)[m.sites[0]] for m in (a, b))
    sources, targets = [], []
    for start in range(0, len(part), BATCH):
        documents = part.document[start : start + BATCH]
        for i in range(len(documents)):
            if documents[i] != documents[i - 1]:
                sources.append(x[start + i, 1:])
                targets.append(y[start + i - 1 if i else start + len(documents) - 1, 1:])
    s, t = torch.cat(sources).double(), torch.cat(targets).double()
    r, _ = orthogonal_procrustes((t - t.mean(0)).numpy(), (s - s.mean(0)).numpy())
    test_a, test_b = rows(a, "test", 0).double(), rows(b, "test", 0).double()
    guess = (test_b - rows(b, "fit", 0).double().mean(0)) @ r + rows(a, "fit", 0).double().mean(0)
    expected = metrics.explained_variance(test_a, guess)
    assert pair.result.sites[0].ladder.shuffled[0] == pytest.approx(expected, abs=1e-3)
    np.testing.assert_allclose(pair.maps[a.sites[0].name]["shuffled"].matrix, r, atol=1e-3)


@pytest.mark.parametrize("templates", [7, 70])
def test_shuffled_pairs_share_nothing_that_was_read(templates: int, tokenizer: Any) -> None:
    """Documents that are equal but for their last token, and duplicates: true pairs would lift the null."""
    a = tiny.model("llama", tokenizer)
    ids = CHUNKS.ids[CHUNKS.document % templates * 2 + CHUNKS.offset // CHUNKS.ids.shape[1]].clone()
    ids[:, -1] = CHUNKS.ids[:, -1]
    text = replace(CHUNKS, ids=ids)
    text = replace(
        text,
        ids=torch.cat([text.ids, text.ids]),
        **{
            "valid": torch.cat([text.valid, text.valid]),
            "document": torch.cat([text.document, text.document + 70]),
            "offset": torch.cat([text.offset, text.offset]),
            "first": torch.cat([text.first, text.first]),
        },
    )
    found = measure_pair(a, replace(a, name="B"), text, [a.sites[1]], {}).result.sites[0]
    assert max(found.nulls.shuffled) < 0.1
    assert max(found.nulls_affine.shuffled) < 0.3


def test_the_dictionary_under_every_map(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    a, b, sae, pair = measured
    found = pair.result.sites[2]
    assert found.dictionary is not None
    assert found.firing is not None
    test_a, test_b = rows(a, "test", 2), rows(b, "test", 2)
    own = sae.encode(test_a)
    reads = {"ceiling": test_a, **{arm: pair.maps[found.site][arm](test_b) for arm in arms()}}
    for arm, read in reads.items():
        score = found.dictionary[arm]
        assert score.paper.value == pytest.approx(metrics.explained_variance(read, sae(read)), rel=1e-4)
        assert score.faithful.value == pytest.approx(metrics.explained_variance(test_a, sae(read)), rel=1e-4)
        activations = sae.encode(read)
        assert score.l0 == pytest.approx(float((activations > 0).sum(1).float().mean()), abs=1e-3)
        if arm in ("ceiling", "random"):
            continue
        enough = ((own > 0).sum(0) >= 20) & ((activations > 0).sum(0) >= 20)
        r = [np.corrcoef(own[:, f], activations[:, f])[0, 1] for f in torch.nonzero(enough).flatten().tolist()]
        # torch's median of an even number of values is the lower of the two in the middle.
        assert found.firing[arm] == pytest.approx(sorted(r)[(len(r) - 1) // 2], abs=1e-3)
    assert all(
        s.dictionary is None and s.dial is None and s.firing is None for s in pair.result.sites if s is not found
    )


def test_what_comes_back_is_told_with_the_interval_of_the_same_draws(
    measured: tuple[LanguageModel, LanguageModel, SAE, Pair],
) -> None:
    a, b, sae, pair = measured
    found = pair.result.sites[2]
    assert found.dictionary is not None and found.dictionary_name == sae.name
    test_a, test_b = rows(a, "test", 2).double(), rows(b, "test", 2).double()
    reads = {"ceiling": test_a} | {
        arm: pair.maps[found.site][arm](test_b.float()).double() for arm in ("rotated", "affine", "shuffled")
    }
    _, document = CHUNKS.split("test").document.unique(return_inverse=True)
    document = document.repeat_interleave(CHUNKS.ids.shape[1] - 1)
    truths = {"faithful": dict.fromkeys(reads, test_a), "paper": reads}
    weights = np.concatenate([np.ones((1, n := int(document.max()) + 1)), drawn(n)])

    rebuilt = {arm: sae(read.float()).double() for arm, read in reads.items()}

    def ev(arm: str, reading: str, weight: np.ndarray) -> float:
        truth, w = truths[reading][arm], torch.from_numpy(weight)[document][:, None]
        mean = (w * truth).sum(0) / w.sum()
        return 1 - float((w * (truth - rebuilt[arm]) ** 2).sum() / (w * (truth - mean) ** 2).sum())

    for reading in ("faithful", "paper"):
        for arm in ("rotated", "affine"):
            own, wrong, home = (
                np.array([ev(x, reading, weight) for weight in weights]) for x in (arm, "shuffled", "ceiling")
            )
            values = (own - wrong) / (home - wrong)
            bounds = np.quantile(values[1:], [0.025, 0.975]) if (home > wrong).all() else [np.nan, np.nan]
            e = restored(found.dictionary, arm, reading)  # type: ignore[arg-type]
            assert e is not None and (e.value, e.low, e.high) == pytest.approx(
                (values[0], *bounds), rel=2e-3, nan_ok=True
            )
            assert np.isnan(e.low) == (reading == "paper"), "of this dictionary some draws leave no room in one reading"
    zero, one = (restored(found.dictionary, arm) for arm in ("shuffled", "ceiling"))
    assert zero is not None and (zero.low, zero.value, zero.high) == (0, 0, 0)
    assert one is not None and (one.low, one.value, one.high) == (1, 1, 1)


def drawn(documents: int) -> np.ndarray:
    """The bootstrap's draws: how often each document counts."""
    return np.random.default_rng(0).multinomial(documents, np.full(documents, 1 / documents), size=400)


def test_older_scores_have_the_number_without_an_interval() -> None:
    at = Estimate(0.5, 0.4, 0.6)
    scores = {
        arm: DictionaryScore(replace(at, value=paper), replace(at, value=faithful), 3.0)
        for arm, paper, faithful in (("ceiling", 0.9, 0.9), ("shuffled", 0.4, -0.6), ("rotated", 0.65, 0.15))
    }
    for reading in ("faithful", "paper"):
        e = restored(scores, "rotated", reading)  # type: ignore[arg-type]
        assert e is not None and e.value == pytest.approx(0.5) and np.isnan([e.low, e.high]).all()
        assert interval(e) == "0.50"
    hopeless = {**scores, "shuffled": scores["ceiling"]}
    assert restored(hopeless, "rotated") is None


def test_results_from_before_open_and_say_what_they_can(
    measured: tuple[LanguageModel, LanguageModel, SAE, Pair],
) -> None:
    result = measured[3].result
    older = json.loads(encode_result(result))
    for site in older["sites"]:
        del site["dictionary_name"]
        for score in (site["dictionary"] or {}).values():
            del score["restored_paper"], score["restored_faithful"]
        if site["dial"]:
            del site["dial"]["faithful"], site["dial"]["shuffled_faithful"]
    found, now = decode_result(json.dumps(older).encode()).sites[2], result.sites[2]
    assert found.dictionary is not None and now.dictionary is not None and found.dictionary_name is None
    before, after = (restored(d, "affine") for d in (found.dictionary, now.dictionary))
    assert before is not None and after is not None
    assert before.value == pytest.approx(after.value) and np.isnan(before.low) and not np.isnan(after.low)
    assert decode_result(encode_result(result)) == result


def test_the_dial_moves_between_translation_and_rotation(
    measured: tuple[LanguageModel, LanguageModel, SAE, Pair],
) -> None:
    a, b, sae, pair = measured
    found, fitted = pair.result.sites[2], pair.maps[measured[0].sites[2].name]
    assert found.dial is not None and found.dictionary is not None
    test_a, test_b = rows(a, "test", 2), rows(b, "test", 2)
    turned, grey = fitted["special"](test_b), fitted["shuffled_special"](test_b)
    ev = metrics.explained_variance
    assert found.dial.faithful is not None and found.dial.shuffled_faithful is not None
    for line, first, last in (
        (found.dial.direct, ev(test_a, test_b), ev(test_a, turned)),
        (found.dial.dictionary, ev(test_b, sae(test_b)), ev(turned, sae(turned))),
        (found.dial.shuffled, ev(test_b, sae(test_b)), ev(grey, sae(grey))),
        (found.dial.faithful, ev(test_a, sae(test_b)), ev(test_a, sae(turned))),
        (found.dial.shuffled_faithful, ev(test_a, sae(test_b)), ev(test_a, sae(grey))),
    ):
        assert (line[0], line[-1]) == pytest.approx((first, last), rel=1e-4, abs=1e-5)
    half = dial(fitted["special"])(test_b, 0.5)
    assert found.dial.faithful[10] == pytest.approx(ev(test_a, sae(half)), rel=1e-4)
    assert found.dial.ceiling == pytest.approx(ev(test_a, sae(test_a)), abs=1e-5)
    assert found.dial.dictionary[0] == pytest.approx(found.dictionary["raw"].paper.value, abs=1e-9)
    lines = dial_lines(found.dial, found.dictionary)
    back = restored(found.dictionary, "raw")
    assert (
        back is not None and lines.true[0] == pytest.approx(back.value) and (lines.top, lines.scale) == (1, "restored")
    )
    older = replace(found.dial, faithful=None, shuffled_faithful=None)
    assert dial_lines(older, found.dictionary).reading == "paper"
    assert dial_lines(older, found.dictionary, "paper", "EV").true == found.dial.dictionary
    cost = found.ladder["orthogonal"].value - ev(test_a, turned)
    assert found.rotation.special_cost == pytest.approx(max(cost, 0), abs=1e-4)
    determinants = {round(s.rotation.determinant, 3) for s in pair.result.sites}
    assert determinants <= {-1.0, 1.0}
    for site in pair.result.sites:
        assert (site.rotation.special_cost == 0) or site.rotation.determinant < 0


def test_the_dial_of_a_part_of_the_rows_ends_where_all_of_them_do(
    measured: tuple[LanguageModel, LanguageModel, SAE, Pair],
) -> None:
    a, b, sae, pair = measured
    whole, fitted = pair.result.sites[2].dial, pair.maps[measured[0].sites[2].name]
    assert whole is not None and whole.faithful is not None
    test_a, test_b = rows(a, "test", 2), rows(b, "test", 2)
    own = metrics.ExplainedVariance(1, a.d_model)
    scorer = dictionary_scorer.DictionaryScorer(sae, fitted, 1, own)
    document = torch.zeros(len(test_a), dtype=torch.long)
    own.add(test_a, test_b, document)
    scorer.add(test_a, test_b, document)
    part = slice(0, 60)
    found = scorer.dial(test_a[part], test_b[part], (whole.direct[0], whole.direct[-1]))
    assert found.faithful is not None and found.shuffled_faithful is not None
    plain = [metrics.explained_variance(test_a[part], sae(x)) for x in (test_b[part], fitted["special"](test_b[part]))]
    assert abs(plain[0] - whole.faithful[0]) > 1e-3, "the part is not the whole"
    for name in ("dictionary", "direct", "shuffled", "faithful", "shuffled_faithful"):
        line, full = getattr(found, name), getattr(whole, name)
        assert (line[0], line[-1]) == pytest.approx((full[0], full[-1]), rel=1e-5, abs=1e-6), name
    middle = metrics.explained_variance(test_a[part], sae(dial(fitted["special"])(test_b[part], 0.25)))
    shift = 0.75 * (whole.faithful[0] - plain[0]) + 0.25 * (whole.faithful[-1] - plain[1])
    assert found.faithful[5] == pytest.approx(middle + shift, rel=1e-4)


def test_function_numbers_equal_scipy(measured: tuple[LanguageModel, LanguageModel, SAE, Pair]) -> None:
    a, b, _, pair = measured
    ids = CHUNKS.split("test").ids
    with torch.no_grad():
        p, q = (log_softmax(m.network(input_ids=ids).logits[:, :-1].double().numpy(), axis=-1) for m in (a, b))
    truth = ids[:, 1:, None].numpy()
    found = pair.result.function
    assert found.loss_source == pytest.approx(-np.take_along_axis(p, truth, -1).mean(), rel=1e-4)
    assert found.loss_target == pytest.approx(-np.take_along_axis(q, truth, -1).mean(), rel=1e-4)
    assert found.kl == pytest.approx((np.exp(p) * (p - q)).sum(-1).mean(), rel=1e-4)
    assert found.top1_agreement == pytest.approx((p.argmax(-1) == q.argmax(-1)).mean(), abs=2e-3)
    assert (pair.result.source_sha256, pair.result.target_sha256) == ("x", "y")
