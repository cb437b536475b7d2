"""Folders that are not finished: made beside their place, held as long as their process lives, swept when it is gone.

A lock on the folder itself says who lives: it ends with the process, however that ends, and needs no number of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import sys
from pathlib import Path

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows: nothing is held, and nothing is swept
    flock = None  # type: ignore[assignment]

_HELD: dict[Path, int] = {}
"""The folders of this process by path, each with the open file that holds its lock."""
_EXCHANGE, _HERE = 2, -100


def make_unfinished(parent: Path, prefix: str) -> Path:
    """A fresh folder in `parent`, made too, that nobody sweeps while this process lives. Raises OSError."""
    for path in [path for path in _HELD if not path.is_dir()]:
        os.close(_HELD.pop(path))
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(6)}"
        folder.mkdir()
        if flock is None:
            return folder
        held = os.open(folder, os.O_RDONLY)
        if _lock(held) and folder.is_dir():
            _HELD[folder] = held
            return folder
        os.close(held)  # swept in the moment between


def sweep(parent: Path, prefix: str) -> None:
    """Remove the folders of this prefix whose process is gone; of other users, and what cannot be removed, stays."""
    if flock is None or not parent.is_dir():
        return
    for folder in parent.glob(f"{prefix}*"):
        try:
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            held = os.open(folder, os.O_RDONLY)
        except OSError:
            continue
        try:
            if _lock(held):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


def sweep_files(parent: Path, suffix: str) -> None:
    """Remove the files NAME.PROCESS.THREAD + suffix, and folders so called, whose process is gone from this machine."""
    for path in parent.rglob(f"*{suffix}"):
        parts = path.name.removesuffix(suffix).rsplit(".", 2)
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit() and not _alive(int(parts[1])):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def exchange(one: Path, other: Path) -> None:
    """Let two folders of one file system change places, at once where the system can: nobody ever sees neither."""
    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
                return
            number = ctypes.get_errno()
        except AttributeError:  # an older C library
            number = errno.ENOSYS
        if number not in (errno.ENOSYS, errno.EINVAL, errno.EXDEV):
            raise OSError(number, os.strerror(number), str(other))
    aside = other.with_name(f"{one.name}.old")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def _lock(held: int) -> bool:
    try:
        flock(held, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
