"""Families whose final norm has a name of its own, and models that are no causal language models."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer.errors import InputError
from explorer.models.hooks import edit_residual, residuals
from explorer.models.language_model import LanguageModel, find_blocks, load_model
from explorer.models.logit_lens import norm_gain

WIDE = {"vocab_size": tiny.VOCABULARY}
SETTINGS: dict[str, dict[str, Any]] = {
    "mpt": {**WIDE, "d_model": 24, "n_layers": 3, "n_heads": 4, "max_seq_len": 256},
    "xglm": {**WIDE, "d_model": 24, "num_layers": 3, "attention_heads": 4, "ffn_dim": 40},
    "biogpt": {**WIDE, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40},
    "recurrent_gemma": {
        **WIDE, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
        "lru_width": 24, "attention_window_size": 16, "head_dim": 6, "logits_soft_cap": 1e4,
    },
    "bloom": {**WIDE, "hidden_size": 24, "n_layer": 3, "n_head": 4},
    "falcon": {**WIDE, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4},
    "phi": {**WIDE, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 40},
    "gptj": {**WIDE, "n_embd": 24, "n_layer": 3, "n_head": 4, "rotary_dim": 4},
    "stablelm": {
        **WIDE, "num_key_value_heads": 3, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3,
        "intermediate_size": 40,
    },
    "granite": {**WIDE, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40},
}  # fmt: skip


def model(family: str, tokenizer: Any) -> LanguageModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny.SETTINGS, family, SETTINGS[family])
        network = tiny.network(family)
    return LanguageModel("A", network, tokenizer, find_blocks(network))


@pytest.mark.parametrize("family", SETTINGS)
def test_the_end_of_the_stream_is_what_the_final_norm_reads(family: str, tokenizer: Any) -> None:
    made = model(family, tokenizer)
    assert (made.n_layers, made.d_model) == (3, 24)
    ids = tiny.chunks(2).ids
    rows = residuals(made, ids, made.sites)
    with torch.no_grad():
        rebuilt = made.network.get_output_embeddings()(made.final_norm(rows[made.sites[-1]]))
    scale = getattr(made.network.config, "logits_scaling", 1.0)
    torch.testing.assert_close(rebuilt / scale, made.logits(ids), atol=2e-3, rtol=2e-3)
    assert norm_gain(made).isfinite().all()
    for site in made.sites:
        push = torch.randn(24, generator=torch.Generator().manual_seed(site.index))
        with edit_residual(made, site, lambda hidden, push=push: hidden + push):
            after = residuals(made, ids, [made.sites[-1]])[made.sites[-1]]
        moved = after - rows[made.sites[-1]]
        assert float(moved.abs().mean()) > 0.05
        if site.index == made.n_layers:
            torch.testing.assert_close(moved, push.expand_as(moved), atol=1e-4, rtol=0)
    assert tiny.hooks(made) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["LlamaForSequenceClassification"]}, "no language model but LlamaForSequenceClassification"),
        ({"architectures": ["BertForMaskedLM"]}, "no language model but BertForMaskedLM"),
        ({"is_encoder_decoder": True, "model_type": "bart"}, r"is an encoder-decoder \('bart'\)"),
        ({"quantization_config": {"quant_method": "awq"}}, r"holds quantised weights \(awq\)"),
        ({"quantization_config": {"load_in_8bit": True}}, "holds quantised weights"),
    ],
)
def test_settings_of_other_models(changes: dict[str, Any], message: str, tokenizer: Any, tmp_path: Path) -> None:
    folder = tiny.save("llama", tokenizer, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(InputError, match=message):
        load_model(folder)
