"""Which device to compute on."""

from __future__ import annotations

from explorer.errors import InputError


def choose_device(name: str) -> str:
    """The device that a name means: auto takes a GPU where there is one. Raises InputError for what is not there."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        # Not mps: it has no float64, in which the maps are fitted.
        return "cuda" if there["cuda"] else "cpu"
    if name not in there:
        raise InputError(f"--device '{name}': auto, cpu, cuda or mps")
    if not there[name]:
        raise InputError(f"--device '{name}': this machine has none; use cpu or auto")
    return name
