"""Pairs whose answer is known, and what each must be called: one table. `pytest -s` on this file prints it.

The source is trained here, for some hundred steps on tales. Copies, scales, rotations and exchanges are exact in the
weights. An affine copy is not: a norm does not commute with stretching. It is planted on the activations, with edits
undone into the model's own coordinates (`doubles.in_coordinates`), so that it computes exactly what the source does.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import constructed
import doubles
import pytest
import torch
from torch import Tensor

from explorer.alignment import stitching as stitch
from explorer.alignment.control_runs import Controls, controls
from explorer.alignment.fresh_models import fresh_model
from explorer.alignment.pair import measure_pair
from explorer.alignment.pair_verdict import deciding_site, decisive, which_is_what
from explorer.alignment.results import PairResult
from explorer.alignment.twin import make_twin
from explorer.cache import Cache
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site
from explorer.progress import silent
from explorer.text.tales import stories as tales
from explorer.text.windows import Chunks, TextReading, read_windows
from explorer.training.schedule import Schedule

pytestmark = pytest.mark.slow

TRAINING = Schedule(steps=500, rows=12, learning_rate=5e-3, warmup=30)
TUNING = Schedule(steps=100, rows=16, learning_rate=3e-3, warmup=10)
TOLD = 800
"""Documents on which the table's models are trained."""


@dataclass
class Bench:
    """A trained source, what is made of it, and the text."""

    source: LanguageModel
    step0: LanguageModel
    sister: LanguageModel
    tuned: LanguageModel
    chunks: Chunks
    sites: list[Site]
    controls: Controls
    measured: dict[str, PairResult] = field(default_factory=dict)

    def result(self, name: str) -> PairResult:
        """The source against a pair of the table, measured once."""
        if name not in self.measured:
            _, make, condition = PAIRS[name]
            target = make(self)
            plain = condition is None
            matrix = torch.eye(1) if plain else constructed.stretching(self.source.d_model, condition or 1.0)
            with nullcontext() if plain else doubles.in_coordinates("B", matrix):
                found = measure_pair(self.source, target, self.chunks, self.sites, {}, controls=self.controls)
            self.measured[name] = found.result
        return self.measured[name]


@pytest.fixture(scope="module")
def bench(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    torch.set_num_threads(1)
    told = [d.text for d in tales.documents("train", TOLD)]
    letters = [d.text for d in tales.documents("train", 300, genre="letter")]

    def make(state: dict[str, Tensor], name: str) -> LanguageModel:
        return constructed.named(constructed.network(state, tmp_path_factory.mktemp(name) / "model"), tokenizer, name)

    def train(begun: list[dict[str, Tensor]], texts: list[str], schedule: Schedule, *seeds: int) -> Any:
        folder = tmp_path_factory.mktemp("seeds")
        return constructed.trained(begun, texts, tokenizer, schedule, seeds, folder)

    begun = [constructed.start(len(tokenizer), seed) for seed in (0, 1)]
    first, second = train(begun, told, TRAINING, 0, 1)
    source, sister = make(first, "A"), make(second, "sister")
    tuned = make(train([first], letters, TUNING, 5)[0], "tuned")
    held_out = [d.text for d in tales.documents("held-out", 140)]
    short = [tokenizer.decode(ids[:40]) for ids in tokenizer(held_out, add_special_tokens=False)["input_ids"]]
    chunks = read_windows(short, tokenizer, TextReading(constructed.RECIPE.context))
    sites = [source.sites[i] for i in (1, 2, 4)]
    shared = controls(source, sister, chunks, sites, ("", ""), silent, Cache(None))
    step0 = make(begun[0], "step0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stitch, "TOKENS", 1500)
        yield Bench(source, step0, sister, tuned, chunks, sites, shared)


Make = Callable[[Bench], LanguageModel]
PAIRS: dict[str, tuple[str, Make, float | None]] = {
    "copy": ("shared basis", lambda b: constructed.copy_of(b.source), None),
    "copy, 3 times as large": ("shared basis", lambda b: constructed.scaled(b.source, 3), None),
    "twin": ("rotation-equivalent", lambda b: make_twin(b.source), None),
    "twin, 3 times as large": ("rotation-equivalent", lambda b: constructed.scaled(make_twin(b.source), 3), None),
    "permuted": ("rotation-equivalent", lambda b: constructed.permuted(b.source), None),
    "noise of 20 %": ("shared basis", lambda b: constructed.noisy(b.source, 0.2), None),
    "noise of 40 %": ("same basis, drifted", lambda b: constructed.noisy(b.source, 0.4), None),
    "noise of 60 %": ("geometric, not functional", lambda b: constructed.noisy(b.source, 0.6), None),
    "tuned on letters": ("same basis, drifted", lambda b: b.tuned, None),
    "blocks 1 and 2 swapped": ("same basis, drifted", lambda b: constructed.swapped(b.source, 1, 2), None),
    "affine, condition 4": ("mostly rotation", lambda b: constructed.copy_of(b.source), 4.0),
    "affine, condition 400": ("affine only", lambda b: constructed.copy_of(b.source), 400.0),
    "fresh": ("not aligned", lambda b: fresh_model(b.source, 99), None),
    "its own step 0": ("not aligned", lambda b: b.step0, None),
    "sister": ("partly rotation", lambda b: b.sister, None),
}
"""What is made, what it must be called, and the condition of the map under which its activations are shown."""


@pytest.mark.parametrize("name", PAIRS)
def test_every_pair_is_called_what_it_is(name: str, bench: Bench) -> None:
    result = bench.result(name)
    site = deciding_site(result.sites)
    by, scale = decisive(site), site.rotation.scale
    assert result.verdict is not None and scale is not None
    print(
        f"\n| {name} | {result.verdict.verdict} | {by.title} at {site.label}: {by.estimate.value:.3f} "
        f"[{by.estimate.low:.3f}, {by.estimate.high:.3f}] | {by.nulls.gate:.3f} | {scale:.3f} | "
        f"{result.function.kl:.3f} | {which_is_what(result.sites)} |"
    )
    assert result.verdict.verdict == PAIRS[name][0]


@pytest.mark.parametrize("name", ["copy", "copy, 3 times as large", "twin", "twin, 3 times as large", "permuted"])
def test_what_is_exact_is_measured_as_exact(name: str, bench: Bench) -> None:
    result = bench.result(name)
    assert abs(result.function.kl) < 1e-4
    for site in result.sites:
        assert site.ladder["orthogonal_scale"].value == pytest.approx(1, abs=1e-4)
        assert site.rotation.scale == pytest.approx(1 / 3 if "3 times" in name else 1, rel=1e-3)
        assert site.stitch is not None
        for way in (site.stitch.source_to_target, site.stitch.target_to_source):
            assert way["orthogonal_scale"].value == pytest.approx(1, abs=1e-3), "the way back divides by s"
            assert (way["orthogonal"].value > 0.999) == ("3 times" not in name)
    assert result.verdict is not None
    assert ("s = 0.333" in result.verdict.next) == ("3 times" in name)


def test_an_affine_copy_loses_nothing_to_an_affine_map(bench: Bench) -> None:
    for name in ("affine, condition 4", "affine, condition 400"):
        for site in bench.result(name).sites:
            assert site.ladder["affine"].value > 0.99
    gentle, steep = (bench.result(f"affine, condition {c}").sites[0].rho_scale for c in (4, 400))
    assert gentle is not None and steep is not None
    assert gentle.low > 0.8 and steep.high < 0.5


def test_swapped_blocks_are_told_from_where_on(bench: Bench) -> None:
    result = bench.result("blocks 1 and 2 swapped")
    sentence = which_is_what(result.sites)
    assert sentence.startswith("shared basis up to after 1")
    assert result.verdict is not None and sentence in result.verdict.reasons
    assert deciding_site(result.sites).label == "after 2"


def test_drift_grows_and_is_told_with_what_holds_as_it_is(bench: Bench) -> None:
    for name in ("noise of 40 %", "tuned on letters"):
        verdict = bench.result(name).verdict
        assert verdict is not None
        held = deciding_site(bench.result(name).sites).ladder["identity"].value
        assert any(f"explain {held:.2f} of the source's" in reason for reason in verdict.reasons)
        assert "transfer" not in verdict.next
    weak, middle, strong = (bench.result(f"noise of {n} %").sites[-1].ladder["translation"].value for n in (20, 40, 60))
    assert weak > middle > strong


def test_what_is_not_aligned_lies_below_the_sister(bench: Bench) -> None:
    sister = bench.result("sister")
    for name in ("fresh", "its own step 0"):
        for control, seed in zip(bench.result(name).sites, sister.sites, strict=True):
            assert control.ladder["orthogonal_scale"].value < seed.ladder["orthogonal_scale"].value
            assert control.ladder["affine"].value < seed.ladder["affine"].value
