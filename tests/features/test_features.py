"""Corpus, labels, catalogue and correspondence: planted partners, contexts and labels checked directly."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from sklearn.metrics import f1_score

from explorer.alignment.map_registry import arms
from explorer.alignment.orthogonal import haar
from explorer.alignment.pair import measure_pair
from explorer.alignment.twin import make_twin
from explorer.errors import InputError
from explorer.features.correspondence import correspond, nearest_partners, one_to_one, one_to_one_nearest
from explorer.features.feature_catalogue import catalogue
from explorer.features.label_tally import THRESHOLDS, LabelTally
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.models.logit_lens import logit_effect, promoted_tokens
from explorer.models.sites import Site
from explorer.sae.sae import SAE
from explorer.text.labels import label_tokens
from explorer.text.tales import stories as tales
from explorer.text.windows import SPLITS, Chunks, TextReading, read_windows, split_of

DOCUMENTS = list(tales.documents("example", 24))


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> LanguageModel:
    return tiny.model("llama", tokenizer)


@pytest.fixture(scope="module")
def chunks(tokenizer: Any) -> Chunks:
    return read_windows([d.text for d in DOCUMENTS], tokenizer, TextReading(40))


@pytest.fixture(scope="module")
def sae(model: LanguageModel, chunks: Chunks) -> SAE:
    """Directions of token embeddings as a dictionary of the input site: features that fire on known tokens."""
    rows = residuals(model, chunks.ids, [Site(0, 3)])[Site(0, 3)][chunks.scored].clone()
    centre = rows.mean(0)
    chosen = rows[torch.randperm(len(rows))[:60]] - centre
    directions = chosen / chosen.norm(dim=1, keepdim=True)
    return SAE("topk", 4, directions.T.contiguous(), torch.zeros(60), directions, centre, "blocks.0.hook_resid_pre")


def test_splits_are_by_document(chunks: Chunks) -> None:
    parts = {name: set(chunks.split(name).document.tolist()) for name in SPLITS}
    assert set.union(*parts.values()) == set(range(len(DOCUMENTS)))
    assert sum(map(len, parts.values())) == len(DOCUMENTS)
    shares = [sum(split_of(i) == name for i in range(5000)) / 5000 for name in SPLITS]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.02)


def test_a_limit_of_tokens_cuts_after_whole_documents(tokenizer: Any) -> None:
    texts = [d.text for d in DOCUMENTS]
    lengths = [len(tokenizer(t, add_special_tokens=False)["input_ids"]) for t in texts]
    limited = read_windows(texts, tokenizer, TextReading(40), max_tokens=sum(lengths[:3]) + 1)
    assert int(limited.own.sum()) == sum(lengths[:4])
    for empty in ([], [""], ["", ""]):
        with pytest.raises(InputError, match="the text is empty"):
            read_windows(empty, tokenizer, TextReading(128))


def test_label_matrix_equals_characters(chunks: Chunks, tokenizer: Any) -> None:
    labels = label_tokens(DOCUMENTS, chunks, tokenizer)
    assert labels.matrix.shape == (*chunks.ids.shape, len(labels.names))
    genres = [i for i, n in enumerate(labels.names) if n.startswith("genre=")]
    for row in range(len(chunks)):
        d = DOCUMENTS[int(chunks.document[row])]
        count = int(chunks.valid[row].sum())
        assert not labels.matrix[row, count:].any()
        expected = labels.names.index(f"genre={d.latents['genre']}")
        assert labels.matrix[row, :count, expected].all()
        assert int(labels.matrix[row][:, genres].sum()) == count
        before = tokenizer.decode(tokenizer(d.text, add_special_tokens=False)["input_ids"][: int(chunks.offset[row])])
        position = len(before)
        for t in range(count):
            position += len(tokenizer.decode([int(chunks.ids[row, t])]))
            inside = {s.value for s in d.spans if s.key == "slot" and s.start < position <= s.end}
            carried = [labels.names[i] for i in labels.matrix[row, t].nonzero().flatten().tolist()]
            assert {n.removeprefix("slot=") for n in carried if n.startswith("slot=")} == inside


def test_best_label_equals_sklearn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((400, 3)) < [0.2, 0.4, 0.1]
    activations = rng.random((400, 5)) * (rng.random((400, 5)) < 0.4)
    activations[:, 1] = truth[:, 2] * 0.7 + 0.1 * (rng.random(400) < 0.5)  # clean above a quarter of its maximum
    activations[:, 2] = 0
    labels = ("a=0", "a=1", "a=2")
    rows, carried = torch.from_numpy(activations), torch.from_numpy(truth)
    tally = LabelTally(rows.amax(0).float(), 3)
    for part in (slice(0, 150), slice(150, 400)):
        tally.add(rows[part], carried[part])
    names, f1, share = tally.best(labels)
    for f in range(5):
        top = activations[:, f].max()
        scores = {
            (label, s): f1_score(truth[:, label], activations[:, f] > s * top, zero_division=0)
            for label in range(3)
            for s in THRESHOLDS
        }
        assert float(f1[f]) == pytest.approx(max(scores.values()), abs=1e-6)
        assert scores[labels.index(names[f]), float(share[f])] == pytest.approx(max(scores.values()), abs=1e-6)
    assert (names[1], float(f1[1])) == ("a=2", 1.0)
    assert float(share[1]) > 0
    assert float(f1[2]) == 0


def test_the_catalogue_says_what_a_direct_pass_says(
    model: LanguageModel, chunks: Chunks, sae: SAE, tokenizer: Any
) -> None:
    labels = label_tokens(DOCUMENTS, chunks, tokenizer)
    site = Site(0, 3)
    frame = catalogue(model, chunks, {site: sae}, labels)
    assert len(frame) == sae.n_features
    activations = torch.zeros(len(chunks), 40, sae.n_features)
    for i in range(len(chunks)):
        activations[i] = sae.encode(residuals(model, chunks.ids[i : i + 1], [site])[site][0])
    activations[~chunks.scored] = 0
    flat = activations[chunks.scored]
    for row in frame.itertuples():
        own = activations[:, :, row.feature].amax(1)
        assert row.largest == pytest.approx(float(own.max()), rel=2e-3)
        assert row.density == pytest.approx(float((flat[:, row.feature] > 0).float().mean()), abs=1e-3)
        known = row.contexts >= 0
        found = own[torch.from_numpy(row.contexts[known]).long()]
        best = own.sort(descending=True).values[:12]
        np.testing.assert_allclose(found, best[best > 0], rtol=2e-3)
        for chunk, peak in zip(row.contexts[known], row.peaks[known], strict=True):
            assert float(activations[chunk, peak, row.feature]) == pytest.approx(float(own[chunk]), rel=2e-3)
        fires = set(torch.nonzero(own > 0).flatten().tolist())
        quarters = [set(q.tolist()) for q in row.quarters.reshape(4, 3)]
        assert len(fires) < 12 or set.union(*quarters) <= fires
        if len(fires) >= 12:
            means = [float(own[list(q)].mean()) for q in quarters]
            assert means == sorted(means, reverse=True)
        key, _, value = row.label.partition("=")
        truth = np.array([
            dict(n.split("=", 1) for n, on in zip(labels.names, carried, strict=True) if on).get(key) == value
            for carried in labels.matrix[chunks.scored].numpy()
        ]) if row.feature < 5 else None  # fmt: skip
        if truth is not None:
            fires = (flat[:, row.feature] > row.threshold * own.max()).numpy()
            assert row.f1 == pytest.approx(f1_score(truth, fires), abs=0.01)
    assert [s[:1] for s in frame.suppressed] != [p[:1] for p in frame.promoted]
    plain = catalogue(model, chunks, {site: sae})
    assert (plain.label == "").all() and plain.f1.isna().all() and plain.density.equals(frame.density)


def test_promoted_tokens_are_those_of_the_largest_logits(model: LanguageModel, sae: SAE) -> None:
    effect = logit_effect(model, sae.W_dec[:5])
    for row, words in zip(effect, promoted_tokens(model, sae.W_dec[:5], 3), strict=True):
        assert words == [model.tokenizer.decode([int(i)]) for i in row.argsort(descending=True)[:3]]
    head = model.network.get_output_embeddings().weight
    v = head[33] / model.final_norm.weight  # type: ignore[operator]
    assert int(logit_effect(model, v[None]).argmax()) == int((head @ head[33]).argmax())


def test_rows_of_padding_are_promoted_by_nothing(model: LanguageModel, sae: SAE) -> None:
    padded = replace(model, network=model.copy_network())
    padded.network.resize_token_embeddings(tiny.VOCABULARY + 9)
    padded.network.get_output_embeddings().weight[tiny.VOCABULARY :] = 100 * sae.W_dec[:9]
    assert promoted_tokens(padded, sae.W_dec[:5]) == promoted_tokens(model, sae.W_dec[:5])


def test_planted_partners_are_found() -> None:
    d, f = 24, 50
    directions = torch.randn(f, d)
    q, order = haar(d, 1).float(), torch.randperm(f)
    target = (directions @ q)[order] * 3
    back = target @ q.T
    found = nearest_partners(directions, back)
    inverse = order.argsort()
    assert torch.equal(found.partner, inverse)
    assert found.mutual.all()
    np.testing.assert_allclose(found.cosine, 1, atol=1e-5)
    assert float(nearest_partners(directions, target).cosine.mean()) < 0.8
    noisy = back + 0.3 * torch.randn_like(back)
    dense = one_to_one(torch.nn.functional.normalize(directions) @ torch.nn.functional.normalize(noisy).T)
    assert torch.equal(dense, inverse)
    assert torch.equal(one_to_one_nearest(directions, noisy, candidates=8), inverse)


def test_sparse_assignment_costs_no_more_than_the_full_one_where_all_are_candidates() -> None:
    a, b = torch.randn(30, 5), torch.randn(40, 5)
    cosines = torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
    dense, sparse = one_to_one(cosines), one_to_one_nearest(a, b, candidates=40)
    rows = torch.arange(30)
    assert float(cosines[rows, sparse].sum()) == pytest.approx(float(cosines[rows, dense].sum()), abs=1e-4)
    assert len(set(sparse.tolist())) == 30
    left_out = one_to_one_nearest(a, a[:1], candidates=1)
    assert left_out.tolist().count(0) == 1 and left_out.tolist().count(-1) == 29


def test_mutual_means_nearest_both_ways() -> None:
    a = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    b = torch.tensor([[1.0, 0.02], [0.0, 1.0]])
    found = nearest_partners(a, b)
    assert found.partner.tolist() == [0, 0, 1]
    assert found.mutual.tolist() == [True, False, True]
    assert one_to_one(a @ b.T).tolist() == [0, -1, 1]
    assert one_to_one(torch.tensor([[float("nan"), 0.1], [0.3, 0.2]])).tolist() == [1, 0]


def test_correspondence_of_a_permuted_rotated_dictionary(model: LanguageModel, sae: SAE, tokenizer: Any) -> None:
    """The twin's dictionary is A's, rotated and with its features in another order: R must find every partner."""
    site, twin = Site(0, 3), make_twin(model, 5)
    text = read_windows([d.text for d in tales.documents("example", 60)], tokenizer, TextReading(40))
    pair = measure_pair(model, twin, text, [site], {site.name: sae})
    zero, order = torch.zeros(model.d_model), torch.randperm(sae.n_features)
    carried = sae.rotated_for_target(pair.maps[site.name]["rotated"].matrix, zero, zero)
    own = SAE("topk", 4, carried.W_enc[:, order], carried.b_enc[order], carried.W_dec[order], carried.b_dec)
    frame = correspond(model, twin, text.split("test"), pair.maps, pair.firing, {site: sae}, {site: own})
    rows = residuals(model, text.split("test").ids, [site])[site][text.split("test").scored]
    alive = (sae.encode(rows) > 0).sum(0).numpy()
    firing = frame[alive >= 20]
    assert len(firing) > 20
    partners = order.argsort().numpy()
    unique = [f for f in firing.feature if int((sae.W_dec @ sae.W_dec[f] > 0.999).sum()) == 1]
    assert len(unique) > 10
    chosen = firing.loc[unique]
    assert (chosen.partner == partners[unique]).all()
    assert chosen.mutual.all()
    assert (chosen.firing_partner == partners[unique]).all()
    np.testing.assert_allclose(chosen.cosine_rotated, 1, atol=1e-3)
    assert (chosen.one_to_one == partners[unique]).all()
    for column in ("r_rotated", "partner_r", "one_to_one_r", "firing_partner_r"):
        np.testing.assert_allclose(chosen[column], 1, atol=0.02)
    assert chosen.cosine_raw.mean() < 0.8
    assert chosen.r_raw.fillna(0).mean() < 0.4
    np.testing.assert_allclose(chosen.density_rotated, alive[unique] / len(rows), atol=2e-3)
    silent = frame[alive < 20]
    assert silent[[f"r_{arm}" for arm in arms()]].isna().all().all()
    assert set(frame.site) == {0}


def test_lists_of_partners_say_what_all_pairs_say(
    model: LanguageModel, sae: SAE, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wide dictionary compares only the nearest pairs: the same numbers where both look."""
    site, twin = Site(0, 3), make_twin(model, 5)
    text = read_windows([d.text for d in tales.documents("example", 60)], tokenizer, TextReading(40))
    pair = measure_pair(model, twin, text, [site], {site.name: sae})
    zero = torch.zeros(model.d_model)
    own = sae.rotated_for_target(pair.maps[site.name]["rotated"].matrix, zero, zero)
    inputs = (model, twin, text.split("test"), pair.maps, pair.firing, {site: sae}, {site: own})
    every = correspond(*inputs)
    monkeypatch.setattr("explorer.features.correspondence.PAIRS", 10)
    nearest = correspond(*inputs)
    assert every.partner.equals(nearest.partner) and every.mutual.equals(nearest.mutual)
    # Directions that occur twice may change places in the assignment; its worth may not.
    assert nearest.one_to_one_cosine.sum() == pytest.approx(every.one_to_one_cosine.sum(), abs=1e-3)
    same = every.one_to_one == nearest.one_to_one
    assert same.mean() > 0.4
    for column in ("partner_r", "one_to_one_r", "cosine_rotated", "one_to_one_cosine"):
        np.testing.assert_allclose(nearest[column][same], every[column][same], atol=1e-4)
    assert (nearest.firing_partner == -1).all() and nearest.firing_partner_r.isna().all()
