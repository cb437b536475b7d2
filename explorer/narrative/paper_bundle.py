"""The result files of the paper's replication: its release bundle, as a folder or an archive, read as data and no more.

Only JSON files are read, in memory; an archive is never unpacked, and its checkpoints (pickles) are passed over unopened.
"""

from __future__ import annotations

import json
import math
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from explorer.errors import InputError
from explorer.files import user_path

MOST_FILES, MOST_BYTES, MOST_IN_ONE = 20_000, 4 << 30, 32 << 20
"""What a bundle may hold: files, bytes that they unfold to, and bytes of one result file. The published one has 13 MB."""
SITE = "{site}"
"""Stands in a path for the name of a site."""
_PLACES = (
    (re.compile(r"layer(\d+)_resid_pre|resid_pre_(\d+)"), 0),
    (re.compile(r"layer(\d+)_resid_post|resid_post_(\d+)"), 1),
)


@dataclass(frozen=True)
class Source:
    """Where a bundle holds a number of every site."""

    file: str
    """The file, by its path in the bundle."""
    path: tuple[str, ...]
    """Keys inside: `{site}` for every site, ~PATTERN for all that match it (their numbers are of several pairs)."""


@dataclass(frozen=True)
class SiteNumbers:
    """What a bundle says of one quantity at one site."""

    site: str
    """The site, by the bundle's name."""
    values: tuple[float, ...]
    """A number of each pair, or their mean where the bundle holds no more."""

    @property
    def mean(self) -> float:
        """Mean over the pairs."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True)
class Bundle:
    """Result files by their paths in the bundle."""

    files: dict[str, Any]
    """What each JSON file holds."""

    def holds(self, file: str) -> bool:
        """Whether there is such a file, in whatever folder the bundle has it all."""
        return self._find(file) is not None

    def read(self, source: Source) -> tuple[SiteNumbers, ...]:
        """What a source gives, site by site in the file's order; nothing where file, keys or numbers are missing."""
        found: dict[str, list[float]] = {}
        for site, value in _walk(self._find(source.file), source.path, ""):
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                found.setdefault(site, []).append(float(value))
        return tuple(SiteNumbers(site, tuple(values)) for site, values in found.items())

    def _find(self, file: str) -> Any:
        names = [name for name in self.files if name == file or name.endswith(f"/{file}")]
        return self.files[min(names, key=len)] if names else None


def _walk(value: Any, path: tuple[str, ...], site: str) -> Iterator[tuple[str, Any]]:
    if not path:
        yield site, value
        return
    if not isinstance(value, dict):
        return
    if not site and isinstance(value.get("site"), str):  # a file about one site says which
        site = value["site"]
    key, *rest = path
    for name, inner in value.items():
        if key == SITE:
            yield from _walk(inner, tuple(rest), str(name))
        elif name == key or (key.startswith("~") and re.fullmatch(key[1:], str(name))):
            yield from _walk(inner, tuple(rest), site)


def residual_place(site: str) -> int | None:
    """How many blocks stand before a site of the bundle; None inside a block, where this project has no site."""
    for pattern, after in _PLACES:
        if found := pattern.fullmatch(site):
            return int(next(group for group in found.groups() if group)) + after
    return None


def read_bundle(where: str | Path) -> Bundle:
    """The result files of a folder, zip or tar.gz. Raises InputError for what is none of these, is damaged, or too big."""
    path = user_path(where)
    try:
        if path.is_dir():
            members = _of_folder(path)
        elif zipfile.is_zipfile(path):
            members = _of_zip(path)
        elif path.is_file() and tarfile.is_tarfile(path):
            members = _of_tar(path)
        else:
            raise InputError(
                f"--paper '{where}' is no folder, zip or tar.gz: give the release bundle of the paper's replication, "
                "packed or not"
            )
        files = {name: _parsed(name, data) for name, data in members}
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise InputError(f"--paper '{where}' cannot be read ({error}): fetch the bundle again") from error
    if not files:
        raise InputError(f"--paper '{where}' holds no result files (.json): give the bundle's own folder or archive")
    return Bundle(files)


def _parsed(name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{name}' of the bundle is damaged (no JSON): fetch the bundle again") from error


def _wanted(name: str, size: int, told: list[int]) -> bool:
    """Whether a member is a result file. Raises InputError for names that lead elsewhere, and for too much of all."""
    told[0] += 1
    told[1] += size
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts:
        raise InputError(f"the bundle holds '{name[:120]}', which would lie outside of it: it is not read")
    if told[0] > MOST_FILES or told[1] > MOST_BYTES:
        raise InputError(f"the bundle holds more than {MOST_FILES:,} files or {MOST_BYTES >> 30} GB: it is not read")
    if place.suffix != ".json":
        return False
    if size > MOST_IN_ONE:
        raise InputError(f"'{name[:120]}' of the bundle has {size >> 20} MB, at most {MOST_IN_ONE >> 20} are read")
    return True


def _of_folder(root: Path) -> Iterator[tuple[str, bytes]]:
    told = [0, 0]
    for path in sorted(root.rglob("*.json")):
        if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            continue
        name = path.relative_to(root).as_posix()
        if _wanted(name, path.stat().st_size, told):
            yield name, path.read_bytes()


def _of_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    told = [0, 0]
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if stat.S_ISLNK(member.external_attr >> 16) or not _wanted(member.filename, member.file_size, told):
                continue
            with archive.open(member) as file:
                yield member.filename, _bounded(file.read(MOST_IN_ONE + 1), member.filename)


def _of_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    told = [0, 0]
    with tarfile.open(path) as archive:
        for member in archive:
            wanted = _wanted(member.name, member.size, told)
            if wanted and member.isfile() and (file := archive.extractfile(member)) is not None:
                yield member.name, _bounded(file.read(MOST_IN_ONE + 1), member.name)


def _bounded(data: bytes, name: str) -> bytes:
    """What a member gave: its header may have said less."""
    if len(data) > MOST_IN_ONE:
        raise InputError(f"'{name[:120]}' of the bundle has more than {MOST_IN_ONE >> 20} MB: it is not read")
    return data
