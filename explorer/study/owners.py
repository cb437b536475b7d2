"""Whose studies are meant: everybody's on a laptop, those of the one who looks where the address is public.

The app says who looks (`ask_owner`); work that goes on when nobody looks says for whom it works (`acting_for`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NOBODY = ""
"""Owner of what everybody shares."""
_OWNER = re.compile(r"[A-Za-z0-9_=-]{8,64}")
_acting: ContextVar[str | None] = ContextVar("owner", default=None)
_ask: list[Callable[[], str]] = []


def owner() -> str:
    """Who is meant now; NOBODY where studies are everybody's. Raises ValueError for what is no name of an owner."""
    found = _acting.get()
    if found is None:
        found = _ask[-1]() if _ask else NOBODY
        if found != NOBODY:
            _acting.set(found)  # a job that this thread starts works for the same
    if found != NOBODY and not _OWNER.fullmatch(found):
        raise ValueError(f"{found[:80]!r} cannot be an owner: letters, digits, '-', '_' and '='")
    return found


def ask_owner(who: Callable[[], str]) -> None:
    """From now on `who` says who looks; it is asked whenever a study is looked for."""
    _ask[:] = [who]


@contextmanager
def acting_for(name: str) -> Iterator[None]:
    """Within the block this thread works for an owner, whoever looks."""
    before = _acting.set(name)
    try:
        yield
    finally:
        _acting.reset(before)
