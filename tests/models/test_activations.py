"""Residual rows are read where the docstrings say, in every family, and nothing is left behind or run in vain."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from explorer.models.hooks import edit_residual, residuals
from explorer.models.language_model import LanguageModel, load_model
from explorer.models.logit_lens import logit_effect, norm_gain
from explorer.models.sites import Site

FAMILIES = tuple(tiny.SETTINGS)


@pytest.fixture(params=FAMILIES)
def loaded(request: pytest.FixtureRequest, tokenizer: Any, tmp_path: Path) -> LanguageModel:
    """A random model of each family, saved to disk and read by the library."""
    return load_model(tiny.save(request.param, tokenizer, tmp_path / request.param))


@contextmanager
def counted(module: torch.nn.Module) -> Any:
    """Counts the calls of a module."""
    calls: list[int] = []
    handle = module.register_forward_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


def test_residuals_equal_hidden_states_and_the_pre_norm_end(loaded: LanguageModel) -> None:
    ids = tiny.chunks(3).ids
    found = residuals(loaded, ids, loaded.sites)
    with torch.no_grad():
        states = loaded.network(input_ids=ids, output_hidden_states=True).hidden_states
        logits = loaded.network(input_ids=ids).logits
    assert [s.index for s in found] == [0, 1, 2, 3]
    for site in loaded.sites[:-1]:
        np.testing.assert_allclose(found[site], states[site.index], atol=1e-5)
    end = found[loaded.sites[-1]]
    assert float((end - states[-1]).abs().max()) > 0.05, "the last hidden state is after the norm: a trap"
    with torch.no_grad():
        normed = loaded.final_norm(end)
        np.testing.assert_allclose(normed, states[-1], atol=1e-4)
        np.testing.assert_allclose(loaded.network.get_output_embeddings()(normed), logits, atol=1e-3)


def test_the_forward_pass_stops_at_the_last_site(loaded: LanguageModel) -> None:
    ids = tiny.chunks(1).ids
    head = loaded.network.get_output_embeddings()
    with counted(loaded.blocks[0]) as first, counted(loaded.blocks[1]) as second, counted(head) as unembedding:
        with counted(loaded.blocks[2]) as third, counted(loaded.final_norm) as norm:
            residuals(loaded, ids, [loaded.sites[0], loaded.sites[1]])
            assert (len(first), len(second), len(third), len(norm)) == (1, 0, 0, 0)
            residuals(loaded, ids, [loaded.sites[2]])
            assert (len(first), len(second), len(third), len(norm)) == (2, 1, 0, 0)
        residuals(loaded, ids, loaded.sites)
        assert len(unembedding) == 0


def test_no_hook_is_left_behind(loaded: LanguageModel) -> None:
    ids = tiny.chunks(1).ids
    with torch.no_grad():
        before = loaded.network(input_ids=ids).logits
    assert tiny.hooks(loaded) == 0
    residuals(loaded, ids, loaded.sites)
    for site in loaded.sites:
        with pytest.raises(ZeroDivisionError), edit_residual(loaded, site, lambda _x: 1 / 0):  # type: ignore[arg-type, return-value]
            loaded.network(input_ids=ids)
        with edit_residual(loaded, site, lambda x: x + 1):
            assert tiny.hooks(loaded) == 1
    with pytest.raises(IndexError):
        residuals(loaded, torch.full((1, 4), -5), loaded.sites)
    assert tiny.hooks(loaded) == 0
    with torch.no_grad():
        assert torch.equal(loaded.network(input_ids=ids).logits, before)


def test_edits_reach_everything_after_their_site(loaded: LanguageModel) -> None:
    ids = tiny.chunks(1).ids
    plain = residuals(loaded, ids, loaded.sites)
    v = torch.randn(loaded.d_model)
    for site in loaded.sites:
        with edit_residual(loaded, site, lambda x: x + v):
            steered = residuals(loaded, ids, loaded.sites)
            with torch.no_grad():
                logits = loaded.network(input_ids=ids).logits
        for other in loaded.sites:
            if other < site:
                assert torch.equal(steered[other], plain[other])
            elif other > site:
                assert float((steered[other] - plain[other]).abs().max()) > 0.1
        with torch.no_grad():
            assert float((logits - loaded.network(input_ids=ids).logits).abs().max()) > 1e-3


def test_an_edit_at_a_site_equals_adding_to_its_rows(loaded: LanguageModel) -> None:
    ids, site = tiny.chunks(1).ids, loaded.sites[-1]
    end = residuals(loaded, ids, [site])[site]
    v = torch.randn(loaded.d_model)
    with torch.no_grad(), edit_residual(loaded, site, lambda x: x + v):
        logits = loaded.network(input_ids=ids).logits
    with torch.no_grad():
        expected = loaded.network.get_output_embeddings()(loaded.final_norm(end + v))
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_reading_does_not_alias_the_models_memory(loaded: LanguageModel) -> None:
    ids, site = tiny.chunks(1).ids, loaded.sites[1]
    first = residuals(loaded, ids, [site])[site]
    kept = first.clone()
    with torch.inference_mode():
        first.zero_()
    assert torch.equal(residuals(loaded, ids, [site])[site], kept)


def test_norm_gain_is_the_final_norms(loaded: LanguageModel) -> None:
    x = torch.randn(5, loaded.d_model)
    x = x - x.mean(1, keepdim=True)
    unit_rows = x / x.pow(2).mean(1, keepdim=True).sqrt()
    gain = norm_gain(loaded)
    with torch.no_grad():
        shift = loaded.final_norm(torch.zeros(loaded.d_model))
        np.testing.assert_allclose(unit_rows * gain + shift, loaded.final_norm(x), atol=1e-3)
    effect = logit_effect(loaded, x)
    with torch.no_grad():
        head = loaded.network.get_output_embeddings()
        expected = head(x * gain) - head(torch.zeros_like(x))
    np.testing.assert_allclose(effect, expected - expected.mean(1, keepdim=True), atol=1e-4)
    np.testing.assert_allclose(effect.mean(1), 0, atol=1e-4)


def test_padding_on_the_right_changes_no_real_row(loaded: LanguageModel) -> None:
    ids = tiny.chunks(1).ids
    padded = ids.clone()
    padded[:, 15:] = 0
    sites = [Site(2, 3)]
    np.testing.assert_allclose(
        residuals(loaded, padded, sites)[sites[0]][:, :15], residuals(loaded, ids, sites)[sites[0]][:, :15], atol=1e-4
    )


def test_a_new_family_is_a_tiny_configuration(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stablelm" not in FAMILIES, "a family that no other test knows"
    monkeypatch.setitem(tiny.SETTINGS, "stablelm", tiny.GATED)
    made = load_model(tiny.save("stablelm", tokenizer, tmp_path))
    ids = tiny.chunks(2).ids
    with torch.no_grad():
        told = made.network(input_ids=ids, output_hidden_states=True)
    found = residuals(made, ids, made.sites)
    for site in made.sites[:-1]:
        np.testing.assert_allclose(found[site], told.hidden_states[site.index], atol=1e-5)
    unembedding = made.network.get_output_embeddings()
    np.testing.assert_allclose(unembedding(made.final_norm(found[made.sites[-1]])), told.logits, atol=1e-3)
    push = torch.randn(made.d_model)
    with edit_residual(made, made.sites[1], lambda x: x + push), torch.no_grad():
        assert float((made.network(input_ids=ids).logits - told.logits).abs().max()) > 0.01
