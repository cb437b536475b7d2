"""What the Features page highlights, against a direct forward pass, token by token; readings, search, sentences."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from sklearn.metrics import f1_score

from explorer.alignment.map_registry import MAPS, arms
from explorer.alignment.maps import ResidualMap
from explorer.alignment.orthogonal import haar
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.twin import make_twin, twin_rotation
from explorer.errors import InputError
from explorer.features import feature_search, feature_table as atlas
from explorer.features.activation_histograms import BINS, readings
from explorer.features.contexts import one_feature, sentence_around, top_contexts
from explorer.features.feature_search import Query
from explorer.features.own_text import MAX_CHARACTERS, read_text
from explorer.models.hooks import residuals
from explorer.models.sites import Site
from explorer.models.tokens import special_tokens, token_pieces, word_at
from explorer.number_text import number
from explorer.palette import LIGHT
from explorer.presentation.features import captions as feature_sentences
from explorer.sae.sae import SAE
from explorer.text.labels import LabelMatrix
from explorer.ui.features.contexts import contexts_html, marked

SITE = Site(2, 3)


@pytest.fixture(scope="module")
def sae() -> SAE:
    g = torch.Generator().manual_seed(3)
    decoder = torch.randn(40, 24, generator=g)
    decoder /= decoder.norm(dim=1, keepdim=True)
    return SAE("topk", 4, decoder.T.contiguous(), torch.zeros(40), decoder, torch.zeros(24))


def plain(matrix: torch.Tensor) -> ResidualMap:
    zero = torch.zeros(len(matrix))
    return ResidualMap(matrix, zero, zero, matrix.T.contiguous())


def test_contexts_hold_the_activations_of_a_direct_pass(tokenizer: Any, sae: SAE) -> None:
    a, b = tiny.model("llama", tokenizer, 0), tiny.model("llama", tokenizer, 1, "B")
    chunks = tiny.chunks(4)
    chunks = replace(chunks, valid=chunks.valid & (torch.arange(24) < torch.tensor([[24], [17]] * 4)))
    fitted = plain(haar(24, 5).float())
    feature = int((sae.encode(residuals(a, chunks.ids, [SITE])[SITE]) > 0).sum((0, 1)).argmax())
    found = top_contexts(a, b, fitted, sae, SITE, feature, chunks)
    assert len(found) >= 5
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
        # What the page writes into its tooltips is the same, token by token.
        shown = contexts_html([context], True, _View(), "through R")  # type: ignore[arg-type]
        sides = re.findall(r"<div class='line'(.*?)</div>", shown, re.S)
        for side, values in zip(sides, (own, read), strict=True):
            titles = [t.replace("−", "-") for t in re.findall(r"<mark[^>]*title='([^']*)'", side)]
            fires = [i for i in range(1, n) if float(values[i]) > 0 or i == context.peak]
            assert titles == [f"{float(values[i]):.2f}" for i in fires]
            assert side.count("class='unscored'") == 1
        strongest = own if float(own[1:n].max()) > 0 else read
        assert context.peak == 1 + int(strongest[1:n].argmax())
        assert context.peak in context.window()


def test_one_feature_is_that_of_the_whole_dictionary(sae: SAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.features.contexts.ROWS", 7)
    rows = torch.randn(5, 11, 24) * 2
    ways = {
        "topk": sae,
        "standard": replace(sae, architecture="standard", k=None, b_enc=torch.randn(40)),
        "jumprelu": replace(sae, architecture="jumprelu", k=None, threshold=torch.rand(40)),
    }
    for name, way in ways.items():
        every = way.encode(rows)
        assert 0 < int((every > 0).sum()) < every.numel()
        for feature in range(0, 40, 3):
            torch.testing.assert_close(one_feature(way, rows, feature), every[..., feature], msg=name)


def test_the_twin_read_through_its_rotation_highlights_the_same(tokenizer: Any, sae: SAE) -> None:
    a = tiny.model("llama", tokenizer)
    b, chunks = make_twin(a, 7), tiny.chunks(3)
    for context in top_contexts(a, b, plain(twin_rotation(24, 7).T.float()), sae, SITE, 11, chunks):
        np.testing.assert_allclose(context.source, context.target, atol=2e-3)


def test_pieces_join_to_the_text_even_where_tokens_share_a_character(tokenizer: Any) -> None:
    text = "One é, “two” 🐟 <b>three</b>\n four"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = token_pieces(tokenizer, ids)
    assert len(pieces) == len(ids) and "".join(pieces) == text


def test_text_is_never_markup(tokenizer: Any, sae: SAE) -> None:
    a, view = tiny.model("llama", tokenizer), _View()
    ids = torch.tensor(
        [tokenizer('x <script>alert("1")</script> & <mark> **bold**\nnext', add_special_tokens=False)["input_ids"]]
    )
    n = ids.shape[1]
    chunks = replace(tiny.chunks(1, 1, n), ids=ids)
    feature = int(sae.encode(residuals(a, ids, [SITE])[SITE])[0, 1:].amax(0).argmax())
    shown = contexts_html(top_contexts(a, a, plain(torch.eye(24)), sae, SITE, feature, chunks), True, view, "as it is")  # type: ignore[arg-type]
    assert "<script" not in shown and "&lt;" in shown and "\n" in shown
    assert shown.count("<mark") == shown.count("</mark>") > 0


class _View:
    source, target, arm = "A", "B", "rotated"

    palette = LIGHT


def all_maps(seed: int) -> SiteMaps:
    return SiteMaps({name: plain(haar(24, seed + i).float()) for i, name in enumerate(MAPS)})


def test_readings_are_those_of_a_direct_count(tokenizer: Any, sae: SAE) -> None:
    a, b, chunks = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, 1), tiny.chunks(40)
    labels = LabelMatrix(
        ("genre=a", "genre=b"), torch.rand(80, 24, 2, generator=torch.Generator().manual_seed(1)) > 0.6
    )
    fitted, largest = all_maps(9), 1 + torch.rand(40) * 8
    known = pd.DataFrame(
        {
            "site": 2,
            "feature": range(40),
            "largest": largest.numpy(),
            "threshold": 0.25,
            "label": ["genre=a", "genre=b"] * 20,
        }
    )
    found = readings(a, b, chunks, {SITE.name: fitted}, {SITE: sae}, known, labels)
    for arm in ("source", *arms()):
        rows = residuals(a, chunks.ids, [SITE])[SITE] if arm == "source" else residuals(b, chunks.ids, [SITE])[SITE]
        read = sae.encode(rows if arm == "source" else fitted[arm](rows)) * chunks.scored[..., None]
        flat = read[chunks.scored]
        for f in (0, 7, 23):
            edges = np.append(np.linspace(0, float(largest[f]), BINS + 1), np.inf)
            values = flat[:, f][flat[:, f] > 0].numpy()
            np.testing.assert_array_equal(found[f"histogram_{arm}"][f], np.histogram(values, edges)[0])
        if arm == "source":
            continue
        fires = flat > 0.25 * largest
        has = labels.matrix[chunks.scored]
        for f in (0, 7, 23):
            theirs = f1_score(has[:, f % 2].numpy(), fires[:, f].numpy(), zero_division=0)
            assert found[f"f1_{arm}"][f] == pytest.approx(theirs, abs=1e-6)
            best = read[..., f].amax(1).sort(descending=True).values[:6]
            at = found[f"contexts_{arm}"][f]
            np.testing.assert_allclose(read[torch.from_numpy(at[at >= 0]).long(), :, f].amax(1), best[best > 0])
    assert not any(c.startswith("f1") for c in readings(a, b, chunks, {SITE.name: fitted}, {SITE: sae}, known))


def test_a_text_of_your_own_is_read_as_a_direct_pass_reads_it(tokenizer: Any, sae: SAE) -> None:
    a, b = tiny.model("llama", tokenizer, 0), tiny.model("llama", tokenizer, 1, "B")
    fitted = plain(haar(24, 5).float())
    text = "The ship went to the old harbour, and Anna saw it."
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    firing = read_text(a, b, fitted, sae, SITE, text, 128)
    assert "".join(firing.pieces) == text and firing.left_out == 0
    assert firing.scored == (False, *[True] * (ids.shape[1] - 1))
    own = sae.encode(residuals(a, ids, [SITE])[SITE][0])
    read = sae.encode(residuals(b, ids, [SITE])[SITE][0] @ fitted.matrix)
    torch.testing.assert_close(firing.source[1:], own[1:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(firing.target[1:], read[1:], atol=1e-4, rtol=1e-4)
    assert not firing.source[0].any() and not firing.target[0].any()
    ranked = firing.ranked(3)
    both = torch.maximum(own[3], read[3])
    assert set(ranked) == set(torch.nonzero(both > 0).flatten().tolist()) and ranked[0] == int(both.argmax())
    assert firing.shared(3) == (
        int((own[3] > 0).sum()),
        int((read[3] > 0).sum()),
        int(((own[3] > 0) & (read[3] > 0)).sum()),
    )
    cut = read_text(a, b, fitted, sae, SITE, text, 10)
    assert len(cut.pieces) == 10 and cut.left_out == ids.shape[1] - 10
    torch.testing.assert_close(cut.source, firing.source[:10], atol=1e-4, rtol=1e-4)
    for wrong in ("", " \n", "x" * (MAX_CHARACTERS + 1)):
        with pytest.raises(InputError):
            read_text(a, b, fitted, sae, SITE, wrong, 128)


def test_special_tokens_are_shown_as_what_they_are(tokenizer: Any, sae: SAE) -> None:
    special = special_tokens(tokenizer)
    assert "<|endoftext|>" in special
    shown = feature_sentences.chips([" ship", "<|endoftext|>"], special)
    assert shown.count("<span class='chip'>") == 1 and "chip special" in shown and "&lt;|endoftext|&gt;" in shown
    a = tiny.model("llama", tokenizer)
    firing = read_text(a, a, plain(torch.eye(24)), sae, SITE, "one<|endoftext|> two", 128)
    at = firing.pieces.index("<|endoftext|>")
    assert firing.special[at] and sum(firing.special) == 1 and firing.scored[at]
    assert "unscored" in marked("x", math.nan, 1.0, "0,0,0") and marked("<b>", 0.0, 1.0, "0,0,0") == "&lt;b&gt;"


def test_the_word_of_a_token(tokenizer: Any) -> None:
    text = 'Near the lighthouse, "Anna" slept.'
    pieces = token_pieces(tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"])
    ends = np.cumsum([len(p) for p in pieces])
    for word in ("lighthouse", "Anna", "Near", "slept"):
        inside = text.index(word) + len(word) - 1
        assert word_at(pieces, int(np.searchsorted(ends, inside, "right"))) == word
    assert word_at(pieces, len(pieces) - 1) == "."


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
            "suppressed": [[" no"]] * n,
            "fires_on": [["Swift", "Gull"], ["Dear"], [], ["wind"]],
            "contexts": [[0, 1], [1, -1], [-1, -1], [0, -1]],
            "peaks": [[1, 0], [2, -1], [-1, -1], [0, -1]],
            "quarters": [[-1] * 12] * n,
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
    f1 = pd.DataFrame({"site": 2, "feature": range(n), "f1_raw": [0.1, 0.2, 0, 0.9], "f1_rotated": [0.7, 0.31, 0, 0.9]})
    return atlas.atlas(features, fate, Site(2, 4), f1)


def test_search(table: pd.DataFrame) -> None:
    def ids(**query: Any) -> list[int]:
        return list(feature_search.search(table, Query(**query)).index)

    assert ids() == [0, 1, 3] and ids(alive=False) == [0, 1, 3, 2]
    assert ids(text="log ships") == ids(text="SHIP") == ids(text="0") == [0]
    # The clear label comes first, though its word is a part of the other's words only; then the part.
    assert ids(text="genre=log") == [3] and ids(text=".*") == [3] and ids(text="2") == []
    assert ids(text="gull") == ids(text="gull", place="fires on") == [0] and ids(text="gull", place="promoted") == []
    assert ids(text="ship", place="label") == [0] and ids(text="est", place="promoted") == [1]
    assert ids(mutual=True) == [0] and ids(among=(1, 3)) == [1, 3]
    # A value that is not known is in no range; the full range is never asked.
    assert ids(ranges={"r_raw": (0.05, 1.0)}) == [3] and ids(ranges={"r_rotated": (0.5, 0.8)}) == [0]
    assert ids(ranges={"no such column": (0, 0)}) == [0, 1, 3]
    assert ids(sort="density") == [0, 1, 3] and ids(sort="density", rising=True) == [3, 1, 0]
    assert ids(sort="feature", rising=True) == [0, 1, 3] and ids(sort="r_raw") == [3, 0, 1]
    assert atlas.exemplar(table) == 0
    assert atlas.atlas(
        table.reset_index().assign(site=2), table.reset_index()[["feature"]].assign(site=2), Site(3, 4)
    ).empty


def test_a_search_lists_the_best_reason_first(table: pd.DataFrame) -> None:
    """Planted: the feature worth most only promotes the word, and one less worth fires on it."""
    n, none = 6, ["x"]
    planted = pd.DataFrame(
        {
            "density": 0.1,
            "worth": [0.9, 0.8, 0.7, 0.2, 0.1, 0.6],
            "label": ["slot=eggs", "slot=dialogue_friendship", "slot=log_ships", "slot=days", "slot=log_ships", "a=b"],
            "f1": [0.9, 0.8, 0.1, 0.2, 0.7, 0.9],
            "fires_on": [["egg", "envelope"], none, none, ["Ship", "sloop"], ["Swift"], ["shipyard"]],
            "promoted": [[" ship"], none, none, none, none, none],
        },
        index=range(n),
    )
    found = feature_search.search(planted, Query(text="ship"))
    assert list(found.index) == [4, 3, 1, 2, 5, 0]
    assert list(found["found"]) == ["label", "word", "part", "part", "part", "promotes"]
    # Another order than the usual one is kept as it is asked for; of several words each must be found.
    assert list(feature_search.search(planted, Query(text="ship", sort="f1")).index) == [0, 5, 1, 4, 3, 2]
    assert list(feature_search.search(planted, Query(text="ships swift")).index) == [4]
    assert feature_search.search(planted, Query(text="ship egg")).index.tolist() == [0]


def test_what_becomes_of_a_feature_has_named_thresholds(table: pd.DataFrame) -> None:
    planted = (
        pd.concat([table] * 2, ignore_index=True)
        .iloc[:5]
        .assign(density=0.1, r_rotated=[0.5, 0.49, 0.2, 0.19, math.nan], r_shuffled=[0.6, 0, 0, 0, 0])
    )
    assert list(atlas.fate(planted, "rotated")) == ["matched", "partly", "partly", "lost", "rare"]
    assert list(feature_search.search(planted, Query(fate="lost")).index) == [3]
    assert list(feature_search.search(planted, Query(fate="matched", arm="shuffled")).index) == [0]
    said = feature_sentences.fates(planted, "rotated").replace("<b>", "").replace("</b>", "")
    assert "matches 1 (r ≥ 0.5), 2 partly, loses 1 (r < 0.2); 1 fire" in said
    assert said.endswith("An R of shuffled pairs matches 1.")


def test_the_sentence_around_a_peak() -> None:
    pieces = ["One", ".", " A", " fox", " ran", '."', "\n", "Two", " hens", "!"]
    assert [sentence_around(pieces, i) for i in (0, 3, 7)] == ["One.", 'A fox ran."', "Two hens!"]
    long = [" a"] * 400
    assert sentence_around(long, 200).split() == ["a"] * 60
    assert " b" in sentence_around([*long[:200], " b", *long], 200)


def test_search_in_the_contexts(table: pd.DataFrame) -> None:
    pieces = [["The", " wind", " blew"], [" Dear", " aunt", " May"]]
    words = feature_search.context_words(table, pieces, before=1, after=0)
    assert words.tolist() == ["the wind …  dear", " aunt may", "", "the"]
    query = Query(text="Wind", place="contexts")
    assert list(feature_search.search(table, query, words).index) == [0]


def test_neighbours_follow_the_list(table: pd.DataFrame) -> None:
    shown = feature_search.search(table, Query())
    assert [atlas.neighbour(shown, 1, step) for step in (-1, 1)] == [0, 3]
    assert atlas.neighbour(shown, 0, -1) is None and atlas.neighbour(shown, 3, 1) is None
    assert (atlas.neighbour(shown, 2, 1), atlas.neighbour(shown, 2, -1)) == (0, 3)
    assert atlas.neighbour(shown.iloc[:0], 1, 1) is None


def test_labels_kept_and_null_shares(table: pd.DataFrame) -> None:
    assert atlas.kept_labels(table) == (2, {"raw": 0, "rotated": 2})
    assert atlas.null_share(table, 0.15) == pytest.approx(2 / 3)
    assert math.isnan(atlas.null_share(table, math.nan))
    without = table.assign(f1=math.nan, label="")
    assert not atlas.has_labels(without) and atlas.exemplar(feature_search.search(without, Query())) == 0
    said = feature_sentences.headline(without, 1, "rotated", "A", "B")
    assert "label" not in said and "“Dear”" in said


def test_the_card_reads_like_a_sentence(table: pd.DataFrame) -> None:
    said = feature_sentences.headline(table, 0, "rotated", "seed0", "seed1").replace("<b>", "").replace("</b>", "")
    assert said == (
        "Feature 0 of seed0 fires on words for log ships (label slot=log_ships, F1 0.81), most on “Swift”, “Gull”. "
        "Read through R, the same direction fires on the same tokens of seed1 (r = 0.71; raw 0.02; shuffled 0.00)."
    )
    assert "n/a" in feature_sentences.headline(table, 3, "rotated", "seed0", "seed1")
    assert "dead" in feature_sentences.headline(table, 2, "rotated", "seed0", "seed1")
    assert feature_sentences.tokens([" ship", "est", "\n", "."]) == ["ship", "…est", "↵", "."]
    assert feature_sentences.tokens(["depth 0", "is (", "broken", "("]) == ["depth 0", "is (", "broken", "("]
    assert feature_sentences.label_phrase("depth=5") == "tokens at depth 5"
    assert feature_sentences.label_phrase("top=none") == "tokens inside no bracket"
    assert [number(x) for x in (-0.5, -0.001, float("nan"))] == ["−0.50", "0.00", "n/a"]
