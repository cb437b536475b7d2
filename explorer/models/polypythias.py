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
MISSING = (("410m", 2, 111_000), ("410m", 6, 88_000), ("410m", 9, 40_000))
"""Size, seed and step of checkpoints that are said to lack their weights (EleutherAI/pythia, issue 202)."""
BAD_UPLOADS = (
    "A revision is not always what it is called: of other Pythias, steps are known to hold the weights of another step "
    "(EleutherAI/pythia, issues 195, 203, 205, 206), and three checkpoints of the 410m seeds lack theirs (issue 202). "
    "Before anything is measured, the check compares the two files and says whether they are two trainings, two near "
    "steps of one, or the same weights."
)
"""What is known of bad uploads, for people."""


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


def preset(size: str, seeds: tuple[int, int], step: int = LAST_STEP) -> tuple[str, str, str]:
    """Two seeds of one size and the revision of both. Raises InputError for a pair that the hub does not have.

    The revision is always said: main of these repositories held no weights when last seen.
    """
    for seed in seeds:
        if (size, seed, step) in MISSING:
            raise InputError(f"{pythia(size, seed)} at step {step:,} lacks its weights on the hub: choose another step")
    return pythia(size, seeds[0]), pythia(size, seeds[1]), revision(step)


def known_size(hub_id: str) -> PythiaSize | None:
    """The size that a PolyPythia's id says, None for other ids: known before anything is downloaded."""
    return next((s for s in SIZES for seed in SEEDS if hub_id == pythia(s.name, seed)), None)
