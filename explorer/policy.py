"""What those who open the app may do: everything on a laptop, little where the address is public.

Few places ask: paths and fields of a check, its queue and its process, the shelf of studies, and whoever writes text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

VARIABLE, MODELS, TEXTS, IMPORTS = "EXPLORER_PUBLIC", "EXPLORER_MODELS", "EXPLORER_TEXTS", "EXPLORER_IMPORTS"
"""The environment: public or not; what may be checked, and on which texts; whether archives may be brought in."""
GB = 1 << 30


@dataclass(frozen=True)
class Policy:
    """The rules and limits of one server."""

    public: bool
    """Whether those who open it are strangers to each other and to this machine: each sees their own studies only."""
    models: tuple[str, ...] | None
    """The models that may be checked, as folders or names on the hub; None allows any that this machine can read."""
    texts: tuple[str, ...] | None
    """The texts that may be read beside held-out Tales, as files or hf:// addresses; None allows any."""
    imports: bool
    """Whether a visitor may bring in an archive of a study, or a file with a vector."""
    most_tokens: int
    """Tokens that a check from a page may read."""
    most_context: int
    """Tokens that a window of such a check may have."""
    waiting_checks: int
    """Checks that may wait or run in all, whoever asked for them."""
    writers: int
    """Jobs that may stream text at the same time; the others wait for their turn."""
    studies: int | None
    """Studies that one visitor may keep; None sets no limit."""
    visitor_bytes: int | None
    """Bytes that the studies of one visitor may take."""
    total_bytes: int | None
    """Bytes that the studies of all visitors may take together."""
    check_seconds: float | None
    """Seconds after which a check is ended; None gives it a thread of the app, and no limit."""
    check_bytes: int | None
    """Bytes of memory that the process of a check may take."""

    @property
    def checks(self) -> bool:
        """Whether a visitor may check any pair at all."""
        return self.models is None or len(self.models) > 1

    @property
    def names_paths(self) -> bool:
        """Whether a visitor may name folders and files of this machine."""
        return not self.public


LAPTOP = Policy(
    public=False,
    models=None,
    texts=None,
    imports=True,
    most_tokens=10_000_000,
    most_context=4096,
    waiting_checks=16,
    writers=max(2, os.cpu_count() or 1),
    studies=None,
    visitor_bytes=None,
    total_bytes=None,
    check_seconds=None,
    check_bytes=None,
)
"""For one person and those in the same room."""
PUBLIC = Policy(
    public=True,
    models=(),
    texts=(),
    imports=False,
    most_tokens=131_072,
    most_context=512,
    waiting_checks=8,
    writers=max(2, (os.cpu_count() or 1) // 2),
    studies=5,
    visitor_bytes=2 * GB,
    total_bytes=20 * GB,
    check_seconds=3600.0,
    check_bytes=8 * GB,
)
"""For an address that anybody can open: the shipped studies, and checks of what is listed."""


def policy(environment: Mapping[str, str] = os.environ) -> Policy:
    """The rules of this process: LAPTOP, or with EXPLORER_PUBLIC set PUBLIC and what the other variables list."""
    if not _is_set(environment, VARIABLE):
        return LAPTOP
    models, texts = _listed(environment, MODELS), _listed(environment, TEXTS)
    return replace(PUBLIC, models=models, texts=texts, imports=_is_set(environment, IMPORTS))


def _is_set(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() not in ("", "0", "no", "false", "off")


def _listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The parts of a list that is separated by commas or by lines, each once."""
    parts = (part.strip() for part in re.split(r"[,\n]", environment.get(name, "")))
    return tuple(dict.fromkeys(part for part in parts if part))
