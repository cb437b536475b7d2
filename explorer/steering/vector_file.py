"""Steering vectors from files: .npy, .safetensors, the .gguf control vectors that repeng and llama.cpp exchange, and
.pt files of steering-vectors.

Nothing is executed. A file holds one vector, or one for each layer: that of layer i is the output of block i, which is
the site i + 1. Rows without names are layers where there are as many as blocks, and sites where there is one more (one
for each hidden state, the embedding's output first); any other number is refused.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.errors import InputError
from explorer.files import user_path
from explorer.intake import MOST_LAYERS, WIDEST, explained, of_the_file, read_npy
from explorer.models import Site
from explorer.steering.vectors import unit

SUFFIXES = (".npy", ".safetensors", ".gguf", ".pt")
MOST_STEPS = 100_000
"""Pieces of a .gguf file that are read one by one."""
LARGEST = 50 * 2**20
"""Bytes of the largest file that is read."""


class Vectors(NamedTuple):
    """What a file holds."""

    layers: dict[int | None, Tensor]
    """Vectors by layer, where it names layers; by None a single one without a layer."""
    rows: tuple[Tensor, ...] = ()
    """Vectors without names, in order, where it has several."""


def read_vector(data: bytes, name: str, width: int, site: Site | None = None) -> Float[Tensor, " d"]:
    """The unit vector in a file's bytes, that of a site where the file has one for each layer.

    Raises InputError for a file that cannot be read, another width, a layer that is not the site's, or a vector that is
    not finite.
    """
    suffix = Path(name).suffix.lower()
    readers: dict[str, Callable[[bytes], Vectors]] = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".gguf": _gguf,
        ".pt": _steering_vectors,
    }
    if suffix not in readers:
        raise InputError(f"'{name[-60:]}' is of no kind that is read: give a {', '.join(SUFFIXES)} file")
    if len(data) > LARGEST:
        raise InputError(f"'{name[-60:]}' has {len(data) >> 20} MiB: a vector's file has at most {LARGEST >> 20}")
    try:
        found = readers[suffix](data)
        vector = _chosen(found, name, site).reshape(-1).float()
    except InputError:
        raise
    except BaseException as error:  # the readers' own errors differ by format
        if not of_the_file(error):
            raise
        raise InputError(f"'{name[-60:]}' cannot be read as {suffix}: {explained(error)[:120]}") from error
    if len(vector) != width:
        raise InputError(f"'{name[-60:]}' holds {len(vector)} numbers: these models need {width}, their width")
    return unit(vector)


def load_vector(path: str | Path, width: int, site: Site | None = None) -> Float[Tensor, " d"]:
    """The unit vector in a file; see `read_vector`."""
    path = user_path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        return read_vector(data, path.name, width, site)
    except OSError as error:
        raise InputError(f"the vector '{path}' cannot be read: {error.strerror}; give a file") from error


def _chosen(found: Vectors, name: str, site: Site | None) -> Tensor:
    if found.rows:
        return _row(found.rows, name, site)
    if None in found.layers:
        return found.layers[None]
    layers = sorted(layer for layer in found.layers if layer is not None)
    if len(layers) == 1 and site is None:
        return found.layers[layers[0]]
    if site is None or site.index - 1 not in layers:
        held = f"the layer {layers[0]}" if len(layers) == 1 else f"{len(layers)} vectors, of the layers {layers}"
        sites = ", ".join(str(layer + 1) for layer in layers)
        here = "" if site is None else f", not {site.index}"
        raise InputError(
            f"'{name[-60:]}' holds {held}: a layer's output is the site after it, so choose the site {sites}{here}"
        )
    return found.layers[site.index - 1]


def _row(rows: tuple[Tensor, ...], name: str, site: Site | None) -> Tensor:
    if site is None:
        raise InputError(f"'{name[-60:]}' holds {len(rows)} rows: choose a site")
    blocks = site.n_layers
    if len(rows) == blocks + 1:
        return rows[site.index]
    if len(rows) != blocks:
        raise InputError(
            f"'{name[-60:]}' holds {len(rows)} rows without names: a model of {blocks} blocks needs {blocks} (one for "
            f"each block's output) or {blocks + 1} (one for each site); give one row, or name the layers"
        )
    if site.index == 0:
        raise InputError(
            f"'{name[-60:]}' holds the outputs of {blocks} blocks: choose a site from 1 to {blocks}, not 0"
        )
    return rows[site.index - 1]


def _layer(name: str) -> int | None:
    number = re.search(r"(\d+)$", name)
    return int(number[1]) if number else None


def _npy(data: bytes) -> Vectors:
    array = read_npy(io.BytesIO(data), len(data))
    return _rows(torch.from_numpy(array.astype(np.float32)))


def _rows(array: Tensor) -> Vectors:
    if not array.numel() or array.ndim > 2 or (array.ndim == 2 and len(array) > MOST_LAYERS + 1):
        raise InputError(
            f"the file holds the shape {tuple(array.shape)}: give one vector, or at most {MOST_LAYERS + 1} rows"
        )
    if array.ndim == 2 and len(array) > 1:
        return Vectors({}, tuple(array))
    return Vectors({None: array})


def _safetensors(data: bytes) -> Vectors:
    from safetensors.torch import load

    found = load(data)
    return _rows(next(iter(found.values()))) if len(found) == 1 and _unnamed(found) else _by_layer(found)


def _unnamed(found: dict[str, Tensor]) -> bool:
    return all(_layer(name) is None for name in found)


def _by_layer(found: dict[str, Tensor]) -> Vectors:
    if not found:
        raise InputError("the file holds no tensor")
    if len(found) > MOST_LAYERS + 1 or any(t.numel() > WIDEST or not t.numel() for t in found.values()):
        raise InputError(
            f"the file holds {len(found)} tensors, the largest of {max(t.numel() for t in found.values()):,} numbers: "
            f"a vector has at most {WIDEST:,}, and a model {MOST_LAYERS:,} layers"
        )
    layers = {_layer(name): tensor for name, tensor in found.items()}
    if len(layers) < len(found) or (len(found) > 1 and None in layers):
        raise InputError(
            f"the tensors {', '.join(sorted(found)[:4])} name no layers: keep one, or end names in a number"
        )
    return Vectors(layers)


def _gguf(data: bytes) -> Vectors:
    """Tensors of floats by the `gguf` package, which reads paths only."""
    import gguf

    class Reader(gguf.GGUFReader):
        """Ends on a damaged file: the package itself goes on for ever where a list says it is longer than the file."""

        steps = 0

        def _get(self, offset: Any, dtype: Any, count: Any = 1, override_order: Any = None) -> Any:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise InputError(f"the .gguf file holds more than {MOST_STEPS:,} facts: it is no control vector")
            if int(offset) + np.dtype(dtype).itemsize * int(count) > len(self.data):
                raise InputError("the .gguf file is damaged: it says that it is longer than it is")
            return super()._get(offset, dtype, count, override_order)

    if data[:4] != b"GGUF":
        raise InputError("the file does not begin as a .gguf file does")
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(data)
        file.flush()
        reader = Reader(file.name)
        kinds = gguf.GGMLQuantizationType
        found = {}
        if len(reader.tensors) > MOST_LAYERS + 1 or sum(int(t.n_bytes) for t in reader.tensors) > len(data):
            raise InputError("the .gguf file is damaged: its tensors are larger than it is")
        for tensor in reader.tensors:
            if tensor.tensor_type not in (kinds.F32, kinds.F16, kinds.BF16, kinds.F64):
                raise InputError(f"the .gguf tensor '{tensor.name[:40]}' is quantised: export it as floating-point")
            if not tensor.name.startswith("direction"):
                raise InputError(f"the .gguf file holds '{tensor.name[:40]}': it is a model, no control vector")
            numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            found[tensor.name] = torch.from_numpy(np.array(numbers, dtype=np.float32))
    return _by_layer(found)


class _SteeringVector:
    """Takes the place of steering-vectors' class, of which only the fields are read."""

    layer_activations: dict[int, Tensor]
    layer_type: str


def _steering_vectors(data: bytes) -> Vectors:
    """What steering-vectors saves with torch.save: the vector object, or its tensors by layer. Nothing else is made."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise InputError("the .pt file is of before torch 1.6, or damaged: save it again with torch.save")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if sum(info.file_size for info in packed.infolist()) > 2 * len(data):
            raise InputError("the .pt file is damaged: it says that it unfolds to more than it holds")
    place = "steering_vectors.steering_vector.SteeringVector"
    with torch.serialization.safe_globals([(_SteeringVector, place)]):
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if isinstance(found, _SteeringVector):
        if (kind := getattr(found, "layer_type", "decoder_block")) != "decoder_block":
            raise InputError(f"the vectors are of '{kind}': only those of decoder_block are of the residual stream")
        found = found.layer_activations
    if isinstance(found, Tensor):
        return _rows(_stored(found))
    if isinstance(found, dict) and isinstance(inner := found.get("layer_activations"), dict):
        found = inner
    if not isinstance(found, dict) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise InputError("the .pt file holds neither a tensor nor tensors by layer")
    return _by_layer({str(layer): _stored(tensor) for layer, tensor in found.items()})


def _stored(tensor: Tensor) -> Tensor:
    """The tensor. Raises InputError for a view that claims more numbers than are stored, and for what is no number."""
    if tensor.layout != torch.strided or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError("the .pt file is damaged: a tensor says that it is larger than what is stored of it")
    if tensor.is_complex() or tensor.is_quantized:
        raise InputError(f"the .pt file holds {tensor.dtype}: give floating-point numbers")
    return tensor
