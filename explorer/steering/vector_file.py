"""Steering vectors from files: .npy, .safetensors, and the .gguf control vectors that repeng and llama.cpp exchange.

Nothing is unpickled. A file holds one vector, or one for each layer: that of layer i is the output of block i, which
is the site i + 1. GGUF is read by hand: the `gguf` package reads paths, not bytes, and never ends on a damaged file
whose list claims to be longer than the file.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.errors import InputError
from explorer.files import user_path
from explorer.steering.vectors import unit

SUFFIXES = (".npy", ".safetensors", ".gguf")
LARGEST = 50 * 2**20
"""Bytes of the largest file that is read."""

Vectors = dict[int | None, Tensor]
"""Vectors by layer; None where the file names no layer."""


def read_vector(data: bytes, name: str, width: int, site: int | None = None) -> Float[Tensor, " d"]:
    """The unit vector in a file's bytes, that of a site where the file has one for each layer.

    Raises InputError for a file that cannot be read, another width, a missing layer, or a vector that is not finite.
    """
    suffix = Path(name).suffix.lower()
    readers: dict[str, Callable[[bytes], Vectors]] = {".npy": _npy, ".safetensors": _safetensors, ".gguf": _gguf}
    if suffix not in readers:
        raise InputError(f"'{name[-60:]}' is of no kind that is read: give a {', '.join(SUFFIXES)} file")
    if len(data) > LARGEST:
        raise InputError(f"'{name[-60:]}' has {len(data) >> 20} MiB: a vector's file has at most {LARGEST >> 20}")
    try:
        found = readers[suffix](data)
    except InputError:
        raise
    except Exception as error:  # the readers' own errors differ by format
        raise InputError(f"'{name[-60:]}' cannot be read as {suffix}: {str(error).splitlines()[0][:120]}") from error
    vector = _chosen(found, name, site).reshape(-1).float()
    if len(vector) != width:
        raise InputError(f"'{name[-60:]}' holds {len(vector)} numbers: these models need {width}, their width")
    return unit(vector)


def load_vector(path: str | Path, width: int, site: int | None = None) -> Float[Tensor, " d"]:
    """The unit vector in a file; see `read_vector`."""
    path = user_path(path)
    try:
        return read_vector(path.read_bytes(), path.name, width, site)
    except OSError as error:
        raise InputError(f"the vector '{path}' cannot be read: {error.strerror}; give a file") from error


def _chosen(found: Vectors, name: str, site: int | None) -> Tensor:
    if len(found) == 1:
        return next(iter(found.values()))
    layers = sorted(layer for layer in found if layer is not None)
    if site is None or site - 1 not in layers:
        raise InputError(
            f"'{name[-60:]}' holds {len(found)} vectors, of the layers {layers}: choose a site after one of them"
        )
    return found[site - 1]


def _layer(name: str) -> int | None:
    number = re.search(r"(\d+)$", name)
    return int(number[1]) if number else None


def _npy(data: bytes) -> Vectors:
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.kind not in "fiu":
        raise InputError(f"the .npy file holds {array.dtype}: give floating-point numbers")
    if array.ndim == 2 and len(array) > 1:
        return {i: torch.from_numpy(row.astype(np.float32)) for i, row in enumerate(array)}
    return {None: torch.from_numpy(array.astype(np.float32))}


def _safetensors(data: bytes) -> Vectors:
    from safetensors.torch import load

    return _by_layer(load(data))


def _by_layer(found: dict[str, Tensor]) -> Vectors:
    if not found:
        raise InputError("the file holds no tensor")
    layers = {_layer(name): tensor for name, tensor in found.items()}
    if len(layers) < len(found) or (len(found) > 1 and None in layers):
        raise InputError(
            f"the tensors {', '.join(sorted(found)[:4])} name no layers: keep one, or end names in a number"
        )
    return layers


_KINDS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_FLOATS: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}


def _gguf(data: bytes) -> Vectors:
    """Tensors of a GGUF file of version 2 or 3: header, metadata, tensor table, then the aligned numbers."""
    at = 0

    def take(kind: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(kind, data, at)
        at += struct.calcsize(kind)
        return value

    def text() -> str:
        nonlocal at
        length = take("<Q")
        at += length
        return data[at - length : at].decode()

    def value(kind: int) -> Any:
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = take("<I"), take("<Q")
            if count > len(data):
                raise InputError("the .gguf file is damaged: a list is longer than the file")
            return [value(inner) for _ in range(count)]
        return take(_KINDS[kind])

    if data[:4] != b"GGUF":
        raise InputError("the file does not begin as a .gguf file does")
    at = 4
    version, tensors, pairs = take("<I"), take("<Q"), take("<Q")
    if version not in (2, 3) or max(tensors, pairs) > len(data):
        raise InputError(f"this .gguf file is of version {version}: 2 and 3 are read")
    facts = {text(): value(take("<I")) for _ in range(pairs)}
    table: dict[str, tuple[list[int], int, int]] = {}
    for _ in range(tensors):
        name, shape = text(), [take("<Q") for _ in range(take("<I"))]
        table[name] = (shape, take("<I"), take("<Q"))
    step = int(facts.get("general.alignment", 32))
    begin = -(-at // step) * step
    found = {}
    for name, (shape, kind, offset) in table.items():
        if kind not in _FLOATS:
            raise InputError(f"the .gguf tensor '{name[:40]}' is quantised: export it as float32 or float16")
        numbers: np.ndarray = np.frombuffer(data, _FLOATS[kind], int(np.prod(shape)), begin + offset)
        found[name] = torch.from_numpy(numbers.astype(np.float32))
    return _by_layer(found)
