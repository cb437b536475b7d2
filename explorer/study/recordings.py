"""What the talk shows of a pair: a recorded generation and the correlation of coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.intake import need_shapes, read_arrays, read_json, told
from explorer.study.feature_tables import REMEASURE
from explorer.study.study import Study

if TYPE_CHECKING:
    from explorer.models import Site

RECORDING, CORRELATION = "story.json", "story.safetensors"


@dataclass(frozen=True)
class WrittenToken:
    """One token of a recorded generation."""

    text: str
    """What it added to the text; a character whose bytes are spread over tokens comes with the last of them."""
    typical: bool
    """Whether it is typical of the class that the vector leads to."""


@dataclass(frozen=True)
class RecordedRun:
    """A steered generation as it was written, token by token."""

    contrast: str
    """Name of the contrast whose vector was added."""
    title: str
    """What turns into what."""
    site: str
    """Name of the site."""
    dose: float
    """c, in median norms of the steered model."""
    temperature: float
    """0 is greedy."""
    seed: int
    """Seed of the sampling, and of the random arm."""
    prompt: str
    """What every lane continues."""
    written: dict[str, list[WrittenToken]]
    """By lane (source, source+v, then the target's arms): the tokens it wrote."""


@dataclass(frozen=True)
class Recording:
    """What the same tokens do in both models of a pair, and how one vector steered the target."""

    tokens: list[str]
    """The first test tokens, as text."""
    log_p_source: list[float]
    """log P of each token, given those before it in its chunk, by the source; nats."""
    log_p_target: list[float]
    """The same by the target."""
    run: RecordedRun | None
    """A steered generation; None where the study has no ready contrasts."""


def read_recording(study: Study, source: str, target: str) -> Recording | None:
    """The recording of a pair; None where there is none."""
    path = study.pair_path(source, target) / RECORDING
    if not path.is_file():
        return None
    found = read_json(path, Recording, REMEASURE)
    with told(path, REMEASURE):
        if not len(found.tokens) == len(found.log_p_source) == len(found.log_p_target):
            raise ValueError("its tokens and their probabilities are not as many")
        if found.run is not None and not found.run.written.keys() >= {"source", "raw", "rotated"}:
            raise ValueError(f"its lanes are {', '.join(found.run.written)[:80]}")
    return found


def read_correlation(study: Study, source: str, target: str, site: Site) -> NDArray[np.int8] | None:
    """100 × Pearson r of coordinate i of the source (row) with j of the target (column); the first 128 at most."""
    path = study.pair_path(source, target) / CORRELATION
    if not path.is_file():
        return None
    tensors = read_arrays(path, [site.name], REMEASURE)
    need_shapes(tensors, {site.name: (None, None)}, path, REMEASURE)
    found: NDArray[np.int8] = tensors[site.name].astype(np.int8, copy=False)
    return found
