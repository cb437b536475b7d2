"""Moments collected by two processes of one thread each, against one process with two threads on the same machine.

    .venv/bin/python tests/benchmarks/processes.py

Both ways take turns; times are those of the clock on the wall, without the start of the processes.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from rows import Row

TOKENS, REPEATS = 16_384, 3


def collect(out: str) -> None:
    """What a rank does: the first pass, several times; rank 0 leaves the times and the sums."""
    from measuring import model, text

    from explorer import ranks
    from explorer.alignment.first_pass import collect_moments
    from explorer.models.massive import NormLimits

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with ranks.joined(cuda=False):
        a, b, chunks = model(0), model(1), text(TOKENS)
        times = []
        for _ in range(REPEATS + 1):
            ranks.agreed(0)
            began = time.perf_counter()
            found = collect_moments(a, b, chunks, a.sites, NormLimits(), lambda _s, _p: None)
            times.append(time.perf_counter() - began)
        if ranks.rank() == 0:
            sums = {site.name: (m.fit.cross, m.shuffled[0].cross) for site, m in found.items()}
            Path(out).write_bytes(pickle.dumps((times[1:], sums)))


def started(count: int, folder: Path) -> tuple[list[float], dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Times and sums of so many processes, two threads together."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = str(found.getsockname()[1])
    out = folder / f"{count}.pickle"
    settings = {**os.environ, "MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    settings["OMP_NUM_THREADS"] = str(2 // count)
    here = Path(__file__).resolve()
    settings["PYTHONPATH"] = os.pathsep.join([str(here.parent.parent.parent), str(here.parent)])
    running = [
        subprocess.Popen([sys.executable, str(here), str(out)], env={**settings, "RANK": str(rank)})
        for rank in range(count)
    ]
    if any([process.wait() for process in running]):
        raise RuntimeError(f"a process of {count} failed")
    times, sums = pickle.loads(out.read_bytes())
    return times, sums


def rows() -> list[Row]:
    """How long two processes take, and how far their sums are from those of one."""
    with tempfile.TemporaryDirectory() as folder:
        (one, alone), (two, together) = (started(count, Path(folder)) for count in (1, 2))
    apart = max(
        float((x - y).abs().max() / x.abs().max())
        for site, sums in alone.items()
        for x, y in zip(sums, together[site], strict=True)
    )
    ratios = tuple(b / a for a, b in zip(one, two, strict=True))
    return [
        Row("first pass by two processes of one thread, time over one process of two threads", 1.1, ratios),
        Row("… largest relative difference of the sums of true and wrong pairs", 1e-5, (apart,)),
    ]


if __name__ == "__main__":
    collect(sys.argv[1])
