"""Weights of models that are split between the ranks of a run by transformers' tensor parallelism.

Such a weight is a DTensor: every rank holds a slice of it. What flows between blocks is whole on each, and equal.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from explorer import ranks


def split_settings() -> dict[str, Any]:
    """What from_pretrained is told so that every rank holds its slice of a model; nothing where models are whole."""
    if ranks.slices() == 1:
        return {}
    from transformers.distributed import DistributedConfig

    return {"distributed_config": DistributedConfig(tp_size=ranks.slices())}


def own(weight: Tensor) -> Tensor:
    """The part of a weight that this rank holds."""
    return weight.to_local() if hasattr(weight, "to_local") else weight


def whole(weight: Tensor) -> Tensor:
    """A weight, put together from all ranks, which must ask for it at the same time."""
    return weight.full_tensor() if hasattr(weight, "full_tensor") else weight
