"""How long a check will take on this machine and how much memory, before it starts; within a factor of two or so.

Counts the operations of each part of `explorer.pipeline.run_check` and divides by the speed of a short matrix product measured here.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import lru_cache

from explorer.alignment import (
    CHEAP,
    DRAWS,
    HAAR_DRAWS,
    LEAST_SEEN,
    LOGITS,
    MORE_DRAWS,
    POWERS,
    SHUFFLES,
    TOKENS,
    UNTRAINED_SEEDS,
)
from explorer.models import ModelShape, parse_sites, read_shape
from explorer.pipeline.check_form import CheckRequest
from explorer.pipeline.check_options import CheckOptions
from explorer.sae import POOL, ROWS, check_recipe
from explorer.steering import CARRIED, DOSES, PROMPTS, RANDOM_DIRECTIONS
from explorer.text import DEFAULT

FIT, TEST = 0.6, 0.2
"""Shares of the text."""
START = 15.0
"""Seconds for loading libraries and models and for writing the report."""
BASE = 700e6
"""Bytes of Python with its libraries."""
STITCH_ARMS = 6
DECOMPOSITION = 25.0
"""Operations of a singular value decomposition, in units of d³."""
CLASS_TOKENS = 26_000
"""Tokens of the texts from which a ready contrast of Tales is made."""
READS = len(DOSES) * (RANDOM_DIRECTIONS + len(DEFAULT.contrasts()) * (len(CARRIED) + 1))
"""Readings of the prompts under vectors: random ones, and every arm of every ready contrast."""

GRAMMAR_VOCABULARY = 8192
"""Models of a larger vocabulary were trained on other text than Tales: its contrasts are not measured on them."""


def _reached(d: int) -> tuple[float, float, float, float]:
    """Shares of the measured speed that networks, dictionaries, sums of products and decompositions reach.

    Measured at d = 128 and 512; small matrices wait for memory, dictionaries are faster still where bfloat16 is.
    """
    return 0.75 * d / (d + 128), min(0.8, d / 300), d / (d + 150), min(0.38, 0.13 + d / 2048)


@dataclass(frozen=True)
class CheckEstimate:
    """What a check will need."""

    seconds: float
    """Time on this machine, if nothing of it is in the cache."""
    memory: float
    """Bytes at the most."""


def needed(request: CheckRequest) -> CheckEstimate | None:
    """What a request will need on this machine; None where the models' settings are not known without the hub."""
    source, target = (read_shape(c.place, c.revision) for c in (request.source, request.target))
    if source is None or target is None:
        return None
    sites = len(parse_sites(request.options.sites, source.n_layers))
    return estimate(source, target, request.options, sites, speed())


def estimate(source: ModelShape, target: ModelShape, options: CheckOptions, sites: int, speed: float) -> CheckEstimate:
    """Time and memory of a check at `sites` sites on a machine of `speed` operations a second."""
    trained = min(3, sites) if options.sae == "train" else 0
    return CheckEstimate(
        _seconds(source, target, options, sites, trained, speed), _memory(source, target, options, sites)
    )


def _seconds(
    source: ModelShape, target: ModelShape, options: CheckOptions, sites: int, trained: int, speed: float
) -> float:
    d, tokens = source.d_model, float(options.tokens)
    fit, test = FIT * tokens, TEST * tokens
    both = 2.0 * (source.blocks + target.blocks)
    unembed = 4.0 * d * source.vocabulary
    null_rows = min(tokens, 140.0 * d)
    network = both * tokens + UNTRAINED_SEEDS * both * null_rows + (both + unembed) * test
    network += sites * STITCH_ARMS * min(test, float(TOKENS)) * (both + unembed)
    if options.text is None and source.vocabulary <= GRAMMAR_VOCABULARY:
        # Vectors are made in both models; from the middle site on the target alone is run.
        network += len(DEFAULT.contrasts()) * both * CLASS_TOKENS
        network += READS * PROMPTS * DEFAULT.prompt_tokens * (target.blocks + unembed / 2)
    width = check_recipe(d).width
    dictionary = 0.0
    if trained:
        # Forward and backward through encoder and decoder.
        dictionary += 12.0 * d * width * ROWS * trained
        network += trained * source.blocks * 2.0 * (fit if fit <= POOL else ROWS)
    if options.sae != "none":
        # Rows under each map, in scores and in the catalogues.
        dictionary += 4.0 * d * width * test * 12 * max(trained, 1)
    moments = 2.0 * d * d * sites * ((SHUFFLES + 3) * fit + 3 * tokens + UNTRAINED_SEEDS * 3 * null_rows)
    draws = MORE_DRAWS if d <= CHEAP else HAAR_DRAWS
    factors = d**3 * (DECOMPOSITION * sites * (2 * SHUFFLES + DRAWS + 20) + POWERS * draws)
    parts = zip((network, dictionary, moments, factors), _reached(d), strict=True)
    return START + sum(operations / share for operations, share in parts) / speed


def _memory(source: ModelShape, target: ModelShape, options: CheckOptions, sites: int) -> float:
    d = source.d_model
    weights = 4.0 * (source.parameters + 2 * target.parameters)
    moments = 8.0 * sites * d * d * (SHUFFLES + 9 + UNTRAINED_SEEDS * 9 + 12)
    seen = min(float(source.vocabulary), FIT * options.tokens / LEAST_SEEN)
    means = 4.0 * 2 * sites * seen * d
    logits = 4.0 * 4 * LOGITS
    pool = 4.0 * POOL * d if options.sae == "train" else 0.0
    # Weights, gradients and Adam's two moments; rows in a batch and their codes.
    training = 4.0 * 8 * d * check_recipe(d).width if options.sae == "train" else 0.0
    return BASE + weights + moments + means + logits + pool + training


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


def machine_memory() -> float | None:
    """Bytes of memory of this machine, None where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None
