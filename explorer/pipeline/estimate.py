"""How long a check will take on this machine and how much memory, before it starts; within a factor of two or so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.alignment import KEPT_MOMENTS, KEPT_ROWS, LEAST_SEEN, LOGITS, SHUFFLES, UNTRAINED_SEEDS
from explorer.models import ModelShape, Site, parse_sites, read_shape, shape_of
from explorer.pipeline.check_form import CheckRequest
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.plan import FIT, TEST, PlannedCheck
from explorer.pipeline.progress import PlannedPart
from explorer.sae import POOL, check_recipe
from explorer.text import CHARACTERS_PER_TOKEN

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.text import Chunks

BASE, DISK = 700e6, 50e6
"""Bytes of Python with its libraries; bytes on disk of a report, its figures and tables."""
TOKEN_BYTES = 80.0
"""Bytes of memory of a token of text: its characters, its id as a list and in its window, what is marked of it."""
_FIT = ("reading validation", "reading fit", "fitting maps", "scoring", "nulls at", "comparing")
"""How the steps begin in which a pair is measured without its controls."""


@dataclass(frozen=True)
class CheckEstimate:
    """What a check will need."""

    parts: tuple[PlannedPart, ...]
    """What it does, in order, with the time of each on this machine, if nothing of it is in the cache."""
    memory: float
    """Bytes at the most."""

    @property
    def seconds(self) -> float:
        """Time of all parts."""
        return sum(part.seconds for part in self.parts)


def needed(request: CheckRequest) -> CheckEstimate | None:
    """What a request will need on this machine; None where the models' settings are not known without the hub."""
    source, target = (read_shape(c.place, c.revision) for c in (request.source, request.target))
    if source is None or target is None:
        return None
    return estimate(source, target, request.options, parse_sites(request.options.sites, source.n_layers), speed())


def planned(places: Sequence[Path], options: CheckOptions) -> tuple[PlannedPart, ...]:
    """The parts of a check of two models in their folders; none where their settings do not say their shape."""
    source, target = (read_shape(str(place)) for place in places)
    if source is None or target is None:
        return ()
    return PlannedCheck(source, target, options, parse_sites(options.sites, source.n_layers), speed()).parts()


def planned_fit(
    source: LanguageModel, target: LanguageModel, chunks: Chunks, site: Site, coded: bool
) -> tuple[PlannedPart, ...]:
    """The parts of measuring a pair at one site without its controls; `coded`: with a dictionary of the source."""
    shapes = [shape_of(model.network.config.to_dict()) for model in (source, target)]
    if shapes[0] is None or shapes[1] is None:
        return ()
    options = CheckOptions(sae="train" if coded else "none", tokens=int(chunks.valid.sum()))
    parts = PlannedCheck(shapes[0], shapes[1], options, [site], speed()).parts()
    return tuple(part for part in parts if part.step.startswith(_FIT))


def estimate(
    source: ModelShape, target: ModelShape, options: CheckOptions, sites: Sequence[Site], speed: float
) -> CheckEstimate:
    """Time and memory of a check at some sites on a machine of `speed` operations a second."""
    parts = PlannedCheck(source, target, options, sites, speed).parts()
    return CheckEstimate(parts, memory_needed(source, target, options, len(sites)))


def memory_needed(source: ModelShape, target: ModelShape, options: CheckOptions, sites: int) -> float:
    """Bytes of memory of a check at so many sites, at the most."""
    d = source.d_model
    weights = 4.0 * (source.parameters + 2 * target.parameters)
    moments = _moments(sites, d)
    if options.tokens is None:
        # Halves of the nulls and sums of the test rows, which are kept as far as they are few.
        moments += 8.0 * sites * d * d * 3 * (UNTRAINED_SEEDS + 1)
        moments += min(float(KEPT_ROWS), 8.0 * TEST * options.budget * d * sites)
    seen = min(float(source.vocabulary), FIT * options.budget / LEAST_SEEN)
    means = 4.0 * 2 * sites * seen * d
    logits = 4.0 * 4 * LOGITS
    pool = 4.0 * POOL * d if options.sae == "train" else 0.0
    # Weights, gradients and Adam's two moments; rows in a batch and their codes.
    training = 4.0 * 8 * d * check_recipe(d).width if options.sae == "train" else 0.0
    return BASE + weights + moments + means + logits + pool + training + TOKEN_BYTES * options.budget


def _moments(sites: int, d: int) -> float:
    return 8.0 * sites * d * d * (SHUFFLES + 9 + UNTRAINED_SEEDS * 9 + 12)


def disk_needed(source: ModelShape, target: ModelShape, options: CheckOptions, sites: int) -> float:
    """Bytes on disk of a check at so many sites: what its cache keeps, and its study twice, there and in --out."""
    d = source.d_model
    # R and the shuffled one in four bytes a number, the affine map both ways in two; R again beside the report.
    study = 16.0 * sites * d * d + (CHARACTERS_PER_TOKEN * options.budget if options.text is not None else 0.0)
    trained = (options.sae == "train") + (options.sae_target == "train")
    study += trained * min(3, sites) * 4.0 * d * check_recipe(d).width
    if options.copy_models:
        study += 4.0 * (source.parameters + target.parameters)
    return DISK + 2 * study + min(float(KEPT_MOMENTS), _moments(sites, d))


@lru_cache(maxsize=1)
def speed() -> float:
    """Floating-point operations a second of a matrix product on the threads that checks use; measured once, 0.1 s."""
    import torch

    a, b = torch.randn(1024, 512), torch.randn(512, 1024)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2 * 1024 * 512 * 1024 / best
