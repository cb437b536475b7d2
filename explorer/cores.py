"""How many processor cores torch computes on. It is loaded when a number is set: pages that show results need none."""

from __future__ import annotations

from functools import cache
from threading import Lock

EVERY_CORE = 0
"""As many cores as torch uses unless it is told otherwise."""
PAGE_CORES = 2
"""How many a page's own run uses. With small matrices, more wait for each other longer than they work."""
_SETTING = Lock()
"""How many there are is asked before the first thread sets a number."""


def use_cores(count: int) -> None:
    """Let torch compute on so many cores in this thread, and in threads that start later and set no number.

    Never on more than there are. Torch is loaded here: a page that only shows results does without it.
    """
    import torch

    with _SETTING:
        torch.set_num_threads(min(count or _every_core(), _every_core()))


@cache
def _every_core() -> int:
    import torch

    return torch.get_num_threads()
