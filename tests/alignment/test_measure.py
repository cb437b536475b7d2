"""A measured pair of independent models against a plain computation that holds every row in memory."""

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
from explorer.alignment.map_registry import arms
from explorer.alignment.orthogonal import haar
from explorer.alignment.pair import Pair, measure_pair
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.models.massive import BATCH
from explorer.sae.sae import SAE
from explorer.text.chunks import shuffle

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
        null = (test_b - mean_b) @ haar(a.d_model, 0) + mean_a
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


def test_the_dial_moves_between_translation_and_rotation(
    measured: tuple[LanguageModel, LanguageModel, SAE, Pair],
) -> None:
    a, b, sae, pair = measured
    found, fitted = pair.result.sites[2], pair.maps[measured[0].sites[2].name]
    assert found.dial is not None
    test_a, test_b = rows(a, "test", 2), rows(b, "test", 2)
    assert found.dial.direct[0] == pytest.approx(metrics.explained_variance(test_a, test_b), abs=1e-4)
    assert found.dial.direct[-1] == pytest.approx(
        metrics.explained_variance(test_a, fitted["special"](test_b)), abs=1e-3
    )
    assert found.dial.ceiling == pytest.approx(metrics.explained_variance(test_a, sae(test_a)), abs=1e-4)
    assert found.dial.dictionary[0] == pytest.approx(metrics.explained_variance(test_b, sae(test_b)), abs=1e-4)
    turned = fitted["shuffled_special"](test_b)
    assert found.dial.shuffled[-1] == pytest.approx(metrics.explained_variance(turned, sae(turned)), abs=1e-3)
    cost = found.ladder["orthogonal"].value - metrics.explained_variance(test_a, fitted["special"](test_b))
    assert found.rotation.special_cost == pytest.approx(max(cost, 0), abs=1e-4)
    determinants = {round(s.rotation.determinant, 3) for s in pair.result.sites}
    assert determinants <= {-1.0, 1.0}
    for site in pair.result.sites:
        assert (site.rotation.special_cost == 0) or site.rotation.determinant < 0


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
