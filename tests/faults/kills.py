"""A check is killed: while it measures, while it reads what was measured before, while its report takes its place.

`python -m tests.faults.kills [KILLS]` (66 unless given). After each kill the folder of --out holds the old report or
the new one, whole; the next run ends with the bytes of a run that nobody killed, and leaves nothing unfinished.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .tiny_check import Place, begin, contents, ended, place

STAGES = ("measuring", "reading", "writing")


@dataclass(frozen=True)
class Known:
    """What runs that nobody killed leave, and how long they take."""

    old: dict[str, bytes]
    """The report that stands in the folder before: of another pair."""
    new: dict[str, bytes]
    """The report that the killed run would write."""
    seconds: dict[str, float]
    """How long a run takes by its stage."""


def main() -> int:
    """Kill, look, run again; 0 if everything held."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 66
    chance = random.Random(0)
    counts: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    with place() as made:
        known = undisturbed(made)
        for number in range(kills):
            stage = STAGES[number % len(STAGES)]
            for word in kill(made, known, stage, chance):
                counts[stage][word] += 1
    words = sorted({word for found in counts.values() for word in found})
    print("stage      " + "  ".join(words))
    for stage, found in counts.items():
        print(f"{stage:10} " + "  ".join(f"{found[word]:{len(word)}}" for word in words))
    return int(any(word.isupper() for word in words))


def undisturbed(made: Place) -> Known:
    """Run without a kill: the old report, the new one from the start, and again from the cache."""
    root, found, seconds = made.root, {}, {}
    for name, pair, cache in (
        ("old", ("a", "a"), "c0"),
        ("measuring", ("a", "b"), "c1"),
        ("reading", ("a", "b"), "c1"),
    ):
        began = time.monotonic()
        code = ended(begin(made.arguments(*pair, root / name), root / cache, root / "log"))
        assert code in (0, 1, 2), (root / "log").read_text()
        if not (root / name).is_dir():
            raise SystemExit((root / "log").read_text())
        seconds[name], found[name] = time.monotonic() - began, contents(root / name)
    assert found["measuring"] == found["reading"]
    return Known(found["old"], found["measuring"], seconds)


def kill(made: Place, known: Known, stage: str, chance: random.Random) -> list[str]:
    """One kill and one run after it; what was seen, in capitals where it must not be."""
    root, out, cache = made.root, made.root / "out", made.root / "cache"
    for folder in (out, cache):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "old", out)
    if stage != "measuring":
        shutil.copytree(root / "c1", cache)
    arguments = made.arguments("a", "b", out)
    child = begin(arguments, cache, root / "log")
    if stage == "writing":
        await_unfinished(root, child)
        time.sleep(chance.uniform(0, 0.06))
    else:
        time.sleep(chance.uniform(0.05, 0.98) * known.seconds[stage])
    os.kill(child, signal.SIGKILL)
    seen = ["killed" if ended(child) == -signal.SIGKILL else "too late"]
    left = contents(out) if out.is_dir() else {}
    seen.append(
        "old report" if left == known.old else "new report" if left == known.new else "A MIX" if left else "NONE"
    )
    unfinished = len(list(root.glob(".unfinished-*")))
    if unfinished:
        seen.append("left unfinished")
    ended(begin(arguments, cache, root / "log"))
    again = contents(out)
    seen.append("same bytes" if again == known.new else "OTHER BYTES")
    for name in sorted(again.keys() | known.new.keys()):
        if again.get(name) != known.new.get(name):
            print(f"{stage}: {name}: {differing(again.get(name, b''), known.new.get(name, b''))}")
    if list(root.glob(".unfinished-*")) or list(cache.rglob("*.partial")):
        seen.append("NOT SWEPT")
    return seen


def differing(one: bytes, other: bytes) -> str:
    """Where two files differ first, with what stands there."""
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    place = slice(max(0, at - 40), at + 40)
    return f"byte {at} of {len(one)} and {len(other)}: {one[place]!r} {other[place]!r}"


def await_unfinished(root: Path, child: int) -> None:
    """Wait until the report is being written, or the child has ended."""
    while not list(root.glob(".unfinished-*")) and Path(f"/proc/{child}/exe").exists():
        time.sleep(0.0005)


if __name__ == "__main__":
    raise SystemExit(main())
