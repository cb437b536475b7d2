"""Numbers as people read them: true minus signs, no minus zero, n/a for what is not defined."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.metrics import Estimate

UNDEFINED = "n/a"
"""What stands for None and NaN."""


def size(count: float) -> str:
    """A number of bytes in words."""
    if count < 1e6:
        return f"{max(1, round(count / 1e3))} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def minus(text: str) -> str:
    """A text with true minus signs before its numbers."""
    return re.sub(r"(?<![\w\-])-(?=\d)", "−", text)


def sentence_case(text: str) -> str:
    """A text as a sentence begins: its first word with a capital, a symbol (ρ, p, tr) as it is."""
    first = re.match(r"[a-z]{3,}\b(?!\()", text)
    return text[0].upper() + text[1:] if first else text


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals."""
    if value is None or value != value:
        return UNDEFINED
    text = f"{value:.{digits}f}"
    return minus(text) if float(text) else text.removeprefix("-")


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, plus for zero."""
    text = f"{value:+.{digits}f}"
    return minus(text) if float(text) else text.replace("-", "+")


def bounds(low: float, high: float, digits: int = 2) -> str:
    """An interval, e.g. [0.40, 0.60]."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def interval(e: Estimate) -> str:
    """An estimate with its interval, e.g. 0.50 [0.40, 0.60]; the number alone where no interval is known."""
    if e.low != e.low:
        return number(e.value)
    return f"{number(e.value)} {bounds(e.low, e.high)}"


def percent(share: float | None) -> str:
    """A share as a whole percentage; the sign stays on its line."""
    text = number(None if share is None else 100 * share, 0)
    return text if text == UNDEFINED else f"{text}\u00a0%"


def small_percent(share: float | None) -> str:
    """A share in per cent, two significant digits."""
    return UNDEFINED if share is None or share != share else f"{100 * share:.2g} %"


def duration(seconds: float) -> str:
    """A time in words, as precise as an estimate deserves."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"{seconds / 3600:.1f} hours"
