"""Three named groups in three dimensions, two clouds: HTML with a canvas that turns in the browser, without the server."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import numpy as np

from explorer.narrative import Chapter
from explorer.palette import Palette

_SCRIPT = Path(__file__).with_name("register.js")
AXIS, ANGLE = (0.42, 0.83, -0.36), 2.3
"""How the target's cloud lies at first, radians about an axis: a view of three dimensions has no way of its own to lie."""


def in_register(chapter: Chapter, palette: Palette, text: int = 20) -> str:
    """The two clouds, the mean length of the lines between the same tokens, and buttons; `text` in pixels."""
    points, said = chapter.register, chapter.three
    assert points is not None and said is not None
    axis = np.array(AXIS) / np.linalg.norm(AXIS)
    start = [float(np.cos(ANGLE / 2)), *(float(x) for x in np.sin(ANGLE / 2) * axis)]
    data = {
        "source": np.round(points.source.astype(float), 3).tolist(),
        "target": np.round(points.target.astype(float), 3).tolist(),
        "group": said.group,
        "names": said.names,
        "colours": [palette.translated, palette.native, palette.affine],
        "start": start,
    }
    words = (
        f"Two clouds of {len(said.group)} tokens: {', '.join(said.names)}, in {chapter.source} (rings) and {chapter.target} "
        "(diamonds). Arrow keys turn the second."
    )
    return (
        f"<div class='register' data-scene='toy' data-text='{text}' data-points='{escape(json.dumps(data), quote=True)}'>"
        f"<canvas tabindex='0' role='img' aria-label='{escape(words, quote=True)}'></canvas>"
        f"<p class='legend'>○ {escape(chapter.source)} &nbsp; ◆ {escape(chapter.target)} &nbsp;·&nbsp; length of the lines "
        "<b class='length' role='status'>100 %</b></p>"
        "<p class='tools'><button type='button'>Turn it by R</button><button type='button'>As it was</button>"
        "<button type='button' aria-pressed='false'>Look around</button></p></div>"
        f"<script>{_SCRIPT.read_text(encoding='utf-8')}</script>"
    )
