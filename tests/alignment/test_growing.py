"""Text that grows: portions are a partition, moments add up, and copies are decided by the first portion."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import tiny
import torch

from explorer.alignment.first_pass import collect_moments
from explorer.alignment.growing import grow
from explorer.alignment.look import SEEDS_APART
from explorer.alignment.pair import measure_pair
from explorer.alignment.portions import draw_portions
from explorer.alignment.twin import make_twin
from explorer.models.language_model import LanguageModel
from explorer.models.massive import NormLimits
from explorer.progress import silent
from explorer.study.library import open_study

TEXT = tiny.chunks(1200)


@pytest.fixture(scope="module")
def source(tokenizer: Any) -> LanguageModel:
    torch.set_num_threads(1)
    return tiny.model("llama", tokenizer)


def test_portions_are_every_document_once_and_double(source: LanguageModel) -> None:
    portions = draw_portions(TEXT, source.d_model)
    windows = torch.cat([p.windows for p in portions])
    assert sorted(windows.tolist()) == list(range(len(TEXT)))
    assert len(portions) >= 4
    read = [int(sum(len(p.windows) for p in portions[: i + 1])) for i in range(len(portions))]
    assert all(1.5 <= after / before <= 3.1 for before, after in pairwise(read))
    assert int(portions[0].fit.scored.sum()) >= 20 * source.d_model
    by_document: dict[int, set[int]] = {}
    for number, portion in enumerate(portions):
        for document in TEXT.document[portion.windows].tolist():
            by_document.setdefault(document, set()).add(number)
    assert all(len(numbers) == 1 for numbers in by_document.values()), "a document is never cut"
    first = TEXT.document[portions[0].windows].unique().float()
    assert first.mean() / TEXT.document.float().mean() == pytest.approx(1, abs=0.25), "drawn from everywhere"


def test_moments_of_all_portions_are_those_of_the_whole_text(source: LanguageModel, tokenizer: Any) -> None:
    other = tiny.model("llama", tokenizer, seed=1, name="B")
    sites = other.sites[1:2]
    grown = grow(source, other, TEXT, sites, ("", ""), silent, float("inf"), whole=True)
    plain = collect_moments(source, other, TEXT, sites, NormLimits(factor=float("inf")), silent)[sites[0]]
    found = grown.moments[sites[0]]
    assert grown.read.whole and len(grown.chunks) == len(TEXT)
    assert (found.fit.n, found.validation.n) == (plain.fit.n, plain.validation.n)
    for name in ("source_source", "target_target", "target_source", "sum_source"):
        torch.testing.assert_close(getattr(found.fit, name), getattr(plain.fit, name), rtol=1e-5, atol=1e-3)
    assert [h.n for h in found.halves] == [h.n for h in plain.halves], "each document in its half"
    torch.testing.assert_close(found.tokens.count, plain.tokens.count)


def test_a_copy_and_a_twin_need_the_first_portion_only(source: LanguageModel) -> None:
    sites = source.sites[1:]
    for target, verdict in ((replace(source, name="B"), "shared basis"), (make_twin(source), "rotation-equivalent")):
        grown = grow(source, target, TEXT, sites, ("", ""), silent)
        first = draw_portions(TEXT, source.d_model)[0]
        assert grown.read.portions == 1 and not grown.read.whole
        assert grown.read.tokens == int(TEXT[first.windows].own.sum())
        result = measure_pair(source, target, TEXT, sites, {}, grown=grown).result
        assert result.verdict is not None and result.verdict.verdict == verdict
        assert result.read == grown.read and f"{grown.read.tokens:,} of {grown.read.of:,}" in grown.read.sentence
        assert result.rows.fit + result.rows.validation + result.rows.test < 0.3 * int(TEXT.scored.sum())


@pytest.mark.slow
def test_a_settled_site_has_the_nulls_that_settled_it_and_an_open_one_has_all(
    source: LanguageModel, tokenizer: Any
) -> None:
    other, sites = tiny.other_end("llama", tokenizer), source.sites[1:]
    text = tiny.chunks(500)
    grown = grow(source, other, text, sites, ("", ""), silent)
    result = measure_pair(source, other, text, sites, {}, grown=grown).result
    nulls = [s.nulls_affine.untrained for s in result.sites]
    assert len(nulls[0]) < len(nulls[-1]) == 3, "the copy's sites are settled by the first"
    assert all(math.isfinite(ev) for evs in nulls for ev in evs)
    assert result.sites[0].verdict is not None and result.sites[0].verdict.verdict == "shared basis"


def test_fresh_initialisations_lie_no_further_apart_than_is_allowed_for() -> None:
    study = open_study("tales")
    for entry in study.file.pairs:
        for site in study.pair(entry.source, entry.target).sites:
            for gates in (site.nulls_affine, site.nulls_scale):
                assert gates is not None
                assert max(gates.untrained) - min(gates.untrained) < SEEDS_APART / 2
