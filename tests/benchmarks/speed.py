"""Speed as ratios within one run: `.venv/bin/python tests/benchmarks/speed.py`. Prints a table; asserts nothing.

Random weights of the shipped models' shape: speed does not depend on what a model has learned.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from explorer.models.hooks import (
    edit_residual,
    residuals,
)
from explorer.models.language_model import (
    LanguageModel,
    find_blocks,
)
from explorer.training.llamas import ModelRecipe

VOCABULARY, NEW_TOKENS, REPEATS = 2048, 40, 5


def seconds(work: Callable[[], object]) -> float:
    """Median time of a piece of work after one warm-up."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


@torch.inference_mode()
def write(model: LanguageModel, lanes: int, steer: bool) -> None:
    """The token loop of `generation.stream` without its tokenizer: one KV cache, all lanes in each forward pass."""
    from contextlib import nullcontext

    from transformers import DynamicCache

    cache = DynamicCache(config=model.network.config)
    vectors = torch.randn(lanes, 1, model.d_model)
    ids = torch.zeros(lanes, 8, dtype=torch.long)
    for _ in range(NEW_TOKENS):
        hook = edit_residual(model, model.sites[2], lambda x: x + vectors) if steer else nullcontext()
        with hook:
            out = model.network(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        ids = out.logits[:, -1].argmax(-1)[:, None]


def main() -> None:
    """Measure and print."""
    network = LlamaForCausalLM(ModelRecipe().config(VOCABULARY)).eval().requires_grad_(False)
    model = LanguageModel("random", network, None, find_blocks(network))  # type: ignore[arg-type]
    rows = torch.randint(0, VOCABULARY, (64, 128))

    def plain() -> None:
        with torch.inference_mode():
            network(input_ids=rows, output_hidden_states=True, use_cache=False)

    whole, first = seconds(plain), seconds(lambda: residuals(model, rows, [model.sites[0]]))
    every = seconds(lambda: residuals(model, rows, model.sites))
    one, six = seconds(lambda: write(model, 1, False)), seconds(lambda: write(model, 6, False))
    steered = seconds(lambda: write(model, 6, True))
    print(f"{torch.get_num_threads()} threads, d = {model.d_model}, {model.n_layers} blocks, median of {REPEATS}")
    print(f"reading every site / full forward with hidden states   {every / whole:.2f}")
    print(f"reading the first site only / full forward             {first / whole:.2f}")
    print(f"six lanes / one lane, {NEW_TOKENS} tokens                       {six / one:.2f}")
    print(f"six lanes steered / not steered                        {steered / six:.2f}")
    print(f"six lanes steered: {6 * NEW_TOKENS / steered:.0f} tokens a second in all")


if __name__ == "__main__":
    main()
