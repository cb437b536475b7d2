"""A probe through R: it says of the target's rows what it says of their images, and a twin's is as good as at home."""

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from explorer.alignment.map_registry import MAPS, FitMoments
from explorer.alignment.maps import ResidualMap
from explorer.alignment.moments import CrossMoments, Moments
from explorer.alignment.orthogonal import haar
from explorer.alignment.probe import Probe, fit_probe
from explorer.alignment.probe_transfer import _auc, carry_probes
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.twin import make_twin, rotation_of
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel
from explorer.text.labelled import LabelledTokens

D = tiny.SHAPE["hidden_size"]


def fitted(a: LanguageModel, b: LanguageModel, site: Any) -> SiteMaps:
    """Every map between two models, and an R of rows that do not belong together."""
    ids = tiny.chunks(80, seed=3).ids
    x, y = (residuals(m, ids, [site])[site].flatten(0, 1) for m in (a, b))
    fit, wrong = Moments.zero(D), CrossMoments.zero(D)
    fit.add(x, y)
    wrong.add((x - x.mean(0))[torch.randperm(len(x))], y - y.mean(0), len(x))
    return SiteMaps({name: entry.fit(FitMoments(fit, fit, wrong)) for name, entry in MAPS.items()})


def labelled(model: LanguageModel) -> LabelledTokens:
    """A class that the token's embedding says, and for some tokens none."""
    chunks = tiny.chunks(120)
    said = (model.embedding @ torch.randn(D, 4, generator=torch.Generator().manual_seed(0))).argmax(1)[chunks.ids]
    return LabelledTokens("said", ("a", "b", "c"), chunks, torch.where(said < 3, said, -1))


def planted(n: int = 600, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 3, (n,), generator=random)
    rows = torch.randn(n, D, generator=random) + 3 * torch.eye(D)[classes] + 5
    return rows, classes


@pytest.mark.parametrize("count", [1, 4])
def test_a_carried_probe_says_of_a_row_what_the_probe_says_of_its_image(count: int) -> None:
    random = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
    through = ResidualMap(draw(D, D), draw(D), draw(D), draw(D, D))
    probe, rows = Probe(draw(count, D), draw(count)), draw(50, D)
    np.testing.assert_allclose(probe.carried(through).scores(rows), probe.scores(through(rows)), atol=1e-4)
    assert probe.scores(rows).shape == (50, max(2, count))


def test_a_probe_finds_planted_classes_and_turns_with_its_rows() -> None:
    rows, classes = planted()
    others, theirs = planted(300, 1)
    probe = fit_probe(rows, classes, others, theirs)
    fresh, truth = planted(2000, 2)
    assert float((probe.scores(fresh).argmax(1) == truth).float().mean()) > 0.9
    q = haar(D, 0).float()
    turned = fit_probe(rows @ q - 7, classes, others @ q - 7, theirs)
    there = ResidualMap(q.T, torch.full((D,), 0.0), torch.full((D,), -7.0), q)
    np.testing.assert_allclose(turned.scores(fresh @ q - 7), probe.carried(there).scores(fresh @ q - 7), atol=0.02)
    two = fit_probe(rows, classes.clamp(max=1), others, theirs.clamp(max=1))
    assert two.weight.shape == (1, D)
    assert float((two.scores(fresh).argmax(1) == truth.clamp(max=1)).float().mean()) > 0.9


def test_the_area_is_that_of_every_class_against_all_others() -> None:
    random = torch.Generator().manual_seed(0)
    one = torch.randn(400, generator=random).double()
    classes = (one + torch.randn(400, generator=random) > 0).long()
    two = torch.stack([torch.zeros_like(one), one], 1)
    assert _auc(two, classes) == pytest.approx(roc_auc_score(classes, one))
    scores, truth = torch.randn(400, 3, generator=random), torch.randint(0, 3, (400,), generator=random)
    theirs = roc_auc_score(truth, scores.softmax(1), multi_class="ovr", average="macro")
    assert _auc(scores, truth) == pytest.approx(theirs, abs=1e-6)
    assert _auc(scores + torch.randn(400, 1, generator=random) * 9, truth) == pytest.approx(theirs, abs=1e-6)


def test_on_the_twin_a_probe_is_as_good_as_at_home(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer, name="A")
    b, site, tokens = make_twin(a, 2, "B"), a.sites[1], labelled(a)
    made = carry_probes(a, b, tokens, [site], {site.name: fitted(a, b, site)})[site]
    found = made.found
    accuracy = {name: score.accuracy.value for name, score in found.scores.items()}
    assert accuracy["home"] > 0.6
    assert accuracy["rotated"] == pytest.approx(accuracy["home"], abs=2e-3)
    assert accuracy["own"] == pytest.approx(accuracy["home"], abs=0.02)
    assert found.scores["rotated"].auc == pytest.approx(found.scores["home"].auc, abs=1e-3)
    for name in ("raw", "translated", "shuffled", "random"):
        assert accuracy[name] < accuracy["home"] - 0.15
    assert accuracy["random"] <= found.random_best < accuracy["home"] - 0.1
    assert found.restored == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(made.carried.weight, made.source.weight @ rotation_of(a, 2).float(), atol=1e-3)
    test = tokens.split("test")
    counts = torch.bincount(test.index[test.labelled], minlength=3)
    assert found.majority == pytest.approx(float(counts.max() / counts.sum()))
    assert found.rows_test == int(counts.sum())
    low, high = found.scores["home"].accuracy.low, found.scores["home"].accuracy.high
    assert low <= accuracy["home"] <= high


def test_between_strangers_nothing_is_restored_and_a_given_probe_is_used(tokenizer: Any) -> None:
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=9)
    site, tokens = a.sites[2], labelled(b)
    maps_here = {site.name: fitted(a, b, site)}
    own = carry_probes(a, b, tokens, [site], maps_here)[site]
    again = carry_probes(a, b, tokens, [site], maps_here, own.source)[site]
    assert again.found.scores["home"] == own.found.scores["home"]
    upside = Probe(-own.source.weight, -own.source.bias)
    given = carry_probes(a, b, tokens, [site], maps_here, upside)[site]
    assert given.found.scores["home"].auc < 0.5 < own.found.scores["home"].auc
    assert given.found.scores["own"] == own.found.scores["own"]
    assert own.found.scores["rotated"].accuracy.value < own.found.scores["own"].accuracy.value
    np.testing.assert_array_equal(own.source.carried(maps_here[site.name]["raw"]).weight, own.source.weight)
