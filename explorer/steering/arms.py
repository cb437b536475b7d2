"""How a vector of the source reaches the target. Without torch, so that commands start quickly."""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from explorer.alignment import SiteMaps, maps
from explorer.errors import InputError

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
RECORDED: tuple[Arm, ...] = ("none", "raw", "rotated", "random")
"""Lanes of the target in the recording of the talk."""


def unit(v: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """v / ‖v‖. Raises InputError for a zero or non-finite vector."""
    norm = float(v.norm())
    if not 1e-12 < norm < float("inf"):
        raise InputError("the steering vector is zero or not finite: choose another feature or other prompts")
    return v / norm


def carry(
    v: Float[Tensor, " d"], arm: Arm, fitted: SiteMaps, native: Float[Tensor, " d"] | None = None, seed: int = 0
) -> Float[Tensor, " d"]:
    """The vector with which an arm steers the target, for a vector v of the source; as long as v, but for native.

    Raises InputError for the native arm without a native vector.
    """
    if arm == "none":
        raise InputError("the arm 'none' steers nothing and carries no vector")
    if arm == "native":
        if native is None:
            raise InputError("this vector was loaded from a file: the target has no native counterpart for it")
        return native
    if arm == "random":
        return unit(maps.haar(len(v), 10_000 + seed)[0].float()) * v.norm()
    return fitted[arm].direction(v)
