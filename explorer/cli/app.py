"""Start the app in the browser."""

from __future__ import annotations

import argparse
import subprocess
import sys

from explorer import PROJECT

HELP = "start the app (the default)"


def add_options(_parser: argparse.ArgumentParser) -> None:
    """None: everything is chosen in the app."""


def run(_options: argparse.Namespace) -> int:
    """Serve the app until it is stopped."""
    command = [sys.executable, "-m", "streamlit", "run", str(PROJECT / "explorer" / "app.py")]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode
