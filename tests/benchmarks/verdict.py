"""Time to the verdict on pairs whose answer is known: text that grows against all of it, in one run.

`.venv/bin/python tests/benchmarks/verdict.py [NAME …]` prints a table; it asserts nothing. The pairs are those of
`tests/alignment/test_constructed_pairs.py`, on as much text as a check reads at the most.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "alignment"), str(ROOT / "tests" / "benchmarks")]

import constructed
import doubles
from rows import Row
from test_constructed_pairs import PAIRS, TOLD, TRAINING, TUNING, Bench

from explorer.alignment.control_runs import controls
from explorer.alignment.growing import grow
from explorer.alignment.pair import measure_pair
from explorer.alignment.results import PairResult
from explorer.cache import Cache
from explorer.pipeline.check_options import MOST_READ
from explorer.progress import silent
from explorer.study.library import open_study
from explorer.text.tales import stories as tales
from explorer.text.windows import TextReading, read_windows

SHOWN = ("copy", "permuted", "twin", "sister", "fresh")
"""Pairs of the table of benchmarks."""
DOCUMENTS, LENGTH = 1700, 40
"""Documents, and the tokens that are kept of each."""


@dataclass(frozen=True)
class VerdictTime:
    """One pair, measured both ways."""

    pair: str
    """Its name in the table of constructed pairs."""
    early: float
    """Seconds of this process until the verdict is settled and told, on text that grows."""
    result: float
    """Seconds until everything of the report is measured on it."""
    whole: float
    """Seconds until verdict and report on all of the text."""
    verdict: str
    """What text that grows calls it."""
    same: bool
    """Whether all of the text calls it, and each of its sites, the same."""
    tokens: int
    """Tokens after which the verdict was settled."""

    @property
    def ratio(self) -> float:
        """Early over whole."""
        return self.early / self.whole

    @property
    def report_ratio(self) -> float:
        """Everything of the report on text that grows, over that on all of it."""
        return (self.early + self.result) / self.whole


def bench(tuned_too: bool) -> Bench:
    """The table's models, trained here (the tuned one where it is wanted), and text for a whole check."""
    tokenizer: Any = open_study("tales").load_model("seed0").tokenizer
    told = [d.text for d in tales.documents("train", TOLD)]
    letters = [d.text for d in tales.documents("train", 300, genre="letter")]

    def folder() -> Path:
        return Path(tempfile.mkdtemp())

    def make(state: dict[str, torch.Tensor], name: str) -> Any:
        return constructed.named(constructed.network(state, folder() / "model"), tokenizer, name)

    def train(begun: list[dict[str, torch.Tensor]], texts: list[str], schedule: Any, *seeds: int) -> Any:
        return constructed.trained(begun, texts, tokenizer, schedule, seeds, folder())

    begun = [constructed.start(len(tokenizer), seed) for seed in (0, 1)]
    first, second = train(begun, told, TRAINING, 0, 1)
    source, sister = make(first, "A"), make(second, "sister")
    tuned = make(train([first], letters, TUNING, 5)[0], "tuned") if tuned_too else source
    held_out = tokenizer([d.text for d in tales.documents("held-out", DOCUMENTS)], add_special_tokens=False)
    short = [tokenizer.decode(ids[:LENGTH]) for ids in held_out["input_ids"]]
    chunks = read_windows(short, tokenizer, TextReading(constructed.RECIPE.context), MOST_READ)
    sites = [source.sites[i] for i in (1, 2, 4)]
    none: Any = None  # each way makes its own controls, which are part of its time
    return Bench(source, make(begun[0], "step0"), sister, tuned, chunks, sites, none)


def time_to_verdict(names: Sequence[str] = ()) -> Iterator[VerdictTime]:
    """Every pair of the table, or some, one after the other; on one thread, by this process's own time."""
    torch.set_num_threads(1)
    chosen = names or tuple(PAIRS)
    made = bench("tuned on letters" in chosen)
    for name in chosen:
        _, make, condition = PAIRS[name]
        target = make(made)
        matrix = constructed.stretching(made.source.d_model, condition or 1.0)
        with nullcontext() if condition is None else doubles.in_coordinates("B", matrix):
            began = time.process_time()
            grown = grow(made.source, target, made.chunks, made.sites, ("", ""), silent)
            settled = time.process_time()
            early = measure_pair(made.source, target, made.chunks, made.sites, {}, grown=grown).result
            between = time.process_time()
            shared = controls(made.source, target, made.chunks, made.sites, ("", ""), silent, Cache(None))
            whole = measure_pair(made.source, target, made.chunks, made.sites, {}, controls=shared).result
            ended = time.process_time()
        same = _called(early) == _called(whole)
        yield VerdictTime(
            name, settled - began, between - began, ended - between, _called(early)[0], same, grown.read.tokens
        )


def _called(result: PairResult) -> tuple[str, ...]:
    """The verdict on the pair, then on each site."""
    assert result.verdict is not None
    return (result.verdict.verdict, *(s.verdict.verdict for s in result.sites if s.verdict is not None))


def rows() -> list[Row]:
    """Lines of the table of benchmarks."""
    found = {each.pair: each for each in time_to_verdict(SHOWN)}
    alike = sum(each.same for each in found.values())
    pairs = f"a copy, a permuted one, a twin, another seed, a fresh model; {alike} of {len(found)} called the same"
    early = tuple(each.ratio for each in found.values())
    whole = tuple(each.report_ratio for each in found.values())
    seconds = found["copy"].early, found["fresh"].early
    return [
        Row("time to the verdict on text that grows, over all of the text", 0.25, early, note=pairs),
        Row("… to all numbers of its report without dictionaries, over the same", 0.5, whole),
        Row("… to the verdict on a copy and on a fresh model", 10.0, seconds, unit="s"),
    ]


def main(names: Sequence[str]) -> None:
    """Measure and print."""
    print("| pair | verdict | tokens | seconds to it | to the result | of all text | ratio | same |")
    print("|---|---|---|---|---|---|---|---|")
    found = []
    for row in time_to_verdict(names):
        found.append(row)
        print(
            f"| {row.pair} | {row.verdict} | {row.tokens:,} | {row.early:.1f} | {row.result:.1f} | {row.whole:.1f} | "
            f"{row.ratio:.2f} | {'yes' if row.same else 'NO'} |",
            flush=True,
        )
    print(f"median ratio {statistics.median(r.ratio for r in found):.2f}, worst {max(r.ratio for r in found):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
