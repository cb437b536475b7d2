"""A second device for tests on a machine that has none: computed on the CPU, but as strict as a GPU about its operands.

Tensors on it call their device "meta". As on a GPU, an operation on tensors of both devices raises, but for copies,
indices and numbers; `numpy()` raises too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from explorer.models.language_model import LanguageModel, find_blocks

PLACE = torch.device("meta")
COPIES = ("copy_", "_to_copy")
INDEXED = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")


class Elsewhere(torch.Tensor):
    """A tensor on the other device; `inner` holds its numbers."""

    inner: Tensor

    @staticmethod
    def __new__(cls, real: Tensor) -> Elsewhere:
        # Made as any tensor, in inference too: autograd would not have views of the one among the other.
        with torch.inference_mode(False):
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                real.size(),
                strides=real.stride(),
                storage_offset=real.storage_offset(),
                dtype=real.dtype,
                device=PLACE,
            )
        made.inner = real.detach()
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Elsewhere({tuple(self.shape)})"

    def __deepcopy__(self, _memo: Any) -> Tensor:
        made = Elsewhere(self.inner.clone())
        return nn.Parameter(made, requires_grad=False) if isinstance(self, nn.Parameter) else made

    def tolist(self) -> Any:
        """The numbers, as of any tensor."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func._schema.name.partition("::")[2]
    given = tree_flatten((args, kwargs))[0]
    tensors = [t for t in given if isinstance(t, Tensor)]
    devices = [x for x in given if isinstance(x, torch.device)]
    ours = any(isinstance(t, Elsewhere) for t in tensors)
    if ours:
        _check(name, args, tensors)
    if name == "pin_memory":
        raise RuntimeError("only the CPU's memory can be pinned")
    args_inside, kwargs_inside = tree_map(_inside, (args, kwargs))
    found = func(*args_inside, **kwargs_inside)
    if not func._schema.returns:
        return None
    if name.endswith("_") and not name.endswith("__"):
        return args[0]
    if kwargs.get("out") is not None:
        return kwargs["out"]
    there = devices[0].type == PLACE.type if devices else ours
    return tree_map(lambda t: Elsewhere(t) if isinstance(t, Tensor) else t, found) if there else found


def _inside(x: Any) -> Any:
    """What stands for a tensor of the other device, or for that device, in the CPU's own work."""
    if isinstance(x, Elsewhere):
        return x.inner
    return torch.device("cpu") if isinstance(x, torch.device) and x.type == PLACE.type else x


def _check(name: str, args: Any, tensors: list[Tensor]) -> None:
    """Raise for operands of both devices."""
    strangers = [t for t in tensors if not isinstance(t, Elsewhere) and t.ndim > 0]
    if not strangers or name in COPIES:
        return
    if (
        name in INDEXED
        and isinstance(args[0], Elsewhere)
        and all(t.dtype in (torch.long, torch.bool) for t in strangers)
    ):
        return
    raise RuntimeError(f"{name}: expected all tensors to be on one device, found them on two")


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """Numbers that Python gives, to torch.tensor or as an index, get lost on "meta": they are made on the CPU first."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and kwargs.get("device") is not None and torch.device(kwargs["device"]) == PLACE:
            return Elsewhere(func(*args, **{**kwargs, "device": "cpu"}))
        if func in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Elsewhere):
            args = (args[0], _listed(args[1]), *args[2:])
        if func in (torch.matmul, Tensor.matmul, Tensor.__matmul__) and (args[0].ndim, args[1].ndim) == (1, 2):
            # torch would drop the added axis in place, of which a wrapper does not hear.
            return func(args[0][None], args[1])[0]
        return func(*args, **kwargs)


def _listed(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_listed(i) for i in index)
    return torch.tensor(index, dtype=torch.long) if isinstance(index, list) else index


@contextmanager
def other_device() -> Iterator[None]:
    """While open, `device="meta"` means the other device."""
    fused = "torch.optim.optimizer._get_fused_kernels_supported_devices"
    with _Literals(), _Operations(), patch(fused, lambda: ["meta", "cpu"]):
        yield


def there(model: LanguageModel) -> LanguageModel:
    """A copy of a model on the other device."""
    network = copy.deepcopy(model.network)
    for module in network.modules():
        for name, p in module._parameters.items():
            if p is not None:
                module._parameters[name] = nn.Parameter(Elsewhere(p.data), requires_grad=False)
        for name, b in module._buffers.items():
            if b is not None:
                module._buffers[name] = Elsewhere(b)
    return LanguageModel(model.name, network, model.tokenizer, find_blocks(network), model.begin)
