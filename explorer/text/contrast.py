"""Contrasts: pairs of text classes whose difference of means is a steering vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from explorer.errors import InputError


@dataclass(frozen=True)
class ReadyContrast:
    """A contrast that a corpus' own labels make possible, before its texts are written."""

    name: str
    """Short name, e.g. sea."""
    title: str
    """What turns into what, for people."""
    prompt: str
    """A prompt of the negative class on which the effect is easy to see."""


@dataclass(frozen=True)
class Contrast:
    """A difference of means between two sets of prompts: from `negative` to `positive`."""

    name: str
    """Short name, e.g. sea."""
    title: str
    """What turns into what, for people."""
    positive: tuple[str, ...]
    """Texts that have the property."""
    negative: tuple[str, ...]
    """Texts that do not."""
    positive_tokens: tuple[tuple[int, ...], ...] | None = None
    """Positions of each positive text that count; None for every one but the first of a chunk."""
    negative_tokens: tuple[tuple[int, ...], ...] | None = None
    """The same for the negative texts."""
    outcome: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    """Token ids whose probability is to rise and to fall; None for those typical of each class of texts."""


R = TypeVar("R", bound=ReadyContrast)


def find_contrast(ready: Sequence[R], name: str) -> R:
    """The ready contrast of a name. Raises InputError with the names there are."""
    found = next((contrast for contrast in ready if contrast.name == name), None)
    if found is None:
        names = ", ".join(contrast.name for contrast in ready) or "none in this study"
        raise InputError(f"no ready contrast '{name}': there are {names}")
    return found
