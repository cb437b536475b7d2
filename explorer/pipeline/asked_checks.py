"""Checks that were asked for and have not ended, on disk: those of an app that was killed are offered again.

A record lies in the user's cache with a lock that its process holds. The lock of a process that is gone is free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from explorer.cache import user_cache
from explorer.files import encode, write_bytes
from explorer.pipeline.check_form import Fields
from explorer.policy import policy


@dataclass(frozen=True)
class AskedCheck:
    """A check as a visitor asked for it."""

    visitor: str
    """Who asked."""
    title: str
    """What is checked, for people."""
    name: str
    """What its study was to be called, and by which its link names it."""
    fields: Fields
    """The form as it was filled in."""


def keep(asked: AskedCheck) -> Callable[[], None]:
    """Keep a record until the function that is returned is called, or this process ends. Nothing where none can be."""
    path = _path(asked.visitor, asked.name)
    if path is None:
        return lambda: None
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        write_bytes(path, encode(asked))
    except (OSError, Timeout):
        return lambda: None

    def forget() -> None:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            path.with_suffix(".lock").unlink(missing_ok=True)

    return forget


def lost(visitor: str) -> list[AskedCheck]:
    """A visitor's checks whose process has gone, oldest first; where studies are everybody's, all such checks."""
    root = _folder()
    if root is None or not root.is_dir():
        return []
    found = []
    for path in sorted(root.glob("*.json"), key=_changed):
        with suppress(OSError, msgspec.DecodeError, Timeout), FileLock(path.with_suffix(".lock")).acquire(timeout=0):
            asked = msgspec.json.decode(path.read_bytes(), type=AskedCheck)
            if asked.visitor == visitor or not policy().public:
                found.append(asked)
    return found


def forget(asked: AskedCheck) -> None:
    """Offer a lost check no longer."""
    path = _path(asked.visitor, asked.name)
    if path is not None:
        for each in (path, path.with_suffix(".lock")):
            with suppress(OSError):
                each.unlink(missing_ok=True)


def _folder() -> Path | None:
    folder = user_cache().folder
    return None if folder is None else folder / "asked"


def _path(visitor: str, name: str) -> Path | None:
    root = _folder()
    return None if root is None else root / f"{hashlib.sha256(f'{visitor} {name}'.encode()).hexdigest()[:24]}.json"


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
