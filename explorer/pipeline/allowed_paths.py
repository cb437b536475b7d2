"""Which folders a page may read: those who open it name paths, and not every path is theirs to name."""

from __future__ import annotations

import os
from pathlib import Path

from explorer.cache import cache_folder
from explorer.errors import InputError
from explorer.policy import policy
from explorer.study import SHIPPED

VARIABLE = "EXPLORER_ROOTS"


def roots() -> list[Path]:
    """The folders of EXPLORER_ROOTS; without it the home folder, the working directory and the shipped assets.

    None where the address is public: there everything that may be read is listed.
    """
    if policy().public:
        return []
    given = os.environ.get(VARIABLE)
    if given is None:
        return list(dict.fromkeys((Path.home().resolve(), Path.cwd().resolve(), SHIPPED)))
    return [Path(part).expanduser().resolve() for part in given.split(os.pathsep) if part.strip()]


def allowed_path(text: str) -> Path:
    """The path, links followed, if it lies in one of the allowed folders and in none that hides. Raises InputError.

    What lies outside is refused before anybody looks whether it exists. Folders and files whose names begin with a dot
    hold keys and settings: they are read only where one is itself named in EXPLORER_ROOTS, or holds this app's cache or
    the hub's.
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
    if not any(_is_plain(path, root) for root in (*allowed, *_caches())):
        raise InputError(
            f"'{text[:200]}' lies in a folder whose name begins with a dot, where keys and settings are: move it "
            f"elsewhere, or name that very folder in {VARIABLE} and restart"
        )
    return path


def _is_plain(path: Path, root: Path) -> bool:
    """Whether a path lies in a folder, and nothing on the way down begins with a dot."""
    return path.is_relative_to(root) and not any(part.startswith(".") for part in path.relative_to(root).parts)


def _caches() -> list[Path]:
    """Caches lie in dot folders, and models in them."""
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
    return [cache_folder().resolve(), Path(hub).expanduser().resolve()]
