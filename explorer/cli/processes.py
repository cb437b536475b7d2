"""Several processes of one command on this machine, which meet by `explorer.ranks`; torch's agent holds them."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from explorer import ranks

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_processes(count: int, arguments: Sequence[str]) -> int:
    """The exit code of `python -m explorer` with these arguments, run by `count` processes at once.

    When one is gone the others are ended, and one line on stderr says so; what one fails for, it says itself.
    """
    import logging

    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    stack = ExitStack()
    logs = stack.enter_context(TemporaryDirectory(prefix="polymorphism-explorer-"))
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, run_id=uuid.uuid4().hex, rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", max_restarts=0, monitor_interval=0.2,
        logs_specs=DefaultLogsSpecs(log_dir=logs),
    )  # fmt: skip
    threads = max(1, (os.cpu_count() or 1) // count)
    settings = {ranks.QUIET: "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    with stack, _environment(settings):
        try:
            elastic_launch(config, sys.executable)("-m", "explorer", *arguments)
        except ChildFailedError as error:
            return _told(error.failures, count)
        except SignalException as error:
            raise KeyboardInterrupt from error
    return 0


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """While open, what this process starts sees these variables."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _told(failures: Mapping[int, Any], count: int) -> int:
    """The exit code of a run in which some processes did not end with 0; says which one is gone, if one is."""
    codes = {number: failure.exitcode for number, failure in failures.items()}
    if codes.get(0) == 1:  # a verdict, told when all had done their work
        return 1
    # Who ends with 2 has said why; torch's agent then ends the others by a signal, which are not gone.
    gone = [] if 2 in codes.values() else [number for number, code in codes.items() if code != ranks.LOST_CODE]
    if not gone:
        return 2
    how = f"signal {-codes[gone[0]]}" if codes[gone[0]] < 0 else f"exit code {codes[gone[0]]}"
    print(
        f"error: process {gone[0] + 1} of {count} ended by {how} before its work was done (too little memory?): "
        "nothing was written; start the same command again, which finds the steps that were finished",
        file=sys.stderr,
    )
    return 2
