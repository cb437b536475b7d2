"""A check in a process of its own, with limits of memory, time and file size: what strangers ask for is run so.

The child is `python -m explorer.pipeline.check_process`, told what to do on its input. It says on its output, a message a
line, each step and each site's result; the parent passes them on, and ends it when it is cancelled or out of time.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from explorer import PROJECT
from explorer.alignment import SiteResult
from explorer.errors import InputError, in_words
from explorer.pipeline.check_form import CheckRequest
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.progress import CheckProgress, PlannedPart
from explorer.policy import Policy
from explorer.progress import silent

EVERY = 0.25
"""Seconds after which the parent reports again although the child says nothing, so that it hears a cancel."""
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
"""What the child knows of the environment, beside what begins with EXPLORER_ or HF_ and is no token."""


@dataclass(frozen=True)
class CheckOrder:
    """What the child is told."""

    source: Checkpoint
    """A."""
    target: Checkpoint
    """B."""
    options: CheckOptions
    """The rest."""
    command: str
    """The same check on the command line."""
    folder: str
    """Where its outputs go."""
    memory: int
    """Bytes of address space that it may take."""
    file_size: int
    """Bytes that one of its files may have."""
    seconds: int
    """Seconds of processor time on each core."""


@dataclass(frozen=True)
class CheckMessage:
    """What the child says: one of these."""

    step: str = ""
    """A step, with its share."""
    share: float = 0.0
    """How much of it is done."""
    plan: tuple[PlannedPart, ...] | None = None
    """What it will do."""
    site: SiteResult | None = None
    """A site's result."""
    error: str | None = None
    """Why it ended without a result, for people."""


def check_in_process(request: CheckRequest, folder: Path, progress: CheckProgress, rules: Policy) -> None:
    """Check the pair in a child and wait for it. Raises InputError as `check` does, and for what exceeds a limit."""
    assert rules.check_seconds is not None and rules.check_bytes is not None
    size = rules.visitor_bytes or resource.RLIM_INFINITY
    order = CheckOrder(
        request.source, request.target, request.options, request.command, str(folder), rules.check_bytes, size,
        round(rules.check_seconds),
    )  # fmt: skip
    end = time.monotonic() + rules.check_seconds
    command = [sys.executable, "-m", "explorer.pipeline.check_process"]
    child = subprocess.Popen(
        command, cwd=PROJECT, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(msgspec.json.encode(order))
            child.stdin.close()
        error = _listen(child.stdout, progress, end)
        if error is None and child.wait(10) != 0:
            limit = f"more than {rules.check_bytes >> 30} GB of memory, or of time"
            why = f"it took {limit}" if child.returncode < 0 else "a fault of this program; the server's log says where"
            error = f"the check ended with code {child.returncode}: {why}"
        if error is not None:
            raise InputError(error)
    except TimeoutError as late:
        raise InputError(
            f"the check took more than {rules.check_seconds / 60:.0f} minutes, which is all that one may take here: ask "
            "for fewer tokens or sites, or check the pair on a machine of your own"
        ) from late
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()


def _listen(said: IO[bytes], progress: CheckProgress, end: float) -> str | None:
    """Pass on what the child says until it ends; its error. Raises TimeoutError, and what the progress raises."""
    rest, step, share, error = b"", "starting", 0.0, None
    while True:
        if time.monotonic() > end:
            raise TimeoutError
        if not select.select([said], [], [], EVERY)[0]:
            progress(step, share)
            continue
        if not (piece := os.read(said.fileno(), 1 << 16)):
            return error
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            message = msgspec.msgpack.decode(b64decode(line), type=CheckMessage)
            if message.plan is not None:
                progress.plan(message.plan)
            elif message.site is not None:
                progress.tell(message.site)
            elif message.error is not None:
                error = message.error
            else:
                step, share = message.step, message.share
                progress(step, share)


def _environment() -> dict[str, str]:
    """No secret of the server: a check needs none."""
    ours = (n for n in os.environ if n.startswith(("EXPLORER_", "HF_", "OMP_")) and "TOKEN" not in n)
    return {name: os.environ[name] for name in (*KEPT, *ours) if name in os.environ}


class _Told(CheckProgress):
    """Says everything on a descriptor instead of showing it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        super().__init__(silent)

    def say(self, message: CheckMessage) -> None:
        data = b64encode(msgspec.msgpack.encode(message)) + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]

    def __call__(self, step: str, share: float) -> None:
        self.say(CheckMessage(step, share))

    def plan(self, parts: Iterable[PlannedPart]) -> None:
        found = tuple(parts)
        super().plan(found)
        if found:
            self.say(CheckMessage(plan=found))

    def tell(self, site: SiteResult) -> None:
        super().tell(site)
        self.say(CheckMessage(site=site))


def main() -> int:
    """The child: limits first, then the check."""
    descriptor = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no message
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=CheckOrder)
    cores = os.cpu_count() or 1
    for kind, most in (
        (resource.RLIMIT_AS, order.memory),
        (resource.RLIMIT_FSIZE, order.file_size),
        (resource.RLIMIT_CPU, order.seconds * cores),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    told = _Told(descriptor)
    try:
        from explorer.pipeline.run_check import check

        check(order.source, order.target, Path(order.folder), order.options, order.command, told)
    except Exception as error:  # whatever it was, a person reads one line
        told.say(CheckMessage(error=in_words(error)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
