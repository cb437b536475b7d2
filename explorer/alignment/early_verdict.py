"""When the verdict on a site can no longer change, though only a part of the text was read.

Documents are read in random order, so that what was read is a random part of the whole. The rest can then move a number
by sampling (its spread follows from the document bootstrap) and by fitting the maps on more rows. A verdict is settled
when it is the same at every corner of the box of what the whole text could give: each rule rises or falls with each
number alone, so that what holds at all corners holds everywhere between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

from explorer.alignment.grounds import ROTATION, Grounds, Recovered
from explorer.alignment.results import VerdictName
from explorer.alignment.verdict import verdict_on
from explorer.estimates import Estimate

RISK = 0.02
"""Chance that a pair is called other than the whole text would call it, over all looks, sites and numbers together."""
NUMBERS = 8
"""Numbers of a site with a sampling error: four EVs, ρ, and CE recovered by three seams."""
QUANTILE = 1.959963984540054
"""Standard deviations at the ends of a 95 % interval."""
DOUBT = 2.0
"""The fit's further gain may be up to so many times what the last doubling of its rows foretells."""


class Reach(NamedTuple):
    """From where to where the whole text may move a number."""

    low: float
    high: float


STILL = Reach(0.0, 0.0)
"""Nothing can move it."""


@dataclass(frozen=True)
class Outlook:
    """What the rest of the text can still do at one site."""

    share: float
    """Share of the text to score on that was scored."""
    documents: int
    """How many documents (or what stands for them) were scored."""
    tests: int
    """Looks × sites × numbers: among how many the risk is shared."""
    gains: Mapping[str, Reach] = field(default_factory=dict)
    """What fitting on more rows may add, as the last doubling of the rows foretells it: to EV by rung, to ρ (`rho`),
    to tr(M)/ΣS (`identity_share`)."""
    gate_affine: tuple[Reach, Reach] = (STILL, STILL)
    """What may be added to the affine map's gate while the affine map gains its least, and its most."""
    gate_rotation: Reach = STILL
    """What may be added to the gate of R with one scale."""
    stitched: float | None = None
    """Tokens stitched over those that would be stitched of the whole text; None where nothing was stitched."""

    @property
    def quantile(self) -> float:
        """Standard deviations within which a number stays, so that all of them together keep the risk."""
        from scipy.stats import t

        return float(t.isf(RISK / (2 * self.tests), max(1, self.documents - 1)))


UNKNOWN = Recovered(Estimate(1.0, 1.0, 1.0), ""), Recovered(Estimate(-1.0, -1.0, -1.0), "")
"""What CE recovered may be where nothing was stitched: all, or less than nothing."""


def settled(grounds: Grounds, outlook: Outlook) -> VerdictName | None:
    """The verdict that the whole text will give, whatever it brings within the outlook; None where it may change.

    Where nothing was stitched, CE recovered may be anything.
    """
    found: VerdictName | None = None
    for corner in _corners(grounds, outlook):
        verdict = verdict_on(corner).verdict
        if found is None:
            found = verdict
        elif verdict != found:
            return None
    return found


def stitch_decides(grounds: Grounds, outlook: Outlook) -> bool:
    """Whether stitching could settle it: all else would be settled, were CE recovered known."""
    known = (replace(grounds, recovered=dict.fromkeys(grounds.recovered, ce)) for ce in UNKNOWN)
    return any(settled(each, replace(outlook, stitched=1.0)) is not None for each in known)


def _corners(grounds: Grounds, outlook: Outlook) -> Iterator[Grounds]:
    """The numbers as they are, then every corner of the box in which those of the whole text lie."""
    if outlook.stitched is not None:
        yield grounds
    affine = _ends(grounds.ladder["affine"], outlook, outlook.gains.get("affine"))
    fixed = {name: e for name, e in grounds.ladder.items() if name not in (*grounds.recovered, "affine")}
    rungs = {name: _ends(grounds.ladder[name], outlook, outlook.gains.get(name)) for name in grounds.recovered}
    rho: tuple[Estimate | None, ...] = (None, Estimate(1.0, 1.0, 1.0))
    if grounds.rho is not None:
        rho = _ends(grounds.rho, outlook, outlook.gains.get("rho"))
    seams = {name: _recovered_ends(ce, name, grounds, outlook) for name, ce in grounds.recovered.items()}
    shares = _moved(grounds.identity_share, outlook.gains.get("identity_share"))
    gates = [grounds.gate_rotation + outlook.gate_rotation.low, grounds.gate_rotation + outlook.gate_rotation.high]
    wide = [
        (end, grounds.gate_affine + gate)
        for end, span in zip(affine, outlook.gate_affine, strict=True)
        for gate in span
    ]
    for (a, gate), ratio, share, rotation_gate, *rest in product(
        dict.fromkeys(wide), dict.fromkeys(rho), dict.fromkeys(shares), dict.fromkeys(gates),
        *(dict.fromkeys(ends) for ends in (*rungs.values(), *seams.values())),
    ):  # fmt: skip
        evs, ces = rest[: len(rungs)], rest[len(rungs) :]
        yield replace(
            grounds,
            ladder={**fixed, **dict(zip(rungs, evs, strict=True)), "affine": a},
            rho=ratio,
            gate_affine=gate,
            gate_rotation=rotation_gate,
            recovered=dict(zip(seams, ces, strict=True)),
            identity_share=share,
        )


def _moved(value: float, gain: Reach | None) -> tuple[float, float]:
    """A number after the least and the most that fitting on more rows may add."""
    low, high = gain or (0.0, 0.0)
    return value + DOUBT * min(0.0, low), value + DOUBT * max(0.0, high)


def _ends(e: Estimate, outlook: Outlook, gain: Reach | None) -> tuple[Estimate, Estimate]:
    """The least and the largest that an estimate on the whole text may be.

    What was scored is part of the whole: their difference has the variance of what was scored times the share that is
    still to come. The interval narrows with the root of the share.
    """
    return _apart(e, outlook, math.sqrt(max(0.0, 1 - outlook.share)), math.sqrt(min(1.0, outlook.share)), gain)


def _apart(e: Estimate, outlook: Outlook, spread: float, width: float, gain: Reach | None) -> tuple[Estimate, Estimate]:
    below, above = e.value - e.low, e.high - e.value
    reach = outlook.quantile * spread / QUANTILE
    low, high = _moved(e.value, gain)
    return tuple(  # type: ignore[return-value]
        Estimate(v, v - width * below, v + width * above) for v in (low - reach * below, high + reach * above)
    )


def _recovered_ends(ce: Recovered, seam: str, grounds: Grounds, outlook: Outlook) -> tuple[Recovered, ...]:
    """The same for CE recovered, of which the whole text has a sample of its own; anything where nothing was stitched.

    What R misses of the function is taken to shrink as what it misses of the rows does.
    """
    if outlook.stitched is None:
        return UNKNOWN
    if outlook.share >= 1:
        return (ce,)
    missed = 1 - grounds.ladder[seam].value
    gain = outlook.gains.get(seam) if seam == ROTATION else None
    if gain is not None:
        part = (1 - ce.estimate.value) / missed if missed > 0 else 0.0
        gain = Reach(part * gain.low, part * gain.high)
    share = min(1.0, outlook.stitched)
    ends = _apart(ce.estimate, outlook, math.sqrt(1 + share), math.sqrt(share), gain)
    return tuple(Recovered(end, ce.where) for end in ends)
