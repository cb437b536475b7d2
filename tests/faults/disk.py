"""The disk is full, or may not be written: one sentence, exit code 2, the old report as it was, nothing half-written.

`python -m tests.faults.disk`. Where this process may mount, small file systems really fill up, and folders are
read-only by a mount of their own; the system's limit on the size of a file fails in the same calls, wherever it runs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .tiny_check import Place, begin, contents, ended, place

_RDONLY, _REMOUNT, _BIND = 1, 32, 4096


@dataclass(frozen=True)
class Case:
    """Something that is taken away from a check."""

    name: str
    """What it is."""
    before: Callable[[], None]
    """Takes it away, in the child."""


def main() -> int:
    """Run every case; 0 if each ended in one sentence and left the old report."""
    wrong = 0
    with place() as made:
        root = made.root
        ended(begin(made.arguments("a", "a", root / "old"), root / "warm", root / "log"))
        ended(begin(made.arguments("a", "b", root / "new"), root / "warm", root / "log"))
        for case in cases(made):
            for warm in (False, True):
                told = one(made, case, warm)
                wrong += told.isupper() or told.startswith("WRONG")
                print(f"{case.name:34} {'measured before' if warm else 'from the start':15} {told}", flush=True)
    return int(wrong > 0)


def cases(made: Place) -> list[Case]:
    """What is taken away: space for files of a size, space in the cache or in --out, and the right to write."""
    root = made.root
    found = [Case(f"no file over {size:,} bytes", limit(size)) for size in (0, 2_000, 20_000, 200_000)]
    if may_mount():
        found += [
            Case(f"{name} of {size:,} kB", small(root / folder, size))
            for name, folder in (("a cache", "cache"), ("an --out", "mounted"))
            for size in (16, 256)
        ]
        found += [
            Case("a read-only --out", read_only(root / "mounted")),
            Case("a read-only cache", read_only(root / "cache")),
        ]
    else:
        print("no right to mount here: limits stand for full disks, and nothing is read-only")
    return found


def one(made: Place, case: Case, warm: bool) -> str:
    """One check without it; what was seen, WRONG first where it must not be."""
    root, cache = made.root, made.root / "cache"
    mounted = "--out" in case.name
    out = root / "mounted" / "out" if mounted else root / "out"
    for folder in (cache, root / "out", root / "mounted"):
        shutil.rmtree(folder, ignore_errors=True)
    if warm:
        shutil.copytree(root / "warm", cache)
    cache.mkdir(exist_ok=True)
    (root / "mounted").mkdir()
    if not mounted:
        shutil.copytree(root / "old", out)
    code = ended(begin(made.arguments("a", "b", out), cache, root / "log", case.before))
    lines = (root / "log").read_text().strip().splitlines()
    told = [line for line in lines if line.startswith("error: ")]
    if code in (0, 1) and contents(out) == contents(root / "new"):
        return "not needed: the report is whole"
    if code != 2 or len(told) != 1 or any("Traceback" in line for line in lines):
        whole, found = contents(root / "new"), contents(out) if out.is_dir() else {}
        apart = [name for name in sorted(whole.keys() | found.keys()) if whole.get(name) != found.get(name)]
        return f"WRONG: exit {code}, differing: {apart}, {lines[-2:]}"
    if "fault of this program" in told[0]:
        return f"WRONG: {told[0][:300]}"
    if not mounted and contents(out) != contents(root / "old"):
        return f"WRONG: the old report is gone; {told[0][:200]}"
    if left := [p.name for p in (*root.glob(".unfinished-*"), *root.glob("mounted/.unfinished-*"))]:
        return f"WRONG: left {left}; {told[0][:200]}"
    return f"exit 2: {told[0][7:].replace(str(root), '…')[:140]}"


def limit(size: int) -> Callable[[], None]:
    """No file may be larger; what is written beyond fails as on a full disk, not by a signal."""

    def take() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return take


def small(folder: Path, kilobytes: int) -> Callable[[], None]:
    """A file system of that size at a folder, in a mount namespace of the child's own; with a warm cache, what fits."""

    def take() -> None:
        kept = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        alone()
        room = kilobytes + sum(4096 * (2 + len(data) // 4096) for data in kept.values()) // 1024
        mount("tmpfs", folder, "tmpfs", 0, f"size={room}k")
        for name, data in kept.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)

    return take


def read_only(folder: Path) -> Callable[[], None]:
    """A folder that nobody may write to, root neither."""

    def take() -> None:
        alone()
        mount(str(folder), folder, "", _BIND)
        mount(str(folder), folder, "", _BIND | _REMOUNT | _RDONLY)

    return take


def alone() -> None:
    """A mount namespace of one's own: what is mounted in it ends with the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x40000 | 0x4000, None):
        raise OSError(ctypes.get_errno(), "unshare")


def mount(what: str, where: Path, kind: str, flags: int, options: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(what.encode(), os.fsencode(where), kind.encode() or None, flags, options.encode() or None):
        raise OSError(ctypes.get_errno(), f"mount {where}")


def may_mount() -> bool:
    """Whether a child can mount a file system of its own."""
    child = os.fork()
    if child == 0:
        try:
            alone()
            mount("tmpfs", Path("/mnt"), "tmpfs", 0, "size=16k")
        except OSError:
            os._exit(1)
        os._exit(0)
    return ended(child) == 0


if __name__ == "__main__":
    raise SystemExit(main())
