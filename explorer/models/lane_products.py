"""Products of a few rows with large matrices on a CPU, for lanes that write together.

BLAS brings a matrix into an order of its own whenever it multiplies it with more than one row, which for a few rows
takes as long as the product. Here that is done once: oneDNN keeps each matrix in its own order, beside the network's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

FEW = 16
"""Rows up to which it pays."""
LARGEST = 2**28
"""Entries of all matrices of a network (1 GiB), up to which they are kept twice."""


class LaneProducts:
    """The matrices of a float32 network on a CPU, in oneDNN's order; none where there is no such network."""

    def __init__(self, network: nn.Module) -> None:
        # Not subclasses, nor slices of a matrix: they may do something else with it.
        layers = [
            m
            for m in network.modules()
            if type(m) is nn.Linear
            and "forward" not in vars(m)
            and type(m.weight) is nn.Parameter
            and m.weight.device.type == "cpu"
            and m.weight.dtype == torch.float32
        ]
        fits = sum(m.weight.numel() for m in layers) <= LARGEST
        if not fits or not torch.backends.mkldnn.is_available():
            layers = []
        reorder = torch.ops.mkldnn._reorder_linear_weight if layers else None
        with torch.inference_mode():
            self.layers = [(m, partial(_product, reorder(m.weight.detach(), FEW), m.bias)) for m in layers if reorder]

    @contextmanager
    def used(self, rows: int) -> Iterator[None]:
        """While open, the network's layers multiply so many rows through these matrices, if that pays.

        Results differ from those of the network's own in the last bits. Whoever opens it holds the model's lock.
        """
        layers = self.layers if 1 < rows <= FEW else []
        for module, product in layers:
            module.forward = product  # type: ignore[method-assign]
        try:
            yield
        finally:
            for module, _ in layers:
                del module.forward


def _product(matrix: Tensor, bias: Tensor | None, rows: Tensor) -> Tensor:
    """x Wᵀ + b."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(rows, matrix, bias, "none", [], "")
    return found
