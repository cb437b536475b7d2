"""A file on the hub as it streams: whatever the network does is an InputError."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, TypeVar

from explorer.errors import InputError
from explorer.models import hub_said, quieten, within_patience

T = TypeVar("T")

PILE = "hf://datasets/NeelNanda/pile-10k"
"""The corpus on which the paper measures Pythias."""

BLOCK_BYTES = 1 << 20
"""Bytes that are asked for together."""


def open_on_hub(where: str) -> IO[bytes]:
    """The file at an address hf://…, open for reading. Raises InputError; so does every read of what is returned."""
    import fsspec

    quieten()
    try:
        file = within_patience(lambda: fsspec.open(where, "rb").open())
    except FileNotFoundError as error:
        raise InputError(f"the hub has no file '{where}': check owner, name and path") from error
    except Exception as error:  # network, credentials, spelling: fsspec and the hub raise what they like
        raise InputError(
            f"cannot read '{where}' from the hub: {hub_said(error)}; a text there is hf://datasets/OWNER/NAME/FILE"
        ) from error
    return io.BufferedReader(_Remote(file, where), BLOCK_BYTES)


def files_on_hub(where: str) -> list[str]:
    """The files of a data set, or of a folder of one, by their addresses. Raises InputError."""
    from huggingface_hub import HfFileSystem

    quieten()
    try:
        return [f"hf://{name}" for name in within_patience(lambda: HfFileSystem().find(where.removeprefix("hf://")))]
    except FileNotFoundError as error:
        raise InputError(f"the hub has no data set '{where}': check owner, name and path") from error
    except Exception as error:  # network, credentials, spelling: the hub's library raises what it likes
        raise InputError(
            f"cannot read '{where}' from the hub: {hub_said(error)}; a text there is hf://datasets/OWNER/NAME"
        ) from error


class _Remote(io.RawIOBase):
    """A remote file, whose every call to the network goes through `_ask`."""

    def __init__(self, file: Any, where: str) -> None:
        self._file, self._where = file, where

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:  # a connection that breaks raises what the client below likes
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"the text '{self._where}' broke off while it was read ({reason[:160]}): run it again, or fetch the "
                "file and give its path"
            ) from error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._ask(lambda: int(self._file.seek(offset, whence)))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        def read() -> int:
            data = self._file.read(len(buffer))
            if not data and len(buffer) and self._file.tell() < self._file.size:
                raise EOFError(f"byte {self._file.tell()} of {self._file.size} never came")
            buffer[: len(data)] = data
            return len(data)

        return self._ask(read)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
