"""Pairs that are worth checking: the shipped seeds, and the PolyPythias of the hub (arXiv 2503.09543)."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import InputError


@dataclass(frozen=True)
class PythiaSize:
    """One size of the PolyPythias."""

    name: str
    """As in the hub's ids."""
    d_model: int
    """Width of the residual stream."""
    n_layers: int
    """Blocks."""


SIZES = (
    PythiaSize("14m", 128, 6),
    PythiaSize("31m", 256, 6),
    PythiaSize("70m", 512, 6),
    PythiaSize("160m", 768, 12),
    PythiaSize("410m", 1024, 24),
)
SEEDS = tuple(range(1, 10))
LAST_STEP = 143_000
VOCABULARY = 50_304
_POWERS = tuple(2**i for i in range(10))


def pythia(size: str, seed: int) -> str:
    """The hub id of a PolyPythia. Raises InputError."""
    if size not in (names := [s.name for s in SIZES]) or seed not in SEEDS:
        raise InputError(f"no PolyPythia '{size}', seed {seed}: sizes are {', '.join(names)}, seeds 1 to 9")
    return f"EleutherAI/pythia-{size}-seed{seed}"


def revision(step: int) -> str:
    """The hub's name of the checkpoint after a training step. Raises InputError for steps that were not kept."""
    if not (step == 0 or step in _POWERS or (step % 1000 == 0 and 0 < step <= LAST_STEP)):
        raise InputError(
            f"no checkpoint at step {step}: there are 0, 1, 2, 4, … 512, and every 1,000 up to {LAST_STEP:,}"
        )
    return f"step{step}"


def known_size(hub_id: str) -> PythiaSize | None:
    """The size that a PolyPythia's id says, None for other ids: known before anything is downloaded."""
    return next((s for s in SIZES for seed in SEEDS if hub_id == pythia(s.name, seed)), None)
