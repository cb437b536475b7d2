"""`python -m tests.faults [NAME…]`: every script of this folder, or those named, one after the other, and how they end.

A script is a module with `main() -> int`, which prints a table of counts and returns 0 if everything held.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def scripts() -> list[str]:
    """Names of the scripts; modules without a main only help others."""
    return sorted(p.stem for p in HERE.glob("*.py") if p.stem != "__main__" and "\ndef main(" in p.read_text("utf-8"))


def main() -> int:
    """Run them; the worst exit code."""
    codes = {}
    for name in sys.argv[1:] or scripts():
        print(f"== {name}", flush=True)
        began = time.monotonic()
        codes[name] = subprocess.run([sys.executable, "-m", f"tests.faults.{name}"], cwd=HERE.parents[1]).returncode
        print(f"== {name}: exit {codes[name]}, {time.monotonic() - began:.0f} s\n", flush=True)
    failed = [name for name, code in codes.items() if code]
    print(f"{len(codes) - len(failed)} of {len(codes)} held" + (f"; not: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
