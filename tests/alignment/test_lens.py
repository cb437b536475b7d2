"""A lens through R: it goes by the maps of its site and of the end, and a twin's is as good as at home."""

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_probe import fitted

from explorer.alignment.lens import Lens, LensMoments, fit_lens, logit_lens
from explorer.alignment.lens_transfer import carry_lenses
from explorer.alignment.maps import ResidualMap
from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import haar
from explorer.alignment.twin import make_twin, rotation_of
from explorer.metrics import kl_divergence
from explorer.models.hooks import residuals

D = tiny.SHAPE["hidden_size"]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def turn(seed: int) -> ResidualMap:
    q = haar(D, seed).float()
    return ResidualMap(q, draw(D, seed=seed), draw(D, seed=seed + 1), q.T)


def test_a_carried_lens_reads_the_image_and_brings_back_what_it_says() -> None:
    here, end = turn(1), turn(5)
    lens, rows = Lens(draw(D, D, seed=7), draw(D, seed=8)), draw(40, D, seed=9)
    said = lens(here(rows))
    back = (said - end.mean_source) @ end.matrix.T + end.mean_target
    np.testing.assert_allclose(lens.carried(here, end)(rows), back, atol=1e-4)
    np.testing.assert_allclose(end(lens.carried(here, end)(rows)), said, atol=1e-4)
    np.testing.assert_allclose(logit_lens(D).carried(end, end)(rows), rows, atol=1e-4)


def test_a_fitted_lens_is_least_squares() -> None:
    x, noise = draw(900, D, seed=1) * 3 + 2, draw(900, D, seed=2)
    y = x @ draw(D, D, seed=3) + 4 + noise
    halves = []
    for part in (slice(0, 600), slice(600, 900)):
        found = Moments.zero(D)
        found.add(y[part], x[part])
        halves.append(found)
    lens = fit_lens(LensMoments(*halves))
    with_one = torch.cat([x, torch.ones(900, 1)], 1)
    theirs = torch.linalg.lstsq(with_one[:600], y[:600]).solution
    np.testing.assert_allclose(lens(x[600:]), with_one[600:] @ theirs, atol=0.02)


def test_on_the_twin_a_lens_is_as_good_as_at_home(tokenizer: Any) -> None:
    a = tiny.model("llama", tokenizer)
    b, chunks, sites = make_twin(a, 2), tiny.chunks(120), [a.sites[1], a.sites[2]]
    maps = {site.name: fitted(a, b, site) for site in (*sites, a.sites[-1])}
    made = carry_lenses(a, b, chunks, sites, maps)
    for site in sites:
        found = made[site].found
        kl = {name: score.kl.value for name, score in found.scores.items()}
        top = {name: score.top1.value for name, score in found.scores.items()}
        assert kl["rotated"] == pytest.approx(kl["home"], abs=1e-3)
        assert top["rotated"] == pytest.approx(top["home"], abs=3e-3)
        assert kl["own"] == pytest.approx(kl["home"], abs=1e-3)
        for name in ("raw", "translated", "shuffled", "random"):
            assert kl[name] > 1.4 * kl["home"]
            assert top[name] < top["home"]
        assert found.restored == pytest.approx(1, abs=0.02)
        q = rotation_of(a, 2).float()
        np.testing.assert_allclose(made[site].carried.matrix, q.T @ made[site].source.matrix @ q, atol=5e-3)
    assert made[sites[1]].found.scores["home"].kl.value < made[sites[0]].found.scores["home"].kl.value


def test_the_scores_are_those_of_the_norm_and_the_unembedding(tokenizer: Any) -> None:
    """A second way, for the logit lens: the model's own modules by hand."""
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=4)
    chunks, site, end = tiny.chunks(100), a.sites[2], a.sites[-1]
    maps = {s.name: fitted(a, b, s) for s in (site, end)}
    found = carry_lenses(a, b, chunks, [site], maps, {site: logit_lens(D)})[site].found
    kl, top, n = 0.0, 0.0, 0
    net: Any = b.network
    for batch in chunks.split("test").batches(8):
        rows = residuals(b, batch.ids, [site])[site][batch.scored]
        with torch.inference_mode():
            lens = net.lm_head(net.model.norm(rows))
        final = b.logits(batch.ids)[batch.scored]
        kl += float(kl_divergence(final, lens).sum())
        top += float((final.argmax(-1) == lens.argmax(-1)).sum())
        n += len(rows)
    for name in ("logit", "raw"):  # as it is, the source's logit lens is the target's
        assert found.scores[name].kl.value == pytest.approx(kl / n, rel=1e-4)
        assert found.scores[name].top1.value == pytest.approx(top / n, abs=1e-6)
    assert found.rows_test == n
    assert found.scores["random"].kl.value > 1.05 * kl / n, "random maps of both ends do not cancel"


def test_at_the_end_the_logit_lens_is_the_model(tokenizer: Any) -> None:
    for family in ("llama", "gemma", "gpt2"):
        a = tiny.model(family, tokenizer)
        end = a.sites[-1]
        maps = {end.name: fitted(a, a, end)}
        found = carry_lenses(a, a, tiny.chunks(100), [end], maps, {end: logit_lens(D)})[end].found
        for name in ("home", "logit", "raw", "rotated"):
            assert found.scores[name].kl.value == pytest.approx(0, abs=1e-5)
            assert found.scores[name].top1.value > 0.999
