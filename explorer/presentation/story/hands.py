"""R as clock hands: every rotation turns some planes, each by an angle of its own. HTML with a canvas, turned in the browser."""

from __future__ import annotations

import json
from html import escape
from math import degrees
from pathlib import Path

from explorer.narrative import Story, plane_angles
from explorer.palette import Palette

_SCRIPT = Path(__file__).with_name("hands.js")


def clock_hands(story: Story, palette: Palette) -> str:
    """The planes of the sister's R beside those of a random rotation, largest angles first."""
    sides = (
        (f"R of {story.sister.target}", plane_angles(story.sister.rotation), "rotated"),
        ("a random rotation", plane_angles(story.random), "null"),
    )
    clocks = "".join(
        f"<section style='--lane: {getattr(palette, colour)}'><h2>{escape(title)}</h2>"
        f"<canvas data-colour='--{colour}' data-angles='{json.dumps([round(a, 3) for a in angles])}' role='img' "
        f"aria-label='{escape(_words(title, angles), quote=True)}'></canvas></section>"
        for title, angles, colour in sides
    )
    return (
        f"<div class='hands' data-scene='hands'><div class='clocks'>{clocks}</div>"
        f"<p class='tools'><button type='button'>Turn</button></p></div><script>{_SCRIPT.read_text(encoding='utf-8')}</script>"
    )


def _words(title: str, angles: list[float]) -> str:
    return f"{title}: {len(angles)} planes, turned by {degrees(angles[-1]):.0f} to {degrees(angles[0]):.0f} degrees"
