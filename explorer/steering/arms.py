"""How a vector of the source reaches the target. Without torch, so that commands start quickly."""

from __future__ import annotations

from typing import Literal, get_args

Arm = Literal["native", "raw", "translated", "rotated", "affine", "shuffled", "random", "none"]
"""native: the target's own vector for the same thing. none: nothing is added. random: a random direction of the same
length. Any other: the source's vector, carried by the map of that name (see `explorer.alignment.map_registry`)."""

AS_RAW: Arm = "translated"
"""Moving the mean turns no direction: this arm steers as raw, and is shown where the switch asks for it only."""
ARMS: tuple[Arm, ...] = tuple(arm for arm in get_args(Arm) if arm != AS_RAW)
"""Arms of the command line."""
LANES: tuple[Arm, ...] = tuple(arm for arm in ARMS if arm != "none")
"""Steered lanes of the target that a person can choose."""
COMPARED: tuple[Arm, ...] = ("native", "rotated", "raw", "affine", "shuffled")
"""Arms whose dose–response is measured, in the order of its file; random directions are the band."""
CARRIED: tuple[Arm, ...] = tuple(arm for arm in COMPARED if arm != "native")
"""Those of them that a map carries."""
READ: tuple[Arm, ...] = (*COMPARED, "random")
"""Arms whose continuations are read."""
RECORDED: tuple[Arm, ...] = ("none", "raw", "rotated", "random")
"""Lanes of the target in the recording of the talk."""
