"""Which device to compute on."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from explorer.errors import InputError


def choose_device(name: str) -> str:
    """The device that a name means: auto takes a GPU where there is one. Raises InputError for what is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        # Not mps: it has no float64, in which the maps are fitted.
        return "cuda" if there["cuda"] else "cpu"
    if name not in there:
        raise InputError(f"--device '{name}': auto, cpu, cuda or mps")
    if not there[name]:
        raise InputError(f"--device '{name}': this machine has none; use cpu or auto")
    return name


def moved(t: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device; to a GPU through pinned memory, while the GPU computes something else."""
    if device.type == "cuda" and t.device.type == "cpu":
        return t.pin_memory().to(device, non_blocking=True)
    return t.to(device)


def bfloat16_pays() -> bool:
    """Whether this CPU multiplies bfloat16 matrices at least twice as fast as float32 ones; some are 300 × slower."""
    return _product_seconds(torch.bfloat16) * 2 < _product_seconds(torch.float32)


def _product_seconds(dtype: torch.dtype) -> float:
    a, b = torch.ones(256, 128, dtype=dtype), torch.ones(128, 512, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return best
