"""What the Features page highlights, against a direct forward pass, token by token; search and sentences."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from explorer import atlas, feature_sentences, maps, metrics
from explorer.activations import residuals
from explorer.atlas import Query
from explorer.contexts import label_f1, token_pieces, top_contexts
from explorer.labels import LabelMatrix
from explorer.maps import ResidualMap
from explorer.sae import SAE
from explorer.sites import Site
from explorer.twin import make_twin, twin_rotation
from explorer.ui.feature_card import contexts_html

SITE = Site(2, 3)


@pytest.fixture(scope="module")
def sae() -> SAE:
    g = torch.Generator().manual_seed(3)
    decoder = torch.randn(40, 24, generator=g)
    decoder /= decoder.norm(dim=1, keepdim=True)
    return SAE("topk", 4, decoder.T.contiguous(), torch.zeros(40), decoder, torch.zeros(24))


def plain(matrix: torch.Tensor) -> ResidualMap:
    zero = torch.zeros(len(matrix))
    return ResidualMap("rotated", matrix, zero, zero, matrix.T.contiguous())


def test_contexts_hold_the_activations_of_a_direct_pass(tokenizer: Any, sae: SAE) -> None:
    a, b = tiny.model("llama", tokenizer, 0), tiny.model("llama", tokenizer, 1, "B")
    chunks = tiny.chunks(4)
    chunks = replace(chunks, valid=chunks.valid & (torch.arange(24) < torch.tensor([[24], [17]] * 4)))
    fitted = plain(maps.haar(24, 5).float())
    feature = int((sae.encode(residuals(a, chunks.ids, [SITE])[SITE]) > 0).sum((0, 1)).argmax())
    found = top_contexts(a, b, fitted, sae, SITE, feature, chunks)
    assert found and [c.source[c.peak] for c in found] == sorted((c.source[c.peak] for c in found), reverse=True)
    for context in found:
        row = next(i for i in range(8) if tokenizer.decode(chunks.ids[i][chunks.valid[i]]) == "".join(context.pieces))
        ids = chunks.ids[row : row + 1]
        own = sae.encode(residuals(a, ids, [SITE])[SITE])[0, :, feature]
        read = sae.encode(residuals(b, ids, [SITE])[SITE] @ fitted.matrix)[0, :, feature]
        n = int(chunks.valid[row].sum())
        assert len(context.source) == len(context.target) == len(context.pieces) == n
        assert math.isnan(context.source[0]) and math.isnan(context.target[0])
        np.testing.assert_allclose(context.source[1:], own[1:n], atol=1e-4)
        np.testing.assert_allclose(context.target[1:], read[1:n], atol=1e-4)
        assert context.peak == 1 + int(own[1:n].argmax())
        assert context.peak in context.window()


def test_the_twin_read_through_its_rotation_highlights_the_same(tokenizer: Any, sae: SAE) -> None:
    a = tiny.model("llama", tokenizer)
    b, chunks = make_twin(a, 7), tiny.chunks(3)
    for context in top_contexts(a, b, plain(twin_rotation(24, 7).T.float()), sae, SITE, 11, chunks):
        np.testing.assert_allclose(context.source, context.target, atol=2e-3)


def test_pieces_join_to_the_text_even_where_tokens_share_a_character(tokenizer: Any) -> None:
    text = "One é, “two” 🐟 <b>three</b>\n four"
    ids = tokenizer(text)["input_ids"]
    pieces = token_pieces(tokenizer, ids)
    assert len(pieces) == len(ids) and "".join(pieces) == text


def test_text_is_never_markup(tokenizer: Any, sae: SAE) -> None:
    a, view = tiny.model("llama", tokenizer), _View()
    ids = torch.tensor([tokenizer('x <script>alert("1")</script> & <mark> **bold**\nnext')["input_ids"]])
    n = ids.shape[1]
    chunks = replace(tiny.chunks(1, 1, n), ids=ids)
    feature = int(sae.encode(residuals(a, ids, [SITE])[SITE])[0, 1:].amax(0).argmax())
    shown = contexts_html(top_contexts(a, a, plain(torch.eye(24)), sae, SITE, feature, chunks), True, view)  # type: ignore[arg-type]
    assert "<script" not in shown and "&lt;" in shown and "\n" in shown
    assert shown.count("<mark") == shown.count("</mark>") > 0


class _View:
    source, target, arm = "A", "B", "rotated"

    class palette:
        highlight = "0,0,0"


def test_f1_in_the_target_is_that_of_a_direct_count(tokenizer: Any, sae: SAE) -> None:
    b, chunks = tiny.model("llama", tokenizer, 1), tiny.chunks(6)
    g = torch.Generator().manual_seed(1)
    labels = LabelMatrix(("genre=a", "genre=b"), torch.rand(12, 24, 2, generator=g) > 0.6)
    chosen = ["genre=a", "genre=b"] * 20
    fitted = plain(maps.haar(24, 9).float())
    least = torch.full((40,), 0.3)
    found = label_f1(b, sae, SITE, {"rotated": fitted}, chunks, labels, chosen, least)["rotated"]
    fires = sae.encode(fitted(residuals(b, chunks.ids, [SITE])[SITE])[chunks.scored]) > 0.3
    every = metrics.f1_scores(fires, labels.matrix[chunks.scored])
    torch.testing.assert_close(found, every[torch.arange(40), torch.arange(40) % 2])


@pytest.fixture
def table() -> pd.DataFrame:
    n, nan = 4, float("nan")
    features = pd.DataFrame(
        {
            "site": 2,
            "feature": range(n),
            "density": [0.1, 0.02, 0.0, 0.01],
            "largest": 1.0,
            "threshold": 0.0,
            "label": ["slot=log_ships", "genre=letter", "mood=sad", "genre=log"],
            "f1": [0.81, 0.6, 0.0, 0.1],
            "promoted": [[" ship"], [" dear", "est"], [], [".*"]],
            "contexts": [[0]] * n,
            "x": 0.0,
            "y": 0.0,
        }
    )
    fate = pd.DataFrame(
        {
            "site": 2,
            "feature": range(n),
            "r_rotated": [0.71, 0.9, nan, nan],
            "r_raw": [0.02, nan, nan, 0.1],
            "r_shuffled": [-0.001, 0.2, nan, 0.1],
        }
    )
    fate["mutual"], fate["partner"] = [True, False, False, False], 3
    return atlas.atlas(features, fate, Site(2, 4))


def test_search(table: pd.DataFrame) -> None:
    def ids(**query: Any) -> list[int]:
        return list(atlas.search(table, Query(**query)).index)

    assert ids() == [0, 1, 3] and ids(alive=False) == [0, 1, 3, 2]
    assert ids(text="log ships") == ids(text="SHIP") == ids(text="0") == [0]
    assert ids(text="genre=log") == [3] and ids(text=".*") == [3] and ids(text="2") == []
    assert ids(mutual=True) == [0] and ids(among=(1, 3)) == [1, 3]
    assert atlas.exemplar(table) == 0
    assert atlas.atlas(
        table.reset_index().assign(site=2), table.reset_index()[["feature"]].assign(site=2), Site(3, 4)
    ).empty


def test_the_card_reads_like_a_sentence(table: pd.DataFrame) -> None:
    said = feature_sentences.headline(table, 0, "rotated", "seed0", "seed1").replace("<b>", "").replace("</b>", "")
    assert said == (
        "Feature 0 of seed0 fires on words for log ships (label slot=log_ships, F1 0.81). "
        "Read through R, the same direction fires on the same tokens of seed1 (r = 0.71; raw 0.02; shuffled 0.00)."
    )
    assert "n/a" in feature_sentences.headline(table, 3, "rotated", "seed0", "seed1")
    assert "dead" in feature_sentences.headline(table, 2, "rotated", "seed0", "seed1")
    assert feature_sentences.tokens([" ship", "est", "\n", "."]) == ["ship", "…est", "↵", "."]
    assert [feature_sentences.number(x) for x in (-0.5, -0.001, float("nan"))] == ["−0.50", "0.00", "n/a"]
