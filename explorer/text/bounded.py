"""No more of a file than is wanted of it: a file that is read only so far, and a record whose end is not read."""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder, decoder as json_decoder
from typing import Any, Protocol

from explorer.errors import InputError

scanstring: Callable[[str, int], tuple[str, int]] = json_decoder.scanstring  # type: ignore[attr-defined]
"""A JSON string from the place after its first quotation mark, and the place after its last."""
_SPACE = re.compile(r"[ \t\r\n]*")
_HALF_AN_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
_HIGH_SURROGATE = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}$")


LEAST = 64
"""Bytes that a line counts for at least: empty ones take time, too."""


class Bytes(Protocol):
    """What documents are read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`."""

    def readline(self, size: int, /) -> bytes:
        """The next line, or its first `size` bytes."""


class Metered:
    """A file of which no more than `most` bytes are read: a little that unfolds to much ends with an InputError."""

    def __init__(self, file: Any, where: str, most: int) -> None:
        self._file, self._where, self._most, self._left = file, where, most, most

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`."""
        return self._count(self._file.read(size))

    def readline(self, size: int) -> bytes:
        """The next line, or its first `size` bytes."""
        return self._count(self._file.readline(size))

    def _count(self, data: bytes) -> bytes:
        self._left -= max(len(data), LEAST)
        if self._left < 0:
            raise InputError(
                f"the text '{self._where}' holds too little text: {self._most >> 20} MiB were read, as much as is "
                "read for so many tokens; leave out what is not text, or ask for fewer --tokens"
            )
        return data


def text_begun(line: bytes, field: str) -> str | None:
    """As much of the text in a field of a JSON object as stands in its first bytes; None where it has not begun there,
    or what stands before it is no JSON.
    """
    text, decoder = line.decode("utf-8", "ignore"), JSONDecoder()
    at = _after_space(text, 0)
    try:
        while text[at] in "{,":
            key, at = scanstring(text, _after_space(text, at + 1) + 1)
            at = _after_space(text, at)
            at = _after_space(text, at + 1)
            if key == field and text[at] == '"':
                return _begun(text, at + 1)
            _, at = decoder.raw_decode(text, at)
            at = _after_space(text, at)
    except (IndexError, JSONDecodeError, RecursionError):
        return None
    return None


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _begun(text: str, at: int) -> str:
    """A JSON string that may end nowhere, without the escape in which it was cut off."""
    try:
        return str(scanstring(text, at)[0])
    except JSONDecodeError:
        rest = _HIGH_SURROGATE.sub(r"\1", _HALF_AN_ESCAPE.sub(r"\1", text[at:]))
        return str(scanstring(rest + '"', 0)[0])
