"""A rotated dictionary as a beginning: nothing changes before the first step; on the twin it begins at the ceiling."""

from dataclasses import replace
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from explorer import metrics
from explorer.alignment.orthogonal import haar
from explorer.alignment.twin import make_twin, twin_rotation
from explorer.alignment.warm_start import LEAST_ROWS, curve_rows, measure_warm_start, train_curves
from explorer.alignment.warm_start_results import SiteWarmStart
from explorer.errors import InputError
from explorer.models.sites import Site
from explorer.narrative.warm_start_words import warm_start_told
from explorer.palette import LIGHT
from explorer.presentation.rotation.warm_start import curves, facts
from explorer.sae.beginning import begin_from
from explorer.sae.sae import SAE
from explorer.sae.trainer import SAERecipe, SAETrainer

D, F, K = 16, 32, 3


def planted(seed: int = 0, rows: int = 6000) -> tuple[Tensor, SAE]:
    """Rows of few directions each, and the dictionary that made them."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(F, D, generator=generator), dim=1)
    codes = torch.zeros(rows, F)
    which = torch.rand(rows, F, generator=generator).topk(K, 1).indices
    codes.scatter_(1, which, 1 + torch.rand(rows, K, generator=generator))
    offset = torch.randn(D, generator=generator)
    return codes @ directions + offset, SAE("topk", K, directions.T.contiguous(), torch.zeros(F), directions, offset)


def test_a_trainer_begins_with_the_dictionary_itself() -> None:
    rows, sae = planted()
    sae = replace(sae, b_enc=torch.randn(F), W_enc=torch.randn(D, F), site="blocks.0.hook_resid_pre")
    trainer = SAETrainer(SAERecipe(F, K), rows[:500], 10, 0, sae.site)
    begin_from(trainer, sae)
    torch.testing.assert_close(trainer.finish()(rows), sae(rows), atol=1e-4, rtol=1e-4)
    # Rows of other lengths say the same when nothing is chosen among them: the activations are scaled instead.
    every = SAETrainer(SAERecipe(F, None), rows[:500], 10, 0)
    relu = replace(sae, architecture="standard", k=None, W_dec=sae.W_dec * torch.linspace(0.5, 2, F)[:, None])
    begin_from(every, relu)
    torch.testing.assert_close(every.finish()(rows), relu(rows), atol=1e-4, rtol=1e-4)


def test_a_turned_dictionary_is_worth_more_rows_than_there_are() -> None:
    rows, sae = planted()
    zero, q = torch.zeros(D), haar(D, 4).float()
    turned = rows @ q
    carried = sae.rotated_for_target(q.T, zero, zero)
    made = train_curves(turned[:5000], turned[5000:], carried, carried, (1024, 4096))
    told = made.told
    home = metrics.explained_variance(rows[5000:], sae(rows[5000:]))
    assert told.start == pytest.approx(home, abs=1e-5) == told.ceiling
    assert told.cold[0] < told.cold[1] < told.start and min(told.warm) > told.start - 0.03
    assert (told.worth, told.equal, told.distinct) == (None, 0, 5000)
    assert metrics.explained_variance(turned[5000:], made.trained(turned[5000:])) == pytest.approx(told.warm[-1])
    again = train_curves(turned[:5000], turned[5000:], carried, None, (1024, 4096))
    assert (again.told.warm, again.told.cold, again.told.ceiling) == (told.warm, told.cold, None)
    with pytest.raises(InputError, match="standard dictionaries are not trained on"):
        train_curves(turned, turned, replace(carried, architecture="standard", k=None), None, (1024,))


def test_on_the_twin_it_begins_at_the_ceiling(tokenizer: Any) -> None:
    model, site, zero = tiny.model("llama", tokenizer), Site(1, 3), torch.zeros(24)
    twin, q = make_twin(model, 0, "twin"), twin_rotation(24, 0).float()
    directions = torch.nn.functional.normalize(torch.randn(64, 24), dim=1)
    sae = SAE("topk", 8, directions.T.contiguous(), torch.zeros(64), directions, zero, site.name)
    chunks = tiny.chunks(300)
    carried = sae.rotated_for_target(q.T, zero, zero)
    told = measure_warm_start(twin, chunks, site, carried, carried, LEAST_ROWS).told
    home = measure_warm_start(model, chunks, site, sae, sae, LEAST_ROWS).told
    assert told.start == pytest.approx(home.start, abs=1e-4) == told.ceiling
    assert told.distinct == home.distinct > LEAST_ROWS
    with pytest.raises(InputError, match="the study's text is too short"):
        measure_warm_start(twin, chunks[:40], site, carried, None, LEAST_ROWS)


def test_rows_of_a_curve() -> None:
    assert curve_rows(4096) == (4096,)
    assert curve_rows(20_000) == (5000, 10_000, 20_000)
    for wrong in (0, -5, LEAST_ROWS - 1, 10**9):
        with pytest.raises(InputError, match="rows to train on"):
            curve_rows(wrong)


def curve(**changes: Any) -> SiteWarmStart:
    whole = {"rows": (4096, 8192, 16_384), "warm": (0.6, 0.7, 0.75), "cold": (0.3, 0.55, 0.65), "start": 0.5}
    given = {"site": "blocks.1.hook_resid_pre", "dictionary": "TopK", "ceiling": 0.9, **whole, **changes}
    return SiteWarmStart(**given, distinct=9000, batch=256, learning_rate=1e-3)


def test_what_is_said_of_a_curve() -> None:
    told = warm_start_told(curve())
    assert "R alone explains 0.50 (B's own dictionary 0.90)" in told and "nothing with 8,192 rows" in told
    assert "with 16,384 rows the rotated dictionary reaches 0.75, one from nothing 0.65" in told
    assert "which the rotated one has after 8,192" in told
    assert "more than training from nothing with 16,384 rows" in warm_start_told(curve(start=0.7))
    assert "no better a beginning" in warm_start_told(curve(warm=(0.1, 0.2, 0.3), start=0.05))
    figure = curves(curve(), LIGHT)
    assert [list(trace.y) for trace in figure.data] == [[0.6, 0.7, 0.75], [0.3, 0.55, 0.65]]
    assert len(facts(curve(ceiling=None))) == 2 and len(curves(curve(ceiling=None), LIGHT).layout.shapes) == 1
    for wrong in ({"warm": (0.1, 0.2)}, {"rows": (4096, 4096, 8192)}, {"rows": (), "warm": (), "cold": ()}):
        with pytest.raises(ValueError, match="curves of"):
            curve(**wrong).check()
