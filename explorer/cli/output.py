"""The folder that a command writes: tested before any work begins, and made only when there is something to write."""

from __future__ import annotations

import tempfile
from pathlib import Path

from explorer.errors import InputError
from explorer.pipeline import sweep_outputs

_OTHERS = {"config.json": "model", "study.json": "study", "cfg.json": "dictionary"}
"""What a folder is that holds such a file."""


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


def report_folder(given: str | Path) -> Path:
    """The same for a report, which changes places with the whole folder: one that is something else is refused."""
    folder = output_folder(given)
    for file, what in _OTHERS.items():
        if (folder / file).is_file():
            raise InputError(f"--out '{given}' is the folder of a {what} (it holds {file}): name a new folder")
    sweep_outputs(folder)
    return folder
