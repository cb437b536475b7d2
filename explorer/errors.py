"""Errors that are meant for a person: they say what, what was given, what is allowed and what to do next."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

LONGEST = 2_000
"""Characters of a message."""


class InputError(ValueError):
    """Something that the user gave cannot be used; the message is shown as it is, without a traceback.

    It quotes what was given: whatever does not print becomes a space, and the end of a very long one is left out.
    """

    def __init__(self, message: str) -> None:
        plain = "".join(c if c.isprintable() else " " for c in message[:LONGEST])
        super().__init__(plain if len(message) <= LONGEST else f"{plain} …")


def in_words(error: BaseException) -> str:
    """An error in one line: an InputError's own words, what the system said of a file, or where this program failed."""
    if out_of_memory(error):
        words = "this machine has too little memory for this work: try a smaller model, or fewer --tokens"
    elif isinstance(error, InputError):
        words = str(error)
    elif out_of_space(error):
        words = (
            f"{_file(error)}the disk, or your share of it, is full: free some space, or name folders on another disk "
            "(--out; EXPLORER_CACHE for the cache, TMPDIR for what is temporary). Nothing half-written is left"
        )
    elif isinstance(error, OSError) and error.strerror:
        words = f"'{error.filename}': {error.strerror}" if error.filename else error.strerror
    else:
        words = f"a fault of this program{_place(error)}, please report it: {type(error).__name__}: {error}"
    return " ".join(words.split())


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory is used up: torch has kinds of its own for a GPU and for the CPU."""
    told = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or told


def out_of_space(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, means that no more can be written: libraries have kinds of their own."""
    if error is None:
        return False
    told = any(words in str(error) for words in _FULL)
    return told or getattr(error, "errno", None) in _NO_SPACE or out_of_space(error.__cause__ or error.__context__)


def is_foreseen(error: BaseException) -> bool:
    """Whether `in_words` says what a person can do about an error, although nobody raised it for people."""
    return out_of_memory(error) or out_of_space(error)


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL = ("(os error 28)", "(os error 122)", "(os error 27)", "No space left on device", "Disk quota exceeded")


def _file(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    return f"'{name}': " if name else ""


def _place(error: BaseException) -> str:
    """File and line of ours that an error passed last."""
    project = Path(__file__).parent.parent
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(project / "explorer")
    ]
    return f" ({Path(frames[-1].filename).relative_to(project)}:{frames[-1].lineno})" if frames else ""
