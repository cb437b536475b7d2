"""How the effect of a vector grows with its dose, under every arm: areas, transfer, verdict, and the raw arm's regime.

AUC = ∫ sign(c)·(m(c) − m(0)) dc over the doses at which no compared arm raises the held-out loss by more than 10 %.
TE = AUC_rotated / AUC_native. Everything is signed, so that an inversion shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float

from explorer.estimates import Estimate
from explorer.steering.arms import Arm

Array = np.ndarray

MAGNITUDES = (0.05, 0.1, 0.2, 0.4, 0.8)
DOSES = (*(-c for c in reversed(MAGNITUDES)), *MAGNITUDES)
"""c, in units of the steered model's median residual norm at the site."""

MAX_LOSS_RISE = 0.10
BAND = (5.0, 95.0)
"""Percentiles of the random directions between which an area says nothing."""
WEAK_BELOW = 0.5
CLEAN, PARTIAL = 0.8, 0.2
RESAMPLES = 1000


class TransferVerdict(StrEnum):
    """What a vector of A does in B once it is carried there by R."""

    NOT_APPLICABLE = "n/a"
    INVERTED = "inverted"
    NO_BETTER = "no better than random"
    WEAK = "weak"
    TRANSFERS = "transfers"


class Regime(StrEnum):
    """What the same vector does in B as it is: the paper's regimes, by signed area against native."""

    NOT_APPLICABLE = "n/a"
    INVERTED = "inverted"
    NONE = "none"
    PARTIAL = "partial"
    CLEAN = "clean"


REGIMES = (Regime.CLEAN, Regime.PARTIAL, Regime.NONE, Regime.INVERTED)
"""The regimes that were judged, the plainest transfer first."""


@dataclass(frozen=True)
class ArmReadings:
    """What one arm gave at every dose, before it is summed up."""

    m: Float[Array, "doses n"]
    """m of each prompt."""
    loss: Float[Array, "doses n"]
    """Loss of each prompt, nats per token."""
    accuracy: Float[Array, " doses"] | None = None
    """Share of tokens whose label the model still says rightly; None for text without label heads."""


@dataclass(frozen=True)
class ArmCurve:
    """One arm's curve over `DoseResponse.doses`."""

    arm: Arm
    """One of `explorer.steering.arms.COMPARED`."""
    effect: tuple[float, ...]
    """m(c) − m(0)."""
    low: tuple[float, ...]
    """Lower 95 % bound of the effect, by bootstrap over prompts."""
    high: tuple[float, ...]
    """Upper 95 % bound."""
    loss_rise: tuple[float, ...]
    """Rise of the loss on the prompts, as a share of the unsteered loss."""
    area: Estimate
    """Signed AUC over the usable doses, with its 95 % interval."""
    accuracy: tuple[float, ...] | None = None
    """Share of tokens whose label the model says rightly; None for text without label heads."""


@dataclass(frozen=True)
class DoseResponse:
    """How one vector of A steers B at one site."""

    vector: str
    """Its name as links write it, e.g. contrast:sea."""
    title: str
    """What it is, for people."""
    site: str
    """Name of the site."""
    norm: float
    """Median residual norm of B at the site: the unit of the dose."""
    prompts: int
    """Held-out prompts on which everything was read."""
    doses: tuple[float, ...]
    """c."""
    usable: tuple[bool, ...]
    """Doses that the areas cover: from 0 outwards until an arm raises the loss by more than 10 %."""
    arms: tuple[ArmCurve, ...]
    """The compared arms; native is missing for a vector from a file."""
    random: tuple[tuple[float, ...], ...]
    """m(c) − m(0) of random directions of the same norm, at every dose."""
    random_areas: tuple[float, ...]
    """Their signed areas."""
    random_loss_rise: tuple[float, ...]
    """Their mean loss rise at every dose."""
    transfer: Estimate | None
    """TE with its 95 % interval; None where native is not above the random band, or there is no native arm."""
    verdict: TransferVerdict
    """The rotated arm's."""
    regime: Regime
    """The raw arm's."""
    cosine_native_rotated: float | None
    """cos(native, rotated)."""
    cosine_native_raw: float | None
    """cos(native, raw)."""
    accuracy: float | None = None
    """Share of tokens whose label B says rightly unsteered; None for text without label heads."""

    def check(self) -> None:
        """Raise ValueError where the parts, read from a file, do not fit together."""
        lines = [line for a in self.arms for line in (a.effect, a.low, a.high, a.loss_rise, a.accuracy)]
        lines += [self.usable, self.random_loss_rise, *self.random]
        if self.doses != DOSES or any(line is not None and len(line) != len(DOSES) for line in lines):
            raise ValueError(f"a curve of {self.vector[:60]} has not the doses {', '.join(f'{c:g}' for c in DOSES)}")
        if not self.random_areas or len(self.random) != len(self.random_areas):
            raise ValueError(f"the random directions of {self.vector[:60]} are not as many as their areas")
        if not {a.arm for a in self.arms} >= {"raw", "rotated"}:
            raise ValueError(f"{self.vector[:60]} lacks the raw or the rotated arm")

    def arm(self, name: str) -> ArmCurve | None:
        """The curve of an arm, if it was measured."""
        return next((a for a in self.arms if a.arm == name), None)

    @property
    def is_contrast(self) -> bool:
        """Whether its vector is a ready contrast, not a feature."""
        return self.vector.startswith("contrast:")

    @property
    def raw_share(self) -> float | None:
        """Area of the raw arm / area of native; None where native does no more than random directions."""
        raw, native = self.arm("raw"), self.arm("native")
        return raw.area.value / native.area.value if self.transfer and raw and native else None

    @property
    def band(self) -> tuple[float, float]:
        """5th and 95th percentile of the random directions' areas."""
        low, high = np.percentile(self.random_areas, BAND)
        return float(low), float(high)


def usable_doses(rises: Sequence[Sequence[float] | Float[Array, " doses"]]) -> tuple[bool, ...]:
    """Doses from 0 outwards, on each side, until one at which some arm's loss rise exceeds `MAX_LOSS_RISE`."""
    fine = [all(rise[i] <= MAX_LOSS_RISE for rise in rises) for i in range(len(DOSES))]
    return tuple(
        all(fine[j] for j, other in enumerate(DOSES) if other * c > 0 and abs(other) <= abs(c))
        for c in DOSES
    )  # fmt: skip


def area_weights(usable: Sequence[bool]) -> Float[Array, " doses"]:
    """Weights w with AUC = Σ w(c)·(m(c) − m(0)): the trapezoid rule of sign(c)·effect through 0 at c = 0."""
    weights = np.zeros(len(DOSES))
    for sign in (-1, 1):
        side = sorted((abs(c), i) for i, c in enumerate(DOSES) if sign * c > 0 and usable[i])
        before, previous = 0.0, None
        for c, i in side:
            half = (c - before) / 2
            weights[i] += sign * half
            if previous is not None:
                weights[previous] += sign * half
            before, previous = c, i
    return weights


def dose_response(
    names: tuple[str, str, str],
    norm: float,
    arms: Mapping[Arm, ArmReadings],
    base: tuple[Float[Array, " n"], Float[Array, " n"]],
    random: tuple[Float[Array, "r doses"], Float[Array, "r doses"]],
    cosines: tuple[float | None, float | None] = (None, None),
    accuracy: float | None = None,
) -> DoseResponse:
    """Sum up the readings of one vector at one site.

    names: vector, title, site. base: m and loss of each prompt unsteered. random: effect and loss rise of each random
    direction.
    """
    rises = {arm: r.loss.mean(1) / base[1].mean() - 1 for arm, r in arms.items()}
    random_rise = random[1].mean(0)
    usable = usable_doses([*rises.values(), random_rise])
    weights = area_weights(usable)
    drawn = np.random.default_rng(0).multinomial(len(base[0]), [1 / len(base[0])] * len(base[0]), RESAMPLES)
    picks = drawn / len(base[0])
    curves = {arm: _curve(arm, r, base, weights, picks) for arm, r in arms.items()}
    areas = random[0] @ weights
    native = curves.get("native")
    applicable = native is not None and any(usable) and native.area.low > np.percentile(areas, BAND[1])
    transfer = None
    if applicable:
        sums = {arm: picks @ _areas(arms[arm], base, weights) for arm in ("rotated", "native")}
        assert native is not None
        low, high = np.percentile(sums["rotated"] / sums["native"], (2.5, 97.5))
        transfer = Estimate(curves["rotated"].area.value / native.area.value, float(low), float(high))
    return DoseResponse(
        *names,
        norm=norm,
        prompts=len(base[0]),
        doses=DOSES,
        usable=usable,
        arms=tuple(curves.values()),
        random=tuple(map(_rounded, random[0])),
        random_areas=_rounded(areas),
        random_loss_rise=_rounded(random_rise),
        transfer=transfer,
        verdict=_verdict(curves["rotated"].area.value, areas, transfer),
        regime=_regime(curves["raw"].area.value, areas, native.area.value if applicable and native else None),
        cosine_native_rotated=cosines[0],
        cosine_native_raw=cosines[1],
        accuracy=accuracy,
    )


def _verdict(rotated: float, random: Float[Array, " r"], transfer: Estimate | None) -> TransferVerdict:
    """The first that holds: n/a, inverted, no better than random, weak, transfers."""
    low, high = np.percentile(random, BAND)
    if transfer is None:
        return TransferVerdict.NOT_APPLICABLE
    if rotated < low:
        return TransferVerdict.INVERTED
    if rotated <= high:
        return TransferVerdict.NO_BETTER
    return TransferVerdict.WEAK if transfer.value < WEAK_BELOW else TransferVerdict.TRANSFERS


def _regime(raw: float, random: Float[Array, " r"], native: float | None) -> Regime:
    """inverted below the random band, none within it; above it by share of native: clean, partial, or none."""
    low, high = np.percentile(random, BAND)
    if native is None:
        return Regime.NOT_APPLICABLE
    if raw < low:
        return Regime.INVERTED
    if raw <= high or raw < PARTIAL * native:
        return Regime.NONE
    return Regime.CLEAN if raw >= CLEAN * native else Regime.PARTIAL


def _areas(
    readings: ArmReadings, base: tuple[Float[Array, " n"], Float[Array, " n"]], weights: Float[Array, " doses"]
) -> Float[Array, " n"]:
    """The area of each prompt alone; the arm's area is their mean, because an area is linear in m."""
    found: Float[Array, " n"] = weights @ (readings.m - base[0])
    return found


def _curve(
    arm: Arm,
    readings: ArmReadings,
    base: tuple[Float[Array, " n"], Float[Array, " n"]],
    weights: Float[Array, " doses"],
    picks: Float[Array, "resamples n"],
) -> ArmCurve:
    change = readings.m - base[0]
    effect, area = change.mean(1), _areas(readings, base, weights)
    low, high = np.percentile(change @ picks.T, (2.5, 97.5), axis=1)
    bounds = np.percentile(picks @ area, (2.5, 97.5))
    return ArmCurve(
        arm,
        _rounded(effect),
        _rounded(low),
        _rounded(high),
        _rounded(readings.loss.mean(1) / base[1].mean() - 1),
        Estimate(float(area.mean()), float(bounds[0]), float(bounds[1])),
        None if readings.accuracy is None else _rounded(readings.accuracy),
    )


def _rounded(values: Float[Array, " n"] | Bool[Array, " n"]) -> tuple[float, ...]:
    """Four digits after the point: what a figure or table can show, and a quarter of the file's size."""
    return tuple(round(float(v), 4) for v in values)
