"""Collecting moments against the plain way, memory against the length of the text: prints a table; asserts nothing.

    .venv/bin/python tests/benchmarks/measuring.py [tokens] [threads]

Random weights of Pythia-70m's shape: speed does not depend on what a model has learned. The plain way runs the full
model with `output_hidden_states`, keeps every row of both models, and calls scipy's `orthogonal_procrustes` per site.
Speed: both ways and plain matrix products take turns batch by batch in one process, so that whatever else the machine
does meets all of them. Memory: each way in a process of its own, counted from when the models are there.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

from rows import Row

from explorer.alignment.pairing import FORWARD
from explorer.models.language_model import (
    LanguageModel,
    find_blocks,
)
from explorer.models.massive import BATCH
from explorer.text.windows import Chunks

D, LAYERS, VOCABULARY, CONTEXT = 512, 6, 50_304, 128


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Peak:
    """Largest resident memory while open, above what it was at the start."""

    def __enter__(self) -> Peak:
        self.base = self.high = resident()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.over.wait(0.005):
            self.high = max(self.high, resident())

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.high = max(self.high, resident())

    @property
    def megabytes(self) -> float:
        return (self.high - self.base) / 2**20


def model(seed: int, d: int = D, layers: int = LAYERS, vocabulary: int = VOCABULARY) -> LanguageModel:
    """Random weights."""
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    config = GPTNeoXConfig(
        hidden_size=d, num_hidden_layers=layers, num_attention_heads=8, intermediate_size=4 * d,
        vocab_size=vocabulary, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    return LanguageModel(f"m{seed}", network, None, find_blocks(network))  # type: ignore[arg-type]


def text(tokens: int, vocabulary: int = VOCABULARY) -> Chunks:
    """Random tokens in documents of two chunks, more frequent ones more often."""
    n = tokens // CONTEXT
    generator = torch.Generator().manual_seed(0)
    ids = (torch.rand(n, CONTEXT, generator=generator) ** 4 * vocabulary).long()
    place = torch.arange(n)
    return Chunks(ids, torch.ones_like(ids).bool(), place // 2, place % 2 * CONTEXT, torch.zeros_like(place))


class Plain:
    """Every row of both models in memory, then scipy."""

    def __init__(self, *models: LanguageModel) -> None:
        self.models = models
        self.rows: list[list[list[Tensor]]] = [[[] for _ in range(LAYERS + 1)] for _ in models]

    def read(self, chunks: Chunks) -> None:
        """Keep the rows of some chunks, eight at a time: the logits of more would not be quicker."""
        for batch in chunks.batches(8):
            for side, m in zip(self.rows, self.models, strict=True):
                states = m.network(input_ids=batch.ids, output_hidden_states=True, use_cache=False).hidden_states
                for kept, state in zip(side, states, strict=True):
                    kept.append(state[:, 1:].flatten(0, 1))

    def fit(self) -> None:
        """The orthogonal map of every site."""
        from scipy.linalg import orthogonal_procrustes

        for left, right in zip(*self.rows, strict=True):
            x, y = torch.cat(left), torch.cat(right)
            orthogonal_procrustes((y - y.mean(0)).numpy(), (x - x.mean(0)).numpy())


class Paper(Plain):
    """The way of the paper's replication: a hook on every block, whole passes, float64 rows on the CPU, an SVD."""

    def read(self, chunks: Chunks) -> None:
        """Keep the rows of some chunks, as float64."""
        for batch in chunks.batches(8):
            for side, m in zip(self.rows, self.models, strict=True):
                found: list[Tensor] = []
                keep = lambda _m, args, out, f=found: f.append((out[0] if isinstance(out, tuple) else out).double())  # noqa: E731
                first = m.blocks[0].register_forward_pre_hook(lambda _m, args, f=found: f.append(args[0].double()))
                hooks = [first, *(block.register_forward_hook(keep) for block in m.blocks)]
                m.network(input_ids=batch.ids, use_cache=False)
                for hook in hooks:
                    hook.remove()
                for kept, state in zip(side, found, strict=True):
                    kept.append(state[:, 1:].flatten(0, 1))

    def fit(self) -> None:
        """The orthogonal map of every site."""
        for left, right in zip(*self.rows, strict=True):
            x, y = torch.cat(left), torch.cat(right)
            u, _, vh = torch.linalg.svd((y - y.mean(0)).T @ (x - x.mean(0)))
            u @ vh


def ours(a: LanguageModel, b: LanguageModel, chunks: Chunks, shuffles: int, turn: Callable[[], None]) -> None:
    """Pass 1 and the orthogonal maps; `shuffles` = 19 with the nulls, 0 without, as the plain way has none."""
    from explorer.alignment import maps
    from explorer.alignment.first_pass import collect_moments
    from explorer.models.massive import NormLimits

    found = collect_moments(a, b, chunks, a.sites, NormLimits(), lambda _s, _p: turn(), shuffles)
    for site in a.sites:
        maps.orthogonal(found[site].fit)


@torch.inference_mode()
def speed(tokens: int, shuffles: int, threads: int) -> dict[str, float]:
    """Tokens a second of both ways, and operations a second of a product of the blocks' largest shape, in turns."""
    torch.set_num_threads(threads)
    # With one thread its own work counts, whoever else is on the machine; several are timed by the clock on the wall.
    clock = time.process_time if threads == 1 else time.perf_counter
    a, b, chunks = model(0), model(1), text(tokens)
    read = torch.cat([torch.nonzero(_of(chunks, s)).squeeze(1) for s in ("validation", "fit")])
    ways = {"plain": Plain(a, b), "paper": Paper(a, b)}
    batches = chunks[read].batches(BATCH)
    x, w = torch.randn(FORWARD * CONTEXT, D), torch.randn(D, 4 * D)
    spent = {"plain": 0.0, "paper": 0.0, "products": 0.0}
    products = 0

    def timed(name: str, work: Callable[[], object]) -> None:
        began = clock()
        work()
        spent[name] += clock() - began

    def turn() -> None:
        nonlocal products
        if (batch := next(batches, None)) is not None:
            for name, way in ways.items():
                timed(name, lambda: way.read(batch))  # noqa: B023 (called at once)
        for _ in range(20):
            timed("products", lambda: x @ w)
        products += 20

    began = clock()
    ours(a, b, chunks, shuffles, turn)
    mine = clock() - began - sum(spent.values())
    for batch in batches:
        for name, way in ways.items():
            timed(name, lambda: way.read(batch))  # noqa: B023 (called at once)
    for name, way in ways.items():
        timed(name, way.fit)
    count = len(read) * CONTEXT
    return {
        "plain": count / spent["plain"],
        "paper": count / spent["paper"],
        "ours": count / mine,
        "flops": products * 2 * x.numel() * 4 * D / spent["products"],
    }


def _of(chunks: Chunks, split: str) -> Tensor:
    from explorer.text.windows import split_of

    return torch.tensor([split_of(int(d)) == split for d in chunks.document])


@torch.inference_mode()
def memory(tokens: int, shuffles: int) -> dict[str, float]:
    """Peak memory above the models: of the plain way (shuffles < 0), or of ours."""
    a, b, chunks = model(0), model(1), text(tokens)
    with Peak() as peak:
        if shuffles < 0:
            slow = Plain(a, b)
            slow.read(chunks)
            slow.fit()
        else:
            ours(a, b, chunks, shuffles, lambda: None)
    return {"megabytes": peak.megabytes}


def small(tokens: int) -> dict[str, float]:
    """The whole measurement of a pair of a small model: does memory grow with the text?"""
    from explorer.alignment.pair import measure_pair

    class Reader:
        """Reads nothing: the text is tokens already."""

        def decode(self, _ids: object) -> str:
            return ""

        def __call__(self, _text: str) -> dict[str, list[int]]:
            return {"input_ids": []}

    a, b, chunks = model(0, 64, 2, 2048), model(1, 64, 2, 2048), text(tokens, 2048)
    a.tokenizer = b.tokenizer = Reader()
    with Peak() as peak:
        began = time.process_time()
        measure_pair(a, b, chunks, a.sites, {})
        seconds = time.process_time() - began
    return {
        "seconds": seconds,
        "megabytes": peak.megabytes,
        "all": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def operations(shuffles: int) -> float:
    """Floating-point operations per token that must be done: both models' blocks, attention, and the moments."""
    blocks = 2 * LAYERS * (2 * 12 * D * D + 4 * CONTEXT * D)
    moments = (LAYERS + 1) * 2 * D * D * (3 + 1 + shuffles)
    return float(blocks + moments)


def alone(*arguments: object) -> dict[str, float]:
    """Run one way in a fresh process."""
    given = list(map(str, arguments))
    out = subprocess.run([sys.executable, __file__, *given], capture_output=True, text=True, check=True)
    return dict(json.loads(out.stdout.splitlines()[-1]))


def rows() -> list[Row]:
    """Collecting moments, without nulls, against both other ways and against the machine's rate, on one thread."""
    found = [speed(8_192, 0, 1) for _ in range(3)]
    shares = tuple(one["ours"] * operations(0) / one["flops"] for one in found)
    kept, mine = (alone("memory", 16_384, shuffles)["megabytes"] for shuffles in (-1, 0))
    return [
        Row("collecting moments: tokens/s over those of keeping all rows and scipy", 2.0,
            tuple(one["ours"] / one["plain"] for one in found), True),
        Row("… over those of the paper's own way: hooks, float64 on the CPU, an SVD", 2.0,
            tuple(one["ours"] / one["paper"] for one in found), True),
        Row("… share of the machine's float32 rate", 0.7, shares, True),
        Row("… memory above the models, over that of keeping all rows of 16,384 tokens", 0.5, (mine / kept,)),
    ]  # fmt: skip


def main(tokens: int, threads: int) -> None:
    """Measure and print."""
    print(f"{tokens} tokens, {threads} threads; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    kept = alone("memory", tokens, -1)["megabytes"]
    print(f"plain                 {kept:7.0f} MB above the models", flush=True)
    for name, shuffles in (("moments", 0), ("moments and 19 nulls", 19)):
        mine, found = alone("memory", tokens, shuffles)["megabytes"], alone("speed", tokens, shuffles, threads)
        reached = found["ours"] * operations(shuffles)
        print(
            f"{name:21} {mine:7.0f} MB, 1/{kept / mine:.1f} of the plain way's; {found['ours']:.0f} tokens/s, "
            f"plain {found['plain']:.0f}: {found['ours'] / found['plain']:.2f} × the speed; "
            f"{operations(shuffles) / 1e6:.0f} MFLOP per token, {reached / 1e9:.0f} of "
            f"the machine's {found['flops'] / 1e9:.0f} GFLOP/s: {reached / found['flops']:.2f}",
            flush=True,
        )
    few, many = alone("small", 50_000), alone("small", 500_000)
    print(
        f"whole measurement, d = 64: {few['all']:.0f} MB peak with 50k tokens, {many['all']:.0f} MB with 500k "
        f"({many['all'] / few['all'] - 1:+.1%}); above the models {few['megabytes']:.0f} and {many['megabytes']:.0f} MB"
    )


if __name__ == "__main__":
    ways = {"memory": memory, "speed": speed, "small": small}
    if len(sys.argv) > 1 and sys.argv[1] in ways:
        print(json.dumps(ways[sys.argv[1]](*map(int, sys.argv[2:]))))
    else:
        main(*map(int, [*sys.argv[1:], *("65536", "1")[len(sys.argv) - 1 :]]))
