"""How many positions a model can read: as many run, and where they are rows of a table, one more does not."""

from typing import Any

import pytest
import tiny
import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.models.auto import CONFIG_MAPPING

from explorer.errors import InputError
from explorer.models.hooks import residuals
from explorer.models.language_model import LanguageModel, find_blocks
from explorer.models.shape import positions_of

N = 16
GPT = {"n_embd": 24, "n_layer": 2, "n_head": 4, "vocab_size": tiny.VOCABULARY, "n_positions": N}
SHAPE = {**tiny.SHAPE, "max_position_embeddings": N}
TABLES: dict[str, dict[str, Any]] = {
    "gpt2": GPT,
    "gpt_bigcode": GPT,
    "opt": {**SHAPE, "ffn_dim": 40, "word_embed_proj_dim": 24},
    "gpt_neo": {**SHAPE, "num_layers": 3, "attention_types": [[["global", "local", "local"], 1]], "window_size": 8},
    "codegen": {**GPT, "n_embd": 32, "rotary_dim": 4, "n_ctx": 4 * N},
}
"""Families whose positions are rows of a table, with what looks like a limit and is none."""
OTHERS: dict[str, tuple[int | None, dict[str, Any]]] = {
    "gpt_neox": (N, {**SHAPE, "intermediate_size": 40}),
    "mistral": (N, {**tiny.GATED, "max_position_embeddings": N, "sliding_window": 4}),
    "gemma3_text": (N, {**tiny.GATED, "max_position_embeddings": N, "head_dim": 6, "sliding_window": 4}),
    "falcon": (None, {**SHAPE, "alibi": True}),
    "bloom": (None, {**tiny.SHAPE, "n_layer": 2, "n_head": 4, "seq_length": N}),
}
"""Rotary families, which run on past what they were trained for, and ALiBi, which has no positions."""


def made(family: str, settings: dict[str, Any]) -> LanguageModel:
    network = AutoModelForCausalLM.from_config(CONFIG_MAPPING[family](**{**tiny.IDS, **settings})).eval()
    return LanguageModel("A", network, None, find_blocks(network))


@pytest.mark.parametrize("family", TABLES)
def test_a_table_of_positions_is_read_to_its_end_and_no_further(family: str) -> None:
    model = made(family, TABLES[family])
    assert model.positions == N
    ids = torch.randint(1, tiny.VOCABULARY, (1, N + 1))
    assert model.logits(ids[:, :N]).shape == (1, N, tiny.VOCABULARY)
    with pytest.raises((IndexError, RuntimeError)):
        model.network(input_ids=ids)


@pytest.mark.parametrize("family", OTHERS)
def test_rotary_models_say_what_they_were_trained_for_and_alibi_has_no_limit(family: str) -> None:
    positions, settings = OTHERS[family]
    model = made(family, settings)
    assert model.positions == positions
    assert model.network(input_ids=torch.ones(1, N + 1, dtype=torch.long)).logits.shape[1] == N + 1


@pytest.mark.parametrize("family", ["gpt2", "opt", "gpt_neox", "mistral", "bloom"])
def test_no_model_is_run_past_its_positions(family: str) -> None:
    positions, settings = (N, TABLES[family]) if family in TABLES else OTHERS[family]
    model, ids = made(family, settings), torch.ones(2, N + 1, dtype=torch.long)
    cache = DynamicCache(config=model.network.config)
    model.next_logits(ids[:, :N], cache)
    reads = [lambda: model.logits(ids), lambda: residuals(model, ids, model.sites)]
    for read in (*reads, lambda: model.next_logits(ids[:, N:], cache)):
        if positions is None:
            read()
            continue
        with pytest.raises(InputError, match="A reads at most 16 tokens in a row, not 17"):
            read()


def test_the_config_alone_says_the_same() -> None:
    assert positions_of({"text_config": {"max_position_embeddings": 7}, "max_position_embeddings": 9}) == 7
    assert positions_of({}) is None
    assert positions_of({"n_positions": -1}) is None
