"""The folder that a command writes: tested before any work begins, and made only when there is something to write."""

from __future__ import annotations

import tempfile
from pathlib import Path

from explorer.errors import InputError


def output_folder(given: str | Path) -> Path:
    """The folder of --out. Raises InputError if it is no folder, or cannot be made or written; leaves nothing."""
    try:
        folder = Path(given).expanduser()
        there = next(p for p in (folder, *folder.parents) if p.exists() or p.is_symlink())
        if not there.is_dir():
            raise InputError(f"--out '{given}': '{there}' is a file; name a folder")
        # Asking for permission is not enough: file systems that are read-only, or not for files, refuse root as well.
        with tempfile.TemporaryDirectory(prefix=".explorer-", dir=there):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of somebody unknown
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--out '{str(given)[:200]}' cannot be written ({why}): name another folder") from error
    return folder
