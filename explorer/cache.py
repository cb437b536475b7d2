"""What was computed once is not computed again: content-addressed files in the user's cache directory.

A key is everything that decides a result (hashes of models and text, options, a version of the method). Writes are by
rename, so that a killed run leaves nothing half-written, and the next run finds every step that was finished. Of
several ranks, the first reads and writes for all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from explorer import ranks
from explorer.errors import InputError
from explorer.files import PARTIAL, encode_line, write_bytes, write_tensors
from explorer.intake import read_json, read_tensors
from explorer.unfinished import sweep_files

if TYPE_CHECKING:
    from torch import Tensor

METHOD = 3
"""Raised whenever a measurement changes, so that old results are not found any more."""

T = TypeVar("T")


@dataclass(frozen=True)
class Cache:
    """A folder of results by content."""

    folder: Path | None
    """Where; None keeps nothing."""

    def path(self, kind: str, key: Mapping[str, Any], suffix: str = "") -> Path | None:
        """Where the result of a key lies, or would; None without a folder."""
        if self.folder is None:
            return None
        text = msgspec.json.encode([METHOD, kind, sorted(key.items())])
        return self.folder / kind / (hashlib.sha256(text).hexdigest()[:32] + suffix)

    def tensors(self, kind: str, key: Mapping[str, Any], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Named tensors: read if they are there and whole, else made and kept."""
        path, found = self.path(kind, key, ".safetensors"), None
        if ranks.first() and path is not None and path.is_file():
            # Damaged from outside: made again below.
            with suppress(InputError):
                found = read_tensors(path, "make it again")
        if (known := ranks.agreed(found)) is not None:
            return known
        made = make()
        if ranks.first() and path is not None:
            write_tensors(path, made, shared=True)
        return made

    def value(self, kind: str, key: Mapping[str, Any], type_: type[T], make: Callable[[], T]) -> T:
        """A result object as JSON: read if it is there and whole, else made and kept."""
        path, found = self.path(kind, key, ".json"), None
        if ranks.first() and path is not None and path.is_file():
            # Damaged from outside: made again below.
            with suppress(InputError):
                found = read_json(path, type_, "make it again")
        if (known := ranks.agreed(found)) is not None:
            return known
        made = make()
        if ranks.first() and path is not None:
            write_bytes(path, encode_line(made), shared=True)
        return made


def cache_folder() -> Path:
    """EXPLORER_CACHE, or polymorphism-explorer in XDG_CACHE_HOME, or in ~/.cache."""
    if given := os.environ.get("EXPLORER_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polymorphism-explorer"


def user_cache() -> Cache:
    """The user's cache; one that keeps nothing where the directory cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Cache(None)
    if not os.access(folder, os.W_OK):
        return Cache(None)
    _sweep(folder)
    return Cache(folder)


@lru_cache(maxsize=1)
def _sweep(folder: Path) -> None:
    """Once a process: remove what killed ones were writing."""
    sweep_files(folder, PARTIAL)
