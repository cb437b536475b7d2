"""What lanes and arms are called where people read; files and the command line have names of their own."""

from __future__ import annotations

ARM_NAMES = {
    "none": "untouched",
    "rotated": "carried by R",
    "native": "B’s own",
    "raw": "raw",
    "affine": "affine",
    "translated": "mean moved",
    "shuffled": "shuffled R",
    "random": "random",
    "source": "A untouched",
    "source+v": "A + v",
}
"""What an arm is called where people read, in the order in which lanes stand."""


def said(arm: str) -> str:
    """What an arm is called where people read; files and the command line say native."""
    return "B’s own" if arm == "native" else arm
