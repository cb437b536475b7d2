"""What a GPU makes of the explorer: `python tests/benchmarks/gpu.py --out FOLDER`; `--table FILE` prints the results.

One run of less than seven minutes on an H100. Every part has a time limit and what it found is written at once, so that
a part that fails or is too slow costs nothing else. Random weights of Pythia's shapes, except where the shipped Tales
models are compared. `--tiny` runs every part in small on whatever there is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

import numpy as np
import torch
from gpu_table import table
from torch import Tensor

from explorer.alignment import controls, maps, measure_pair
from explorer.alignment.first_pass import SHUFFLES, collect_moments, plain_moments
from explorer.alignment.polar import polar_factors
from explorer.models import LanguageModel, NormLimits, Site, find_blocks, load_model, residuals
from explorer.progress import silent
from explorer.sae.trainer import SAERecipe, SAETrainer
from explorer.steering import Lane, Sampling, stream
from explorer.text import TextReading, read_windows
from explorer.text.tales import stories
from explorer.text.windows import Chunks
from explorer.training.llamas import Llamas
from explorer.training.pretraining import Training, TrainingProgress, fastest, train_seeds
from explorer.training.recall_objective import recall_objective
from explorer.training.tales.recipe import TalesRecipe, Workshop
from explorer.training.tales.stream import training_stream

TALES = ROOT / "assets" / "tales" / "models"
WHOLE = 405.0
"""Seconds after which no further part begins."""
WINDOW, IDS = 512, 2048
"""Tokens of a window, and how many different ones a random text has: as many as the tokenizer of Tales knows."""
PROMPT = "Once there was a gardener called Clara"


@dataclass(frozen=True)
class Shape:
    """A GPT-NeoX model as Pythia has it."""

    name: str
    d: int
    blocks: int
    heads: int
    vocabulary: int = 50_304

    @property
    def operations(self) -> float:
        """Multiplications and additions of one token in the blocks, its causal attention over a window included."""
        return self.blocks * (24 * self.d**2 + 2 * WINDOW * self.d)


SHAPES = (
    Shape("70m", 512, 6, 8),
    Shape("410m", 1024, 24, 16),
    Shape("1.4B", 2048, 24, 16),
    Shape("6.9B", 4096, 32, 32),
)
SMALL = (Shape("tiny", 32, 3, 4, IDS),)


class Bench:
    """One run: where it computes, how large, and what has been found."""

    def __init__(self, out: Path, tiny: bool) -> None:
        self.out, self.tiny, self.began = out, tiny, time.monotonic()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.shapes = SMALL if tiny else SHAPES
        self.low = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.results: dict[str, Any] = {}
        out.mkdir(parents=True, exist_ok=True)

    def part(self, name: str, limit: float, work: Callable[[Bench, dict[str, Any]], None]) -> None:
        """Run a part within its limit; what it wrote into its dictionary is kept, whatever happens."""
        found: dict[str, Any] = {}
        self.results[name] = found
        left = limit if self.tiny else min(limit, WHOLE - (time.monotonic() - self.began))
        began = time.monotonic()
        try:
            with time_limit(left):
                work(self, found)
        except Exception as error:  # the other parts go on
            found["error"] = f"{type(error).__name__}: {error}"[:600]
            traceback.print_exc()
        found["seconds"] = round(time.monotonic() - began, 1)
        self.write()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        print(f"{time.monotonic() - self.began:6.1f} s  {name}: {json.dumps(found)[:1500]}", flush=True)

    def write(self) -> None:
        """Everything so far, as JSON."""
        (self.out / "gpu.json").write_text(json.dumps(self.results, indent=1))

    def wait(self) -> None:
        """Until the GPU has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def timed(self, work: Callable[[], object], repeats: int = 5) -> float:
        """Median seconds of a piece of work after one warm-up."""
        work()
        times = []
        for _ in range(1 if self.tiny else repeats):
            self.wait()
            began = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    def once(self, work: Callable[[], object]) -> float:
        """Seconds of one run without warm-up."""
        self.wait()
        began = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - began

    @contextmanager
    def peak(self, found: dict[str, Any], name: str = "peak_gib") -> Iterator[None]:
        """Note the most memory of the GPU that was in use, GiB."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        yield
        if self.device.type == "cuda":
            found[name] = round(torch.cuda.max_memory_allocated() / 2**30, 2)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside after so many seconds."""
    if seconds <= 1:
        raise TimeoutError("no time left for this part")

    def late(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"more than {seconds:.0f} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def random_model(shape: Shape, device: torch.device, dtype: torch.dtype, seed: int = 0) -> LanguageModel:
    """Random weights of a shape, made on the device; with the tokenizer of Tales where it lies there."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXConfig

    config = GPTNeoXConfig(
        hidden_size=shape.d, num_hidden_layers=shape.blocks, num_attention_heads=shape.heads,
        intermediate_size=4 * shape.d, vocab_size=shape.vocabulary, max_position_embeddings=2048,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(seed)
    with torch.device(device):
        network = AutoModelForCausalLM.from_config(config, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(TALES / "seed0") if (TALES / "seed0").exists() else None
    return LanguageModel(f"{shape.name}-{seed}", network.eval().requires_grad_(False), tokenizer, find_blocks(network))


def random_text(windows: int, width: int = WINDOW) -> Chunks:
    """Windows of random token ids, each a document."""
    ids = torch.randint(0, IDS, (windows, width), generator=torch.Generator().manual_seed(0))
    number = torch.arange(windows)
    return Chunks(
        ids, torch.ones_like(ids, dtype=torch.bool), number, torch.zeros_like(number), torch.zeros_like(number)
    )


def card(bench: Bench, found: dict[str, Any]) -> None:
    """What is measured on, and how fast it multiplies."""
    found.update(
        torch=torch.__version__, device=str(bench.device), cpus=os.cpu_count(), cpu_threads=torch.get_num_threads()
    )
    if bench.device.type == "cuda":
        found["card"] = torch.cuda.get_device_name()
        found["driver"] = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
        ).stdout.strip()
    sizes = {"bfloat16": 8192, "float32": 4096, "float64": 4096}
    for name, n in sizes.items():
        n = 32 if bench.tiny else n
        a, b = (torch.randn(n, n, device=bench.device).to(getattr(torch, name)) for _ in range(2))
        found[f"{name}_tflops"] = round(2 * n**3 / bench.timed(lambda a=a, b=b: a @ b, 10) / 1e12, 3)  # type: ignore[misc]


def moment_rate(bench: Bench, a: LanguageModel, b: LanguageModel, sites: list[Site], shuffles: int) -> int:
    """Tokens a second of a whole first pass over both models."""
    text = random_text(8 if bench.tiny else 128)
    tokens = sum(len(text.split(s)) for s in ("fit", "validation")) * text.ids.shape[1]
    return round(tokens / bench.timed(lambda: collect_moments(a, b, text, sites, NormLimits(), silent, shuffles), 1))


def passes(bench: Bench, found: dict[str, Any]) -> None:
    """Forward passes in bfloat16, plain, with rows collected, and whole passes of paired moments."""
    rate = bench.results["card"].get("bfloat16_tflops", 0) * 1e12
    windows = 2 if bench.tiny else 32
    ids = random_text(windows).ids
    for shape in bench.shapes:
        one: dict[str, Any] = {}
        found[shape.name] = one
        with bench.peak(one):
            a, b = (random_model(shape, bench.device, bench.low, seed) for seed in range(2))
            sites = [a.sites[round(i * a.n_layers / 4)] for i in range(5)]
            every = {
                "blocks": lambda a=a: a.run_blocks(ids),
                "logits": lambda a=a: a.logits(ids),
                "five_sites": lambda a=a, sites=sites: residuals(a, ids, sites),
            }
            for name, work in every.items():
                one[f"{name}_tokens_per_s"] = round(ids.numel() / bench.timed(work))
            one["share_of_bf16_rate"] = round(one["blocks_tokens_per_s"] * shape.operations / max(rate, 1), 4)
            for shuffles in (0, SHUFFLES) if shape.d <= 1024 else (0,):
                one[f"moments_{shuffles}_shuffles_tokens_per_s"] = moment_rate(bench, a, b, sites, shuffles)
        bench.write()
        del a, b, every, work


def polar(bench: Bench, found: dict[str, Any]) -> None:
    """The orthogonal factor by Newton's iteration against torch's SVD, seconds a matrix, condition number 1e4."""
    sizes = {24: 3} if bench.tiny else {512: 20, 1024: 20, 2048: 4, 4096: 1, 8192: 1}
    slow = False
    torch.linalg.svd(torch.eye(8, dtype=torch.float64, device=bench.device))
    for d, count in sizes.items():
        one: dict[str, Any] = {"stack": count}
        found[str(d)] = one
        g = torch.Generator(bench.device).manual_seed(d)
        q = [
            torch.linalg.qr(torch.randn(d, d, generator=g, dtype=torch.float64, device=bench.device)).Q
            for _ in range(2)
        ]
        values = torch.logspace(0, -4, d, dtype=torch.float64, device=bench.device)
        stack = ((q[0] * values) @ q[1].T).expand(count, -1, -1).clone()
        truth = q[0] @ q[1].T
        one["newton_s"] = round(bench.timed(lambda s=stack: polar_factors(s), 2) / count, 6)  # type: ignore[misc]
        one["newton_error"] = float((polar_factors(stack[:1])[0] - truth).abs().max())
        bench.write()
        if not slow:
            bench.wait()
            began = time.perf_counter()
            u, _, vh = torch.linalg.svd(stack[0])
            bench.wait()
            one["svd_s"] = round(time.perf_counter() - began, 6)
            one["svd_error"] = float((u @ vh - truth).abs().max())
            slow = one["svd_s"] > 6


def tales_text(model: LanguageModel, tokens: int) -> Chunks:
    """Held-out Tales as windows of 256 tokens."""
    texts = [d.text for d in stories.documents("held-out", 8 + tokens // 100)]
    return read_windows(texts, model.tokenizer, TextReading(256, model.begin), tokens)


def precision(bench: Bench, found: dict[str, Any]) -> None:
    """R and its EV from bfloat16 passes with float32 moments against float32 passes: the shipped Tales seeds."""
    fitted: dict[str, dict[Any, tuple[Tensor, float]]] = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", bench.low)):
        a, b = (load_model(TALES / f"seed{i}", device=bench.device.type, dtype=dtype) for i in range(2))
        chunks = tales_text(a, 9_000 if bench.tiny else 65_536)
        moments = plain_moments(a, b, chunks, a.sites, silent, "moments")
        fitted[name] = {
            site: ((r := maps.orthogonal(fit).matrix), maps.linear_ev(r, fit, test))
            for site, (fit, _, test) in moments.items()
        }
    for site, (r, ev) in fitted["float32"].items():
        low, low_ev = fitted["bfloat16"][site]
        turn = float((r - low).norm() / (2 * len(r)) ** 0.5)
        found[site.name] = {"ev_float32": round(ev, 5), "ev_bfloat16": round(low_ev, 5), "turned": round(turn, 5)}


def check_tales(out: Path, device: str, tokens: int) -> None:
    """`check` of two shipped seeds; writes what each step took, after every step."""
    from explorer.pipeline.check_options import CheckOptions, Checkpoint
    from explorer.pipeline.progress import CheckProgress
    from explorer.pipeline.run_check import check

    os.environ["EXPLORER_CACHE"] = tempfile.mkdtemp(prefix="gpu-bench-")
    began = time.monotonic()
    steps: dict[str, float] = {}
    state: dict[str, Any] = {"device": device, "tokens": tokens, "began": steps, "share": 0.0}

    def hear(step: str, share: float) -> None:
        if step not in steps:
            steps[step] = round(time.monotonic() - began, 2)
        state.update(share=round(share, 4), so_far=round(time.monotonic() - began, 2))
        out.write_text(json.dumps(state))

    options = CheckOptions(sae="none", tokens=tokens, device=device)
    places = [Checkpoint(str(TALES / f"seed{i}")) for i in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        made = check(*places, Path(folder), options, "benchmark", CheckProgress(hear, lambda site: None))
    state.update(finished=True, verdict=str(made.verdict)[:300], total=round(time.monotonic() - began, 2))
    out.write_text(json.dumps(state))


def start_on_cpu(bench: Bench) -> subprocess.Popen[bytes]:
    """The same check on half of this machine's processors, beside everything else."""
    order = [sys.executable, __file__, "--out", str(bench.out), "--cpu-check"] + ["--tiny"] * bench.tiny
    threads = str(max(1, (os.cpu_count() or 2) // 2))
    return subprocess.Popen(order, env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": threads})


def verdict(bench: Bench, found: dict[str, Any]) -> None:
    """Seconds until `check` of two Tales seeds ends."""
    path = bench.out / "check_gpu.json"
    try:
        check_tales(path, bench.device.type, 16_000 if bench.tiny else 65_536)
    finally:
        found.update(json.loads(path.read_text()) if path.exists() else {})


def wide_pair(bench: Bench, found: dict[str, Any]) -> None:
    """Seconds to measure and judge a random pair of the shape of Pythia-410m on 20·d rows at three sites."""
    shape = SMALL[0] if bench.tiny else SHAPES[1]
    began, steps = time.monotonic(), {}

    def hear(step: str, _share: float) -> None:
        steps.setdefault(step, round(time.monotonic() - began, 2))
        found.update(began=steps, so_far=round(time.monotonic() - began, 2))

    a, b = (random_model(shape, bench.device, torch.float32, seed) for seed in range(2))
    sites = [a.sites[0], a.sites[a.n_layers // 2], a.sites[-1]]
    width = 64 if bench.tiny else 256
    text = random_text(-(-20 * shape.d * 12 // (5 * width)), width)
    with bench.peak(found):
        shared = controls(a, b, text, sites, ("random-a", "random-b"), hear, cache())
        made = measure_pair(a, b, text, sites, {}, report=hear, controls=shared)
    found.update(finished=True, total=round(time.monotonic() - began, 2), verdict=str(made.result.verdict)[:200])


def cache() -> Any:
    """A cache that keeps nothing."""
    from explorer.cache import Cache

    return Cache(None)


def dictionaries(bench: Bench, found: dict[str, Any]) -> None:
    """Rows a second of training a TopK dictionary of width 8·d, k = 32."""
    for d in (32,) if bench.tiny else (512, 2048):
        for device in dict.fromkeys((bench.device, torch.device("cpu"))):
            recipe = SAERecipe(width=8 * d, k=min(32, d), batch=128 if bench.tiny else 4096)
            rows = torch.randn(recipe.batch, d, device=device)
            trainer = SAETrainer(recipe, rows, 1000, 0)
            seconds = bench.timed(lambda t=trainer, x=rows: t.step(x), 15 if device.type == "cuda" else 2)  # type: ignore[misc]
            found[f"d{d}_{device.type}_rows_per_s"] = round(recipe.batch / seconds)
            found[f"d{d}_{device.type}_products"] = str(trainer.dtype)
            bench.write()


def lanes(bench: Bench, found: dict[str, Any]) -> None:
    """Six steered lanes against one plain generate, tokens a second."""
    new = 4 if bench.tiny else 40
    for shape in bench.shapes[:2]:
        for dtype in dict.fromkeys((bench.low, torch.float32)):
            model = random_model(shape, bench.device, dtype)
            prompt = torch.tensor([model.tokenizer(PROMPT)["input_ids"]], device=bench.device)
            written = [Lane(str(i), model, torch.randn(shape.d)) for i in range(6)]
            sampling = Sampling(temperature=0, new_tokens=new)

            def plain(model: LanguageModel = model, prompt: Tensor = prompt) -> None:
                with torch.inference_mode():
                    model.network.generate(
                        prompt, max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0
                    )

            def ours(model: LanguageModel = model, written: list[Lane] = written, s: Sampling = sampling) -> None:
                for _ in stream(written, model.sites[2], PROMPT, s):
                    pass

            one, six = bench.timed(plain, 3), bench.timed(ours, 3)
            name = f"{shape.name}_{str(dtype).removeprefix('torch.')}"
            found[name] = {
                "generate_tokens_per_s": round(new / one),
                "six_lanes_tokens_per_s": round(6 * new / six),
                "ratio": round(six / one, 3),
            }
            bench.write()


class _Enough(Exception):
    """Measured for long enough."""


def training(bench: Bench, found: dict[str, Any]) -> None:
    """The recipe of the shipped Tales models, three seeds as one batch: tokens/s after compiling, loss, memory."""
    recipe = (
        TalesRecipe()
        if not bench.tiny
        else replace(TalesRecipe(), model=replace(TalesRecipe().model, d_model=32, n_heads=4, d_mlp=48, context=32))
    )
    cohort = recipe.cohorts[0]
    schedule = replace(cohort.schedule, rows=2, steps=150) if bench.tiny else cohort.schedule
    work = Path(tempfile.mkdtemp(prefix="gpu-training-"))
    workshop = Workshop(work, recipe, print, str(bench.device), processes=0 if bench.tiny else 7)
    shutil.copytree(
        TALES / "seed0", workshop.tokenizer_folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json")
    )
    found["text_s"] = round(bench.once(lambda: training_stream(workshop, 60_000 if bench.tiny else 2_000_000)), 1)
    text = training_stream(workshop, 60_000 if bench.tiny else 2_000_000)
    llamas = Llamas(recipe.model, recipe.vocabulary, cohort.seeds, str(bench.device))
    speed = fastest(bench.device.type)
    found.update(speed=str(speed), curve=[])
    times: list[tuple[int, float]] = []

    def batches(step: int) -> np.ndarray:
        rngs = (np.random.default_rng([77, seed, step]) for seed in cohort.seeds)
        return np.stack([text.windows(schedule.rows, recipe.model.context + 1, rng) for rng in rngs])

    def report(p: TrainingProgress) -> None:
        times.append((p.step, time.monotonic()))
        found["curve"].append([p.step, *(round(x, 4) for x in p.losses)])
        first, last = times[0], times[-1]
        if last[0] > first[0]:
            tokens = (last[0] - first[0]) * schedule.rows * recipe.model.context
            found["tokens_per_s_each_seed"] = round(tokens / (last[1] - first[1]))
            if last[1] - first[1] > (1 if bench.tiny else 35):
                raise _Enough

    began = time.monotonic()
    with bench.peak(found), suppress(_Enough):
        train_seeds(
            llamas,
            Training(cohort.kind, schedule, batches, recall_objective),
            work / "state.safetensors",
            report,
            speed=speed,
        )
    found["first_50_steps_s"] = round(times[0][1] - began, 1)
    shutil.rmtree(work)


PARTS: tuple[tuple[str, float, Callable[[Bench, dict[str, Any]], None]], ...] = (
    ("card", 20, card),
    ("precision", 40, precision),
    ("verdict", 110, verdict),
    ("passes", 100, passes),
    ("polar", 70, polar),
    ("dictionaries", 30, dictionaries),
    ("lanes", 45, lanes),
    ("training", 100, training),
    ("wide_pair", 80, wide_pair),
)


def main() -> None:
    """Run everything, or print the table of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for gpu.json")
    parser.add_argument("--table", type=Path, help="print the table of a gpu.json")
    parser.add_argument("--tiny", action="store_true", help="small shapes, to try the script")
    parser.add_argument("--parts", default="", help="only these parts, separated by commas")
    parser.add_argument("--cpu-check", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.table:
        print(table(json.loads(given.table.read_text())))
        return
    if given.cpu_check:
        check_tales(given.out / "check_cpu.json", "cpu", 16_000 if given.tiny else 65_536)
        return
    bench = Bench(given.out, given.tiny)
    chosen = given.parts.split(",") if given.parts else [name for name, _, _ in PARTS]
    beside = start_on_cpu(bench) if "verdict" in chosen and not given.tiny else None
    try:
        for name, limit, work in PARTS:
            if name in chosen or name == "card":
                bench.part(name, 3600 if given.tiny else limit, work)
    finally:
        if beside is not None:
            beside.terminate()
            path = bench.out / "check_cpu.json"
            bench.results["verdict_on_cpu"] = json.loads(path.read_text()) if path.exists() else {}
            bench.write()


if __name__ == "__main__":
    main()
