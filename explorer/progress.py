"""Progress: what long work tells whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float], None]
"""Takes the name of a step and the share of the step or of the whole that is done, 0 to 1."""
