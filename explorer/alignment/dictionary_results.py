"""How the source's dictionary fares on the target's rows."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.metrics import Estimate


@dataclass(frozen=True)
class DictionaryScore:
    """How well the source's dictionary rebuilds rows under one map."""

    paper: Estimate
    """Paper-style: SAE_A(f(x_B)) against f(x_B) itself."""
    faithful: Estimate
    """Faithful: SAE_A(f(x_B)) against x_A, what the source itself had at that token."""
    l0: float
    """Mean number of active features."""


@dataclass(frozen=True)
class DialCurve:
    """Paper-style and direct EV along the geodesic from the identity (t = 0) to R (t = 1), on up to 4,096 test rows."""

    t: tuple[float, ...]
    """Positions of the dial."""
    dictionary: tuple[float, ...]
    """EV of SAE_A(f_t(x_B)) against f_t(x_B)."""
    direct: tuple[float, ...]
    """EV of f_t(x_B) against x_A."""
    shuffled: tuple[float, ...]
    """`dictionary` for the dial of an R fitted to shuffled pairs."""
    ceiling: float
    """EV of SAE_A(x_A) against x_A on the same rows."""
