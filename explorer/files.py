"""Files that are whole or not there: everything is written beside its place and moved into it by one rename."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from explorer.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

T = TypeVar("T")

PARTIAL = ".partial"
"""How the name of what is not finished ends."""


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
        if partial.is_dir():
            # A folder cannot be renamed onto one that has files.
            _remove(path)
        os.replace(partial, path)
    finally:
        _remove(partial)


def write_bytes(path: Path, data: bytes, shared: bool = False) -> None:
    """Write a file."""
    with replacing(path, shared) as partial:
        partial.write_bytes(data)


def encode(result: object) -> bytes:
    """A result or study file as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def write_json(path: Path, result: object) -> None:
    """Write a result or study file as indented JSON."""
    write_bytes(path, encode(result))


def read_json(path: Path, kind: type[T], remedy: str) -> T:
    """What `write_json` wrote. Raises InputError, which ends with a remedy, for a damaged file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, OSError) as error:
        raise InputError(f"'{path}' is damaged: {error}; {remedy}") from error


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None, shared: bool = False
) -> None:
    """Write named tensors as safetensors."""
    from safetensors.torch import save_file

    with replacing(path, shared) as partial:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, metadata)


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a table."""
    with replacing(path) as partial:
        frame.to_parquet(partial, index=False, compression="zstd")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
