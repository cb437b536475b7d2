"""The early verdict against that of the whole text, on simulated pairs whose truth is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from explorer import estimates, metrics
from explorer.alignment.early_verdict import NUMBERS, Outlook, Reach, settled, stitch_decides
from explorer.alignment.grounds import ROTATION, UNTURNED, Grounds, Recovered
from explorer.alignment.verdict import verdict_on

PAIRS = 200
DOCUMENTS, FIT_ROWS, D = 160, 400, 1
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Looks before the whole text is read."""


@dataclass(frozen=True)
class Truth:
    """What a simulated pair is: the share of the variance that each map would miss on endless text."""

    missed: dict[str, float]
    excess: float
    """What a fit on all the rows of the whole text adds to what a fitted map misses."""
    recovered: dict[str, float]
    gate: float
    share: float
    """tr(M)/ΣS."""
    noise: float
    """Spread of a document's errors about their mean."""


def draw_truth(rng: np.random.Generator) -> Truth:
    """Pairs of every kind, half of them close to a threshold of the table."""
    affine = rng.choice([0.002, 0.01, 0.1, 0.3, 0.6, 0.9])
    near = rng.choice([0.5, 0.8, 0.95, 1.0]) + rng.normal(0, 0.02)
    rho = near if rng.random() < 0.5 else rng.uniform(0.1, 1.0)
    rotation = 1 - (1 - affine) * min(1.0, rho)
    turned = rng.random() < 0.6
    translation = 1.5 if turned else 1 - (1 - rotation) * (rng.choice([0.85, 0.95]) + rng.normal(0, 0.03))
    ce = min(1.0, rng.choice([0.45, 0.5, 0.9, 0.97, 1.0]) + rng.normal(0, 0.02))
    gate = float(np.clip((1 - affine) - rng.choice([0.0, 0.02, 0.3]), 0.0, 0.45))
    return Truth(
        {ROTATION: rotation, "affine": affine, "translation": translation, "identity_scale": translation + 0.01},
        float(rng.choice([0.0, 0.001, 0.004])),
        {ROTATION: ce, "translation": 0.0 if turned else ce, "identity_scale": 0.0 if turned else ce},
        gate,
        0.0 if turned else float(rng.choice([0.7, 0.9]) + rng.normal(0, 0.05)),
        float(rng.choice([0.1, 0.3])),
    )


class Pair:
    """Document by document what a pair's maps miss, and what stitching recovers."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.truth = draw_truth(rng)
        self.size = rng.uniform(0.5, 1.5, DOCUMENTS)
        common = rng.normal(0, self.truth.noise, DOCUMENTS)
        self.noise = {n: common + rng.normal(0, self.truth.noise / 3, DOCUMENTS) for n in self.truth.missed}
        self.stitched = {n: rng.normal(0, self.truth.noise, DOCUMENTS) for n in self.truth.recovered}

    def evs(self, name: str, share: float, fitted: float) -> np.ndarray:
        """EV on the first documents and on bootstrap draws of them, of a map fitted on a share of the rows."""
        count = round(share * DOCUMENTS)
        missed = self.truth.missed[name]
        if name in (ROTATION, "affine"):
            missed += self.truth.excess / fitted
        error = self.size * missed * np.exp(self.noise[name] - self.truth.noise**2 / 2)
        weights = metrics.bootstrap_weights(count).numpy()
        return 1 - (weights @ error[:count]) / (weights @ self.size[:count])

    def ce(self, name: str, share: float, fitted: float) -> Recovered:
        count = round(share * DOCUMENTS)
        value = self.truth.recovered[name]
        if name == ROTATION:
            value -= (1 - value) * self.truth.excess / fitted / max(1e-9, self.truth.missed[name])
        each = value + self.stitched[name] * (1 - value)
        weights = metrics.bootstrap_weights(count, seed=1).numpy()
        return Recovered(estimates.interval((weights @ each[:count]) / count), "")

    def grounds(self, share: float) -> Grounds:
        """The numbers after a share of the text."""
        draws = {name: self.evs(name, share, share) for name in self.truth.missed}
        rho = estimates.interval(draws[ROTATION] / draws["affine"]) if draws["affine"].min() > 0 else None
        return Grounds(
            {name: estimates.interval(d) for name, d in draws.items()},
            rho,
            self.truth.gate,
            self.truth.gate,
            {name: self.ce(name, share, share) for name in (ROTATION, *UNTURNED)},
            self.truth.share * (1 - self.truth.excess / share),
            None,
            "",
        )

    def outlook(self, share: float) -> Outlook:
        """What is foretold as `look.SiteLook` does: from fits on half of the rows, scored on the same documents."""
        rest = 1 - share

        def gain(name: str) -> float:
            return float(self.evs(name, share, share)[0] - self.evs(name, share, share / 2)[0]) * rest

        rotation, affine = gain(ROTATION), gain("affine")
        now = self.grounds(share)
        above, below = now.ladder[ROTATION].value, now.ladder["affine"].value
        moved = [(above + r) / (below + a) - above / below for r in (0, rotation) for a in (0, affine)]
        gains = {
            ROTATION: Reach(0.0, rotation),
            "affine": Reach(0.0, affine),
            "rho": Reach(min(moved), max(moved)),
            "identity_share": Reach(0.0, self.truth.share * self.truth.excess / share * rest),
        }
        tests = (len(SHARES) + 1) * NUMBERS
        return Outlook(share, round(share * DOCUMENTS), tests, gains, stitched=share)

    def early(self) -> tuple[str, float] | None:
        """The settled verdict and the share of the text that it needed; None where it was never settled early."""
        for share in SHARES:
            grounds, outlook = self.grounds(share), self.outlook(share)
            found = settled(grounds, replace(outlook, stitched=None)) or settled(grounds, outlook)
            if found is not None:
                return found, share
        return None


@pytest.mark.slow
def test_the_early_verdict_is_that_of_the_whole_text() -> None:
    wrong, shares, named = [], [], Counter[str]()
    for seed in range(PAIRS):
        pair = Pair(seed)
        whole = verdict_on(pair.grounds(1.0)).verdict
        early = pair.early()
        named[whole] += 1
        shares.append(1.0 if early is None else early[1])
        if early is not None and early[0] != whole:
            wrong.append((seed, early, whole))
    print(f"\n{dict(named)}; {len(wrong)} of {PAIRS} early verdicts differ; median share {np.median(shares)}")
    assert len(wrong) <= 0.02 * PAIRS, wrong
    assert len(named) >= 7, "the simulation must reach most verdicts"
    assert np.mean(np.array(shares) < 1) > 0.4, "a rule that always reads on would never differ"


def flat(value: float) -> estimates.Estimate:
    return estimates.Estimate(value, value - 0.01, value + 0.01)


def grounds(rotation: float = 0.6, affine: float = 0.8, ce: float = 0.7) -> Grounds:
    none = estimates.Estimate(-1.0, -1.0, -1.0)
    return Grounds(
        {ROTATION: flat(rotation), "affine": flat(affine), "translation": none, "identity_scale": none},
        flat(rotation / affine),
        0.1,
        0.1,
        dict.fromkeys((ROTATION, *UNTURNED), Recovered(flat(ce), "")),
        0.0,
        None,
        "",
    )


def outlook(share: float = 0.5, **changes: object) -> Outlook:
    return replace(Outlook(share, 40, 40), **changes)  # type: ignore[arg-type]


def test_stitching_is_asked_for_only_where_it_decides() -> None:
    assert settled(grounds(), outlook()) == "partly rotation", "whatever stitching says"
    near = grounds(rotation=0.95, affine=0.98, ce=0.97)
    assert settled(near, outlook()) is None
    assert stitch_decides(near, outlook())
    assert settled(near, outlook(stitched=0.5)) is None, "0.97 may still be less than 0.95 of ρ"
    sure = grounds(rotation=0.88, affine=0.98, ce=0.97)
    assert settled(sure, outlook(stitched=0.9)) == "mostly rotation"
    assert not stitch_decides(grounds(rotation=0.8, affine=0.98), outlook()), "ρ itself is open"


def test_what_may_be_gained_by_more_rows_keeps_a_verdict_open() -> None:
    below = grounds(rotation=0.7, affine=0.98, ce=0.99)
    assert settled(below, outlook(0.9, stitched=0.9)) == "partly rotation"
    grows = {ROTATION: Reach(0.0, 0.08), "rho": Reach(0.0, 0.08)}
    assert settled(below, outlook(0.9, gains=grows, stitched=0.9)) is None, "0.71 + 2 × 0.08 passes 0.8"


def test_a_gate_that_grows_with_the_map_does_not_keep_a_verdict_open() -> None:
    low = grounds(rotation=0.05, affine=0.1)
    grows = {"affine": Reach(0.0, 0.02)}
    with_it = outlook(0.9, gains=grows, gate_affine=(Reach(0.0, 0.0), Reach(0.04, 0.04)))
    assert settled(low, with_it) == "not aligned"
    assert settled(low, outlook(0.9, gains={"affine": Reach(0.0, 0.05)})) is None


def test_more_looks_ask_for_more() -> None:
    assert outlook(tests=4).quantile < outlook(tests=400).quantile
    assert replace(outlook(), documents=11).quantile > outlook().quantile
