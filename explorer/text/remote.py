"""A file on the hub as it streams: whatever the network does is an InputError."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from explorer.errors import InputError
from explorer.models import asked_again, first_line, hub_said, quieten, within_patience
from explorer.progress import Report, silent

T = TypeVar("T")

PILE = "hf://datasets/NeelNanda/pile-10k"
"""The corpus on which the paper measures Pythias."""

BLOCK_BYTES = 1 << 20
"""Bytes that are asked for together."""
PAUSES = (0.5, 1.0, 2.0)
"""Seconds before what broke off is asked for again: so often at one place, before it is given up."""
MOST_RETRIES = 20
"""How often a text is taken up again in all."""
_ASKS_AGAIN = "huggingface_hub.utils._http"
"""The hub library's logger of what it asks for again by itself."""


@dataclass
class Retries:
    """How a text that breaks off is taken up again, and how often that was so."""

    report: Report = silent
    """Hears of each."""
    pause: Callable[[float], None] = time.sleep
    """Waits so many seconds."""
    count: int = 0
    """How often what broke off was asked for again, by the hub's library or here."""

    def again(self, place: int, reason: str) -> None:
        """Count one, and say so."""
        self.count += 1
        self.report(f"the text broke off after byte {place:,} ({reason}) and is taken up again", 0.0)


def open_on_hub(where: str, retries: Retries) -> IO[bytes]:
    """The file at an address hf://…, open for reading. Raises InputError; so does every read of what is returned.

    A read that breaks off is asked for again from the same byte, a bounded number of times.
    """
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
    return io.BufferedReader(_Remote(file, where, retries), BLOCK_BYTES)


def files_on_hub(where: str) -> list[str]:
    """The files of a data set, or of a folder of one, by their addresses. Raises InputError."""
    from huggingface_hub import HfFileSystem

    quieten()
    # A file system of its own: one that has opened a file may remember a listing without the folders below.
    files = HfFileSystem(skip_instance_cache=True)
    try:
        return [f"hf://{name}" for name in within_patience(lambda: files.find(where.removeprefix("hf://")))]
    except FileNotFoundError as error:
        raise InputError(f"the hub has no data set '{where}': check owner, name and path") from error
    except Exception as error:  # network, credentials, spelling: the hub's library raises what it likes
        raise InputError(
            f"cannot read '{where}' from the hub: {hub_said(error)}; a text there is hf://datasets/OWNER/NAME"
        ) from error


@contextmanager
def _heard(retries: Retries, place: int) -> Iterator[None]:
    """While open, what the hub's library asks for again in this thread is counted; its own notes stay silent."""
    logger, here = logging.getLogger(_ASKS_AGAIN), threading.get_ident()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == here and "Retry" in record.getMessage():
                retries.again(place, "the connection failed")

    handler, level, passes = Handler(logging.WARNING), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = passes


class _Remote(io.RawIOBase):
    """A remote file, whose every call to the network goes through `_ask`."""

    def __init__(self, file: Any, where: str, retries: Retries) -> None:
        self._file, self._where, self._retries = file, where, retries

    def _ask(self, call: Callable[[], T]) -> T:
        for pause in (*PAUSES, None):
            place = int(self._file.tell())
            try:
                with _heard(self._retries, place):
                    return call()
            except Exception as error:  # a connection that breaks raises what the client below likes
                reason = first_line(error)
                if pause is None or asked_again(error) or self._retries.count >= MOST_RETRIES:
                    raise InputError(
                        f"the text '{self._where}' broke off while it was read ({reason}), and asking again "
                        f"({self._retries.count} times) did not help: run it again, or fetch the file and give its path"
                    ) from error
                self._retries.again(place, reason)
                self._retries.pause(pause)
                self._file.seek(place)
        raise AssertionError("the last try returns or raises")

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
