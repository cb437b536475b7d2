"""Hostile and damaged input: every loader is given files that are damaged in drawn ways, and may only refuse them with
an InputError, or read them. `python -m tests.faults.inputs [examples] [--seed N] [--only NAME]` prints a table.

Memory is bounded by the system (`MOST_MEMORY` beyond what the process has), so that a size that is believed shows.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .loaders import Loader, damaged, example
from .mutations import by_ending

MOST_MEMORY = 3 << 30
"""Bytes of address space that one example may take."""
PATIENCE = 60
"""Seconds of processor time after which an example counts as one that hangs."""


MOST_WORDS = 2_100
"""Characters of a message."""


LOST = 600
"""Seconds after which the process is ended in an example that hears nothing."""


class Hangs(BaseException):
    """An example took longer than `PATIENCE`."""


@dataclass
class Tally:
    """What became of the examples of one loader."""

    refused: int = 0
    """With an InputError."""
    accepted: int = 0
    """Read."""
    other: Counter[str] = field(default_factory=Counter)
    """Whatever else was raised, by kind and the line of ours that raised it."""
    examples: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Of each of these the first example, and the traceback."""

    @property
    def tried(self) -> int:
        """All of them."""
        return self.refused + self.accepted + self.other.total()


@contextmanager
def limited() -> Iterator[None]:
    """This process may take no more memory than it has and `MOST_MEMORY`."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MOST_MEMORY, before[1]))

    def stop(*_given: Any) -> None:
        raise Hangs

    old = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def attempt(loader: Loader, number: int, seed: int, tally: Tally) -> None:
    """Example `number` of a loader: the same in every run of the same seed."""
    from explorer.errors import InputError

    r = random.Random(f"{loader.name} {seed} {number}")
    mutation = r.choice(by_ending(loader.file.name))
    data = mutation(loader.file.read_bytes(), r)
    with damaged(loader, data):
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
        # What hangs in a library's own code hears no signal: the process then ends, and says where.
        faulthandler.dump_traceback_later(LOST, exit=True)
        try:
            loader.load()
            tally.accepted += 1
        except InputError as error:
            if str(error).strip() and str(error).isprintable() and len(str(error)) < MOST_WORDS:
                tally.refused += 1
            else:
                tally.other["no sentence"] += 1
                tally.examples.setdefault("no sentence", (number, repr(error)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            place = [f for f in traceback.extract_tb(error.__traceback__) if "/explorer/" in f.filename]
            kind = (
                f"{type(error).__name__} at {Path(place[-1].filename).name}:{place[-1].lineno}"
                if place
                else repr(error)
            )
            tally.other[kind] += 1
            tally.examples.setdefault(kind, (number, f"{mutation.__name__}\n{traceback.format_exc()}"))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            faulthandler.cancel_dump_traceback_later()


def run(
    examples: int,
    seed: int = 0,
    only: Sequence[str] = (),
    first: int = 0,
    tell: Callable[[str], None] = lambda _name: None,
) -> dict[str, Tally]:
    """Try every loader, `examples` in all. A loader that refuses its own valid example is an error."""
    import torch

    torch.set_num_threads(1)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder, _cache(Path(folder) / "cache"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaders = [loader for loader in example(Path(folder)) if not only or loader.name in only]
        for loader in loaders:
            loader.load()
        share = examples / sum(loader.weight for loader in loaders)
        with limited():
            for loader in loaders:
                # A library that ends the whole process leaves its name behind.
                tell(loader.name)
                tally = tallies.setdefault(loader.name, Tally())
                for number in range(first, first + max(1, round(share * loader.weight))):
                    attempt(loader, number, seed, tally)
                gc.collect()
    return tallies


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Nothing of a person's cache is read or left."""
    before = os.environ.get("EXPLORER_CACHE")
    os.environ["EXPLORER_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["EXPLORER_CACHE"]
        else:
            os.environ["EXPLORER_CACHE"] = before


def table(tallies: dict[str, Tally]) -> str:
    """The counts of every loader, and all together."""
    rows = [("loader", "tried", "InputError", "accepted", "other")]
    for name, t in tallies.items():
        rows.append((name, *(f"{n:,}" for n in (t.tried, t.refused, t.accepted, t.other.total()))))
    sums = [sum(getattr(t, n) for t in tallies.values()) for n in ("tried", "refused", "accepted")]
    rows.append(("all", *(f"{n:,}" for n in (*sums, sum(t.other.total() for t in tallies.values())))))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        f"{row[0]:{widths[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def main() -> int:
    """The table on stdout; whatever is no InputError on stderr. 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", type=int, nargs="?", default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args()
    faulthandler.enable()
    found = run(
        options.examples, options.seed, options.only, tell=lambda name: print(f"… {name}", file=sys.stderr, flush=True)
    )
    print(table(found))
    for name, tally in found.items():
        for kind, count in tally.other.most_common():
            number, told = tally.examples[kind]
            print(f"\n{name}: {count} × {kind} (first: example {number})\n{told}", file=sys.stderr)
    return int(any(tally.other for tally in found.values()))


if __name__ == "__main__":
    sys.exit(main())
