"""Tiny random models of every family, for tests: a few milliseconds to build, nothing downloaded."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto import CONFIG_MAPPING

from explorer.models.language_model import LanguageModel, find_blocks
from explorer.study.schema import ModelEntry
from explorer.text.tales import stories as tales
from explorer.text.windows import Chunks

VOCABULARY = 320
SHAPE = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": VOCABULARY}
GATED = {**SHAPE, "intermediate_size": 40, "num_key_value_heads": 2, "max_position_embeddings": 256}
IDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
SETTINGS: dict[str, dict[str, Any]] = {
    "llama": GATED,
    "mistral": {**GATED, "sliding_window": None},
    "qwen2": GATED,
    "qwen3": {**GATED, "head_dim": 6},
    "gemma": {**GATED, "head_dim": 6},
    # Without the cap on its logits, so that tests can compute them from the end of the residual stream.
    "gemma2": {**GATED, "head_dim": 6, "final_logit_softcapping": None},
    "gemma3_text": {**GATED, "head_dim": 6},
    "olmo": GATED,
    "olmo2": GATED,
    "opt": {**SHAPE, "ffn_dim": 40, "max_position_embeddings": 256, "word_embed_proj_dim": 24},
    "gpt_neox": {**SHAPE, "intermediate_size": 40, "max_position_embeddings": 256},
    "gpt2": {"n_embd": 24, "n_layer": 3, "n_head": 4, "vocab_size": VOCABULARY, "n_positions": 256},
}


def network(family: str, seed: int = 0, tied: bool = False, **changes: Any) -> Any:
    """A random network whose weights, gains and biases all matter."""
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[family](**{**SETTINGS[family], **IDS, "tie_word_embeddings": tied, **changes})
    config._attn_implementation = "eager"
    made = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, p in made.named_parameters():
            if p.ndim >= 2:
                p.mul_(6.0)
            elif name.endswith("bias"):
                p.normal_(0, 0.3)
            else:
                p.add_(torch.rand_like(p) - 0.5)
    return made.eval().requires_grad_(False)


def model(
    family: str, tokenizer: Any, seed: int = 0, name: str = "A", tied: bool = False, **changes: Any
) -> LanguageModel:
    """The same as the library's LanguageModel."""
    made = network(family, seed, tied, **changes)
    return LanguageModel(name, made, tokenizer, find_blocks(made))


def other_end(family: str, tokenizer: Any) -> LanguageModel:
    """A copy of `model(family)`, but for noise on the weights of its last block."""
    made = model(family, tokenizer, name="B")
    generator = torch.Generator().manual_seed(0)
    for p in made.blocks[-1].parameters():
        p.data += 0.3 * p.data.std() * torch.randn(p.shape, generator=generator)
    return made


def save(family: str, tokenizer: Any, folder: Path, seed: int = 0) -> Path:
    """A model folder, as `load_model` reads it."""
    network(family, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def with_bos(tokenizer: Any, folder: Path) -> Any:
    """The same tokenizer, but that it puts token 0 before every text; also written into the folder."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(folder)
    made = AutoTokenizer.from_pretrained(folder)
    before = made.convert_ids_to_tokens(0)
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{before} $A", pair=f"{before} $A {before} $B", special_tokens=[(before, 0)]
    )
    made.save_pretrained(folder)
    return made


def stories(tokens: int) -> list[str]:
    """Tales cut short: enough of them for every split, and about so many tokens together."""
    return [d.text[: tokens // 43] for d in tales.documents("example", 64)]


def chunks(documents: int, per_document: int = 2, context: int = 24, seed: int = 0) -> Chunks:
    """Random tokens in documents of equal length."""
    generator = torch.Generator().manual_seed(seed)
    n = documents * per_document
    return Chunks(
        torch.randint(1, VOCABULARY, (n, context), generator=generator),
        torch.ones(n, context, dtype=torch.bool),
        torch.arange(n) // per_document,
        (torch.arange(n) % per_document) * context,
        torch.zeros(n, dtype=torch.long),
    )


def hooks(made: LanguageModel) -> int:
    """Hooks that are on the network now."""
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in made.network.modules()
    )


def seeds_and_twin(tokenizer: Any, folder: Path) -> tuple[ModelEntry, ...]:
    """Two models that are written to a study's folder, and the first one's twin, as the study lists them."""
    models = []
    for i in range(2):
        save("llama", tokenizer, folder / "models" / f"seed{i}", seed=i + 1)
        models.append(ModelEntry(f"seed{i}", "seed", f"seed {i}", f"models/seed{i}", "0" * 64, i, 5.0))
    return (*models, ModelEntry("twin", "twin", "seed0 rotated", "models/seed0", "0" * 64, 0, 5.0))
