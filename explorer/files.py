"""Files that are whole or not there: everything is written beside its place and moved into it by one rename.

No number in them is NaN or infinite: JSON has none, and what reads the file would stumble over it again and again.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from explorer.errors import InputError
from explorer.unfinished import exchange, make_unfinished, sweep

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

PARTIAL = ".partial"
"""How the name of what is not finished ends."""


def user_path(given: str | Path) -> Path:
    """A path as a person wrote it, with ~ for a home folder; ~ of somebody unknown stays, and leads nowhere."""
    return Path(os.path.expanduser(given))


@contextmanager
def replacing(path: Path, shared: bool = False) -> Iterator[Path]:
    """A path to write a file or a folder to; it becomes `path`, or is removed if the block raises.

    What a killed run left there is overwritten. `shared`: another process or thread may write the same file.
    """
    own = f".{os.getpid()}.{threading.get_ident()}" if shared else ""
    partial = path.with_name(f"{path.name}{own}{PARTIAL}")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)
    try:
        yield partial
        if partial.is_dir() and path.is_dir() and not path.is_symlink():
            # A folder cannot be renamed onto one that has files; the old one is removed below.
            exchange(partial, path)
        else:
            if partial.is_dir():
                _remove(path)
            os.replace(partial, path)
    finally:
        _remove(partial)


def write_bytes(path: Path, data: bytes, shared: bool = False) -> None:
    """Write a file."""
    with replacing(path, shared) as partial:
        partial.write_bytes(data)


def encode(result: object) -> bytes:
    """A result or study file as indented JSON. Raises InputError for a number that is not finite."""
    return msgspec.json.format(encode_line(result), indent=1) + b"\n"


def encode_line(result: object) -> bytes:
    """The same in one line."""
    plain = msgspec.to_builtins(result)
    for place, value in _not_finite(plain):
        raise InputError(f"not assessable: {place} is {value}, no number; give more text, or text of another kind")
    return msgspec.json.encode(plain)


def _not_finite(plain: object, place: str = "") -> Iterator[tuple[str, float]]:
    """Where a float is NaN or infinite, by dotted name, and what it is."""
    if isinstance(plain, float):
        if not math.isfinite(plain):
            yield place.removeprefix("."), plain
    elif isinstance(plain, Mapping):
        for key, inner in plain.items():
            yield from _not_finite(inner, f"{place}.{key}")
    elif isinstance(plain, list | tuple):
        for i, inner in enumerate(plain):
            yield from _not_finite(inner, f"{place}.{i}")


def write_json(path: Path, result: object) -> None:
    """Write a result or study file as indented JSON."""
    write_bytes(path, encode(result))


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None, shared: bool = False
) -> None:
    """Write named tensors as safetensors. Raises InputError for one that is not finite."""
    from safetensors.torch import save_file

    if bad := next((name for name, tensor in tensors.items() if not _finite(tensor)), None):
        raise InputError(f"not assessable: '{bad}' of {path.name} is not finite; give more text, or other models")
    with replacing(path, shared) as partial:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, metadata)


def _finite(tensor: Tensor) -> bool:
    # Eight-bit floats have no isfinite of their own.
    return bool((tensor.float() if tensor.dtype.itemsize == 1 else tensor).isfinite().all())


def write_parquet(path: Path, frame: pd.DataFrame, level: int | None = None) -> None:
    """Write a table, compressed by zstd at a level of 1 to 22, or its usual one."""
    with replacing(path) as partial:
        frame.to_parquet(partial, index=False, compression="zstd", compression_level=level)


def temporary_folder() -> Path:
    """A folder for this process, where there is no cache to keep anything in. Removes those of processes gone."""
    place, prefix = Path(tempfile.gettempdir()), "polymorphism-explorer-cache-"
    sweep(place, prefix)
    return make_unfinished(place, prefix)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
