"""Which folders a page may read: on a server, visitors name paths, and not every path is theirs to name."""

from __future__ import annotations

import os
from pathlib import Path

from explorer.errors import InputError
from explorer.study import SHIPPED

VARIABLE = "EXPLORER_ROOTS"


def roots() -> list[Path]:
    """The folders of EXPLORER_ROOTS; without it the home folder, the working directory and the shipped assets."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return [Path.home().resolve(), Path.cwd().resolve(), SHIPPED]
    return [Path(part).expanduser().resolve() for part in given.split(os.pathsep) if part.strip()]


def allowed_path(text: str) -> Path:
    """The path, links followed, if it lies in one of the allowed folders. Raises InputError.

    What lies outside is refused before anybody looks whether it exists.
    """
    if "\0" in text:
        raise InputError("a path cannot hold a zero byte: type it again")
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"'{text[:80]}' is no path that can be followed: give another") from error
    allowed = roots()
    if not any(path.is_relative_to(root) for root in allowed):
        raise InputError(
            f"'{text[:200]}' lies outside the folders that this app may read "
            f"({', '.join(map(str, allowed)) or 'none'}): move it there, or name its folder in {VARIABLE} and restart"
        )
    return path
