"""What a rotated dictionary is worth as a beginning, in words."""

from __future__ import annotations

from explorer.alignment import SiteWarmStart
from explorer.number_text import number


def warm_start_told(found: SiteWarmStart) -> str:
    """R alone and trained on, beside training from nothing with the same settings, seed and rows."""
    most = found.rows[-1]
    ceiling = "" if found.ceiling is None else f" (B's own dictionary {number(found.ceiling)})"
    worth = (
        f"as much as training from nothing with {found.worth:,} rows"
        if found.worth is not None
        else f"more than training from nothing with {most:,} rows"
    )
    if found.equal is None:
        equal = ": it is no better a beginning than nothing"
    else:
        equal = f", which the rotated one has after {found.equal:,}" if found.equal < most else ""
    return (
        f"R alone explains {number(found.start)}{ceiling}, {worth}; with {most:,} rows the rotated dictionary reaches "
        f"{number(found.warm[-1])}, one from nothing {number(found.cold[-1])}{equal}"
    )
