"""Errors that are meant for a person: they say what, what was given, what is allowed and what to do next."""

from __future__ import annotations

import traceback
from pathlib import Path


class InputError(ValueError):
    """Something that the user gave cannot be used; the message is shown as it is, without a traceback."""


def in_words(error: BaseException) -> str:
    """An error in one line: an InputError's own words, what the system said of a file, or where this program failed."""
    if out_of_memory(error):
        words = "this machine has too little memory for this work: try a smaller model, or fewer --tokens"
    elif isinstance(error, InputError):
        words = str(error)
    elif isinstance(error, OSError) and error.strerror:
        words = f"'{error.filename}': {error.strerror}" if error.filename else error.strerror
    else:
        words = f"a fault of this program{_place(error)}, please report it: {type(error).__name__}: {error}"
    return " ".join(words.split())


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory is used up: torch has kinds of its own for a GPU and for the CPU."""
    told = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or told


def _place(error: BaseException) -> str:
    """File and line of ours that an error passed last."""
    project = Path(__file__).parent.parent
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(project / "explorer")
    ]
    return f" ({Path(frames[-1].filename).relative_to(project)}:{frames[-1].lineno})" if frames else ""
