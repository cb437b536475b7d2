"""Edits that branch off a window: each is what a pass of its own with this one edit gives."""

from typing import Any

import pytest
import tiny
import torch

from explorer import metrics
from explorer.errors import InputError
from explorer.models import branches
from explorer.models.branches import branch_effects
from explorer.models.hooks import edit_residual, residuals


@pytest.mark.parametrize("family", sorted(tiny.SETTINGS))
def test_a_branch_is_a_pass_with_one_edit(family: str, tokenizer: Any) -> None:
    model, ids = tiny.model(family, tokenizer), tiny.chunks(1).ids[0]
    at = torch.tensor([3, 3, 0, 22, 11])
    before = model.logits(ids[None])[0]
    for site in (model.sites[0], model.sites[1], model.sites[-1]):
        rows = residuals(model, ids[None], [site])[site][0]
        change = torch.randn(len(at), model.d_model) * rows.norm(dim=1).median() / 4
        found = branch_effects(model, site, ids, rows, at, change)
        for i, place in enumerate(at.tolist()):
            edited = rows.clone()
            edited[place] += change[i]
            with edit_residual(model, site, lambda _, edited=edited: edited[None]):
                after = model.logits(ids[None])[0, place]
            kl = float(metrics.kl_divergence(before[place], after))
            loss = float((before[place].log_softmax(0) - after.log_softmax(0))[ids[place + 1]])
            assert kl > 1e-3
            assert float(found.kl[i]) == pytest.approx(kl, abs=1e-3, rel=1e-3)
            assert float(found.loss[i]) == pytest.approx(loss, abs=2e-3, rel=1e-3)
    assert tiny.hooks(model) == 0


def test_more_branches_than_go_together(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = tiny.model("llama", tokenizer), tiny.chunks(1).ids[0]
    site = model.sites[1]
    rows = residuals(model, ids[None], [site])[site][0]
    at, change = torch.arange(23), torch.randn(23, model.d_model)
    whole = branch_effects(model, site, ids, rows, at, change)
    # 24 branches with the one that changes nothing: as many as the window has tokens.
    monkeypatch.setattr(branches, "TOGETHER", 4)
    parts = branch_effects(model, site, ids, rows, at, change)
    torch.testing.assert_close(whole.kl, parts.kl, atol=1e-4, rtol=1e-3)
    nothing = branch_effects(model, site, ids, rows, at[:0], change[:0])
    assert len(nothing.kl) == len(nothing.loss) == 0


def test_attention_without_such_a_mask_is_refused(tokenizer: Any) -> None:
    shape = {"vocab_size": tiny.VOCABULARY, "hidden_size": 24, "n_layer": 3, "n_head": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny.SETTINGS, "bloom", shape)
        model = tiny.model("bloom", tokenizer)
    ids, site = tiny.chunks(1).ids[0], model.sites[1]
    rows = residuals(model, ids[None], [site])[site][0]
    with pytest.raises(InputError, match="reads no window with branches"):
        branch_effects(model, site, ids, rows, torch.tensor([3]), torch.randn(1, 24))
    assert tiny.hooks(model) == 0
