"""Features that stand in for others: planted truth (the twin), a second way to the same number, and hard negatives."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from test_live import site_maps

from explorer import metrics
from explorer.alignment.orthogonal import haar
from explorer.alignment.substitution_results import MATTERS, PairSubstitution, SiteSubstitution
from explorer.alignment.twin import make_twin, twin_rotation
from explorer.features import substitution
from explorer.features.fired_tokens import read_firing
from explorer.features.substitution import matches_of, substitute, wrong_neighbours
from explorer.models.hooks import edit_residual, residuals
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site
from explorer.narrative.substitution_words import stands_in, substitution_definition, substitution_told
from explorer.presentation.features.stand_in import line
from explorer.sae.sae import SAE
from explorer.text.windows import Chunks

SITE, F = Site(1, 3), 48


@pytest.fixture(scope="module")
def pair(tokenizer: Any) -> tuple[LanguageModel, LanguageModel]:
    model = tiny.model("llama", tokenizer)
    return model, make_twin(model, 0, "twin")


@pytest.fixture(scope="module")
def chunks() -> Chunks:
    return tiny.chunks(24)


@pytest.fixture(scope="module")
def saes(pair: tuple[LanguageModel, LanguageModel], chunks: Chunks) -> tuple[SAE, SAE]:
    """Directions of rows of the source as its dictionary, and the same turned as the twin's."""
    rows = residuals(pair[0], chunks.ids, [SITE])[SITE][chunks.scored].clone()
    centre = rows.mean(0)
    chosen = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:F]] - centre
    directions = chosen / chosen.norm(dim=1, keepdim=True)
    sae = SAE("topk", 4, directions.T.contiguous(), torch.zeros(F), directions, centre, SITE.name)
    zero = torch.zeros(24)
    return sae, sae.rotated_for_target(twin_rotation(24, 0).T.float(), zero, zero)


@pytest.fixture(scope="module")
def found(pair: tuple[LanguageModel, LanguageModel], chunks: Chunks, saes: tuple[SAE, SAE]) -> SiteSubstitution:
    rotation = site_maps(twin_rotation(24, 0).T)["rotated"]
    return substitute(*pair, chunks, SITE, saes, rotation, {i: i for i in range(F)}, count=12)


def test_on_the_twin_a_match_does_no_harm(found: SiteSubstitution) -> None:
    assert len(found.feature) == 12 and found.feature == found.partner
    np.testing.assert_allclose(found.match, 0, atol=2e-4)
    np.testing.assert_allclose(found.r, 1, atol=1e-3)
    assert min(found.ablation) > 5e-4 and min(found.wrong) > 5e-4
    summary = found.summary
    big = np.array(found.ablation) >= MATTERS
    assert (summary.tried, summary.n, summary.share, summary.r) == (12, big.sum(), 1.0, pytest.approx(1.0))
    assert summary.p == pytest.approx(0.5 ** big.sum())
    assert summary.ablation == pytest.approx(np.median(np.array(found.ablation)[big]))
    few = replace(found, ablation=(0.0,) * 3 + found.ablation[3:]).summary
    assert (few.tried, few.n, few.match, few.share, few.p) == (12, 9, None, None, None)
    assert found.ablation[0] > np.mean(found.ablation[6:]), "the strongest come first"


def test_the_harm_is_that_of_passes_with_one_edit(
    pair: tuple[LanguageModel, LanguageModel], chunks: Chunks, saes: tuple[SAE, SAE], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(substitution, "EDITED", 10_000)
    target, q = pair[1], twin_rotation(24, 0).float()
    # A dictionary of A whose features 0 and 1 have changed places: a wrong match of each.
    order = torch.tensor([1, 0, *range(2, F)])
    sae = replace(saes[0], W_enc=saes[0].W_enc[:, order], W_dec=saes[0].W_dec[order])
    rotation = site_maps(twin_rotation(24, 0).T)["rotated"]
    told = substitute(*pair, chunks, SITE, (sae, saes[1]), rotation, {0: 0}, count=1)
    firing = read_firing(*pair, chunks, SITE, (sae, saes[1]))
    own, theirs = firing.target.of(0), firing.source.of(0)
    assert theirs.keys() - own.keys() and own.keys() - theirs.keys()

    def harm(stands: bool) -> float:
        total = 0.0
        for t in sorted(own.keys() | (theirs.keys() if stands else set())):
            window, place = int(firing.window[t]), int(firing.position[t])
            ids = chunks.ids[window][None]
            change = theirs.get(t, 0.0) * stands * (sae.W_dec[0] @ q) - own.get(t, 0.0) * saes[1].W_dec[0]
            rows = residuals(target, ids, [SITE])[SITE].clone()
            rows[0, place] += change
            before = target.logits(ids)[0, place]
            with edit_residual(target, SITE, lambda _, rows=rows: rows):
                total += float(metrics.kl_divergence(before, target.logits(ids)[0, place]))
        return total / len(own)

    assert told.match[0] == pytest.approx(harm(True), rel=1e-2, abs=2e-4)
    assert told.ablation[0] == pytest.approx(harm(False), rel=1e-2, abs=2e-4)
    # The right one is among the neighbours, for it is the nearest.
    assert told.wrong_feature[0] == 1 and told.wrong[0] < 2e-4 < told.match[0]


def test_wrong_neighbours_are_the_nearest_others() -> None:
    cosine = torch.tensor([0.9, 0.8, 0.7, 0.1, -2.0])
    r = torch.tensor([0.1, torch.nan, 0.2, 0.5, 0.9])
    assert wrong_neighbours(cosine, r, 0) == [1, 2, 4, 3]
    assert wrong_neighbours(cosine, r.fill_(torch.nan), 1) == [0, 2]


def test_a_match_is_mutual_and_above_the_null() -> None:
    table = pd.DataFrame({"site": 1, "feature": range(200), "partner": range(200, 0, -1), "mutual": True})
    table["cosine_rotated"], table["cosine_shuffled"] = 0.2, np.linspace(0, 0.3, 200)
    table.loc[[3, 4, 5], "cosine_rotated"] = 0.5
    table.loc[4, "mutual"] = False
    assert matches_of(table, SITE) == {3: 197, 5: 195}
    assert matches_of(table, Site(2, 3)) == {} == matches_of(table.drop(columns="partner"), SITE)


def test_firing_is_that_of_both_dictionaries(
    pair: tuple[LanguageModel, LanguageModel], chunks: Chunks, saes: tuple[SAE, SAE]
) -> None:
    other = replace(saes[1], W_dec=saes[1].W_dec @ haar(24, 5).float(), W_enc=saes[1].W_enc.roll(3, 1))
    firing = read_firing(*pair, chunks, SITE, (saes[0], other))
    keep = chunks.scored.clone()
    keep[:, :-1] &= chunks.valid[:, 1:]
    keep[:, -1] = False
    rows = [residuals(m, chunks.ids, [SITE])[SITE][keep] for m in pair]
    a, b = saes[0].encode(rows[0]), other.encode(rows[1])
    torch.testing.assert_close(firing.source.dense(0, len(firing)), a, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(firing.target.dense(7, 90), b[7:90], atol=1e-3, rtol=1e-3)
    r = firing.r([2, 9])
    for column, j in enumerate((2, 9)):
        for i in (0, 5, 6):
            if r[i, column] == r[i, column]:
                expected = np.corrcoef(a[:, i].numpy(), b[:, j].numpy())[0, 1]
                assert float(r[i, column]) == pytest.approx(expected, abs=1e-3)


def test_what_is_said(found: SiteSubstitution) -> None:
    summary = found.summary
    text = substitution_told(summary)
    assert "by +0.000 nats, with" in text and f"100\u00a0% of {summary.n} matches" in text and "(p < 0.001)" in text
    assert "no more than chance" in substitution_told(replace(summary, p=0.4))
    assert "with only 3 of 12 matches" in substitution_told(replace(summary, n=3, share=None))
    assert "12 features" in substitution_definition(replace(found, matched=12))
    one = found.of(found.feature[3])
    assert one is not None and one.partner == found.partner[3]
    assert f"{one.wrong_feature}: +{one.wrong.value:.3f}" in stands_in(one)
    both = PairSubstitution((found,))
    assert "&lt;b&gt;" in line(both, SITE.name, one.feature, "<b>")
    assert line(both, "elsewhere", one.feature, "b") == "" == line(None, SITE.name, 0, "b")
    with pytest.raises(ValueError, match="columns of 11, 12 features"):
        replace(found, r=found.r[1:]).check()
