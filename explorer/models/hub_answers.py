"""What the hub answers, told apart: each answer is one sentence for a person."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_WORDS = 160
"""Characters of the hub's own words that are passed on."""


def patience() -> float:
    """Seconds that the hub has to answer a question: the hub library's own time-out (HF_HUB_ETAG_TIMEOUT)."""
    from huggingface_hub import constants

    return float(constants.HF_HUB_ETAG_TIMEOUT)


def is_offline() -> bool:
    """Whether the hub's library was told to ask nobody (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def within_patience(ask: Callable[[], T]) -> T:
    """What a question to the hub gives. Raises what it raises, or TimeoutError after `patience()` seconds."""
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["found"] = ask()
        except BaseException as error:  # handed to the thread that waits
            outcome["error"] = error

    # In a thread: no timeout of the client covers a resolver that hangs, or the client's own retries.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(patience())
    if "error" in outcome:
        raise outcome["error"]
    if "found" not in outcome:
        raise TimeoutError
    found: T = outcome["found"]
    return found


def hub_said(error: Exception) -> str:
    """What went wrong between this machine and the hub, and what to do next."""
    from httpx2 import TimeoutException
    from huggingface_hub.errors import (
        DisabledRepoError,
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return "it is gated: accept its terms on the hub and log in (hf auth login)"
    if isinstance(error, DisabledRepoError):
        return "the hub has disabled access to it (403), for everybody: choose another"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has none of that name, or it is private: check the name, or log in (hf auth login)"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so that the hub is not asked"
    if isinstance(error, TimeoutError | TimeoutException):
        return f"the hub gave no answer within {patience():.0f} s: try again, or give it more (HF_HUB_ETAG_TIMEOUT)"
    if isinstance(error, HfHubHTTPError):
        return _status(error)
    return f"the hub cannot be reached ({first_line(error)}): a hub id needs a network, a local folder does not"


def _status(error: Any) -> str:
    code, words = error.response.status_code, (error.server_message or "").strip()[:_WORDS]
    said = f"{code}: {words}" if words else str(code)
    if code == 401:
        return (
            f"the hub does not accept the token that this machine is logged in with ({said}): log in anew "
            "(hf auth login), or out (hf auth logout)"
        )
    if code == 429:
        return f"the hub answers that it was asked too often from here ({said}): wait some minutes, or log in"
    if code == 403:
        return f"the hub denies access to it ({said}): check what your login may read"
    if code >= 500:
        return f"the hub has a fault of its own ({said}): try it again later"
    return f"the hub answered {said}: check the name"


def may_pass(error: Exception) -> bool:
    """Whether an error says nothing of what was asked for: no network, no answer, too many questions, a fault there."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return True


def asked_again(error: Exception) -> bool:
    """Whether the hub's library has asked again by itself before it raised an error, or the hub answered with one."""
    from httpx2 import TransportError
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, TransportError | HfHubHTTPError)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind."""
    lines = str(error).strip().splitlines()
    return lines[0][:_WORDS] if lines else type(error).__name__


def quieten() -> None:
    """No progress bars and no retry notes of the hub's library on stderr."""
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
