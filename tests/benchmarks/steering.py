"""Steering speed as ratios within one run: `.venv/bin/python tests/benchmarks/steering.py`. Prints a table.

Random weights of the shape of Pythia-70m: speed does not depend on what a model has learned.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

from rows import Row

from explorer.models.language_model import (
    LanguageModel,
    find_blocks,
)
from explorer.models.prompts import check_prompt
from explorer.steering.decoding import Sampling
from explorer.steering.generation import (
    Lane,
    stream,
)

NEW_TOKENS, REPEATS = 40, 7
PROMPT = "Once there was a gardener called Clara"


def pythia_70m() -> LanguageModel:
    """Random weights of Pythia-70m's shape, with the shipped study's tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXConfig

    config = GPTNeoXConfig(
        hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048, vocab_size=50304,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "assets" / "tales" / "models" / "seed0")
    return LanguageModel("random", network, tokenizer, find_blocks(network))


def interleaved(pieces: Sequence[Callable[[], object]], repeats: int = REPEATS) -> list[list[float]]:
    """Seconds of each repeat of each piece of work; all take turns, so that a busy moment meets them all.

    On one thread these are seconds of processor, which other programs take least from.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: list[list[float]] = [[] for _ in pieces]
    for repeat in range(repeats + 1):
        for own, work in zip(times, pieces, strict=True):
            began = clock()
            work()
            if repeat:
                own.append(clock() - began)
    return times


def work() -> list[Callable[[], object]]:
    """Plain generate with one and six lanes, and ours: one, six, six steered, six steered and watched."""
    # Lanes lay the matrices of their model out anew: the peer has one of its own.
    model, untouched = pythia_70m(), pythia_70m()
    prompt = check_prompt(model, PROMPT)
    site, sampling = model.sites[3], Sampling(temperature=0, new_tokens=NEW_TOKENS)
    plain = [Lane(str(i), model) for i in range(6)]
    steered = [Lane(str(i), model, torch.randn(model.d_model)) for i in range(6)]

    def own_generate(lanes: int) -> None:
        with torch.inference_mode():
            untouched.network.generate(
                prompt.expand(lanes, -1), max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False,
                pad_token_id=0,
            )  # fmt: skip

    def ours(lanes: Sequence[Lane], watched: bool = False) -> None:
        for _ in stream(lanes, site, PROMPT, sampling, watched=watched):
            pass

    return [
        lambda: own_generate(1),
        lambda: own_generate(6),
        lambda: ours(plain[:1]),
        lambda: ours(plain),
        lambda: ours(steered),
        lambda: ours(steered, watched=True),
    ]


def rows() -> list[Row]:
    """Six steered lanes against one plain generate, and against six plain lanes, on one thread."""
    torch.set_num_threads(1)
    one, _, _, six, steered, watched = interleaved(work(), 5)
    pairs = ((steered, one), (watched, one), (steered, six))
    found = [tuple(a / b for a, b in zip(upper, lower, strict=True)) for upper, lower in pairs]
    return [
        Row("six steered lanes, time over one plain generate, shape of Pythia-70m", 1.7, found[0]),
        Row("… with KL and alternatives, over one plain generate", 2.5, found[1]),
        Row("… over six lanes that are not steered", 1.05, found[2]),
    ]


def main() -> None:
    """Measure and print."""
    one, six, our_one, our_six, our_steered, our_watched = map(min, interleaved(work()))
    print(f"{torch.get_num_threads()} threads, Pythia-70m shape, {NEW_TOKENS} tokens, best of {REPEATS}")
    print(f"six lanes, steered / model.generate, one lane          {our_steered / one:.2f}  (aim: at most 1.7)")
    print(f"six lanes steered / six lanes not steered              {our_steered / our_six:.3f}  (aim: at most 1.05)")
    print(f"six lanes, steered and watched / generate, one lane    {our_watched / one:.2f}  (KL, alternatives)")
    print(f"model.generate, six lanes / one lane                   {six / one:.2f}")
    print(f"one lane / model.generate, one lane                    {our_one / one:.2f}")
    print(f"model.generate, one lane: {one / NEW_TOKENS * 1000:.1f} ms a token")


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    main()
