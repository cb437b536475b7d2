"""What a rotated dictionary is worth as a beginning, in words."""

from __future__ import annotations

from explorer.alignment import SiteWarmStart
from explorer.number_text import number


def warm_start_told(found: SiteWarmStart) -> str:
    """R alone and trained on, beside training from nothing with the same settings, seed and rows."""
    most, short = found.rows[-1], found.rows[0]
    alone = f"R alone explains {number(found.start)}"
    ceiling = "" if found.ceiling is None else f" (B's own dictionary {number(found.ceiling)})"
    worth = (
        f"training from nothing needs {found.worth:,} rows for that"
        if found.worth is not None
        else f"training from nothing does not reach that with {most:,} rows"
    )
    after = f"with {most:,} rows the rotated dictionary reaches {number(found.warm[-1])}, from nothing {number(found.cold[-1])}"
    if found.equal is None:
        equal = "; it is no better a beginning than nothing"
    elif found.equal == 0:
        equal = ""
    else:
        equal = f", which the rotated one has after {found.equal:,}" if found.equal < most else ""
    first = f"; with {short:,} they are {number(found.warm[0])} and {number(found.cold[0])}" if short < most else ""
    return f"{alone}{ceiling}; {worth}; {after}{equal}{first}"
