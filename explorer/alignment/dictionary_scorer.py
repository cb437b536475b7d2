"""The second pass for the source's dictionary at one site: its scores by map, along the dial, and its firing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import estimates, metrics, ranks
from explorer.alignment.dictionary_results import READINGS, DialCurve, DictionaryScore, Reading
from explorer.alignment.geodesic import dial
from explorer.alignment.map_registry import MAPS, arms
from explorer.alignment.site_maps import SiteMaps
from explorer.sae import SAE

DIAL_STEPS = 21
DIAL_ROWS = 4096
TURNED = ("special", "shuffled_special")
"""The maps at the ends of the two dials."""


@dataclass(frozen=True)
class FeatureFiring:
    """How the source's features fire on the target's rows under one map, on the test split."""

    r: Float[Tensor, " f"]
    """Pearson r with the firing on the source's own rows; NaN below 20 firings on either side."""
    density: Float[Tensor, " f"]
    """Share of rows on which each feature fires."""


@dataclass
class _DictionaryTally:
    """What pass 2 accumulates for the source's dictionary under one map."""

    paper: metrics.ExplainedVariance
    faithful: metrics.ExplainedVariance
    active: float = 0.0
    rows: int = 0

    def add(self, sae: SAE, read: Tensor, truth: Tensor, document: Tensor) -> Tensor:
        activations = sae.encode(read)
        rebuilt = sae.decode(activations)
        self.paper.add(read, rebuilt, document)
        self.faithful.add(truth, rebuilt, document)
        self.active += float((activations > 0).sum())
        self.rows += len(read)
        return activations


class DictionaryScorer:
    """Pass 2 for the source's dictionary at one site. It is given the test rows batch by batch."""

    def __init__(self, sae: SAE, fitted: SiteMaps, n_documents: int, own: metrics.ExplainedVariance) -> None:
        """`own` has been given the source's rows of a batch before the batch comes here: their sums are shared."""
        device = own.total.device
        self.sae, self.fitted = sae.to(device), fitted
        flipped = [name for name in TURNED if torch.linalg.det(fitted[_base(name)].matrix) < 0]
        d = own.total.shape[1]
        self.tallies = {
            arm: _DictionaryTally(
                metrics.ExplainedVariance(n_documents, d, device=device), metrics.ExplainedVariance(n_documents, d, own)
            )
            for arm in ("ceiling", *arms(), *flipped)
        }
        self.correlations = {
            arm: metrics.FiringCorrelation(sae.n_features, sae.n_features, device=device) for arm in arms()
        }

    def add(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], document: Int[Tensor, " n"]) -> None:
        """Score one batch of the source's rows and the target's."""
        own = self.tallies["ceiling"].add(self.sae, a, a, document)
        for arm, tally in self.tallies.items():
            if arm == "ceiling":
                continue
            activations = tally.add(self.sae, self.fitted[arm](b), a, document)
            if arm in self.correlations:
                self.correlations[arm].add(own, activations)

    @property
    def sums(self) -> list[ranks.Part]:
        """What is summed here, and not in the score that was given."""
        found: list[ranks.Part] = []
        for tally in self.tallies.values():
            found += [*tally.paper.sums, *tally.faithful.sums, *ranks.fields(tally, "active", "rows")]
        for r in self.correlations.values():
            found += ranks.fields(r, "n", "left", "right", "fired_left", "fired_right", "cross")
        return found

    def scores(self) -> dict[str, DictionaryScore]:
        """By arm, with how much of the dictionary comes back on the same draws of documents."""
        draws = {
            (arm, reading): getattr(self.tallies[arm], reading).draws()
            for arm in ("ceiling", *arms())
            for reading in READINGS
        }

        def score(arm: str) -> DictionaryScore:
            return DictionaryScore(
                paper=estimates.interval(draws[arm, "paper"]),
                faithful=estimates.interval(draws[arm, "faithful"]),
                l0=self.tallies[arm].active / max(1, self.tallies[arm].rows),
                restored_paper=_restored(draws, arm, "paper"),
                restored_faithful=_restored(draws, arm, "faithful"),
            )

        return {arm: score(arm) for arm in ("ceiling", *arms())}

    def features(self) -> dict[str, FeatureFiring]:
        """Firing of every feature under every map, on the CPU."""
        return {
            arm: FeatureFiring(tally.correlation().cpu(), (tally.fired_right / tally.n).float().cpu())
            for arm, tally in self.correlations.items()
        }

    def dial(self, a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], direct: tuple[float, float]) -> DialCurve:
        """Scores along the dial from a sample of the rows; `direct` are the EVs of the rows themselves at its ends."""
        ts = tuple(i / (DIAL_STEPS - 1) for i in range(DIAL_STEPS))
        own, wrong = (dial(self.fitted[name]) for name in TURNED)
        lines: dict[str, list[float]] = {"direct": [], **{f"{n}.{r}": [] for n in TURNED for r in READINGS}}
        for t in ts:
            for name, turn in zip(TURNED, (own, wrong), strict=True):
                read = turn(b, t)
                rebuilt = self.sae(read)
                lines[f"{name}.paper"].append(metrics.explained_variance(read, rebuilt))
                lines[f"{name}.faithful"].append(metrics.explained_variance(a, rebuilt))
                if name == "special":
                    lines["direct"].append(metrics.explained_variance(a, read))
        ends = {"direct": direct} | {f"{n}.{r}": (self._ev("raw", r), self._ev(n, r)) for n in TURNED for r in READINGS}
        moved = {name: _moved(values, ends[name]) for name, values in lines.items()}
        return DialCurve(
            t=ts,
            dictionary=moved["special.paper"],
            direct=moved["direct"],
            shuffled=moved["shuffled_special.paper"],
            ceiling=self._ev("ceiling", "faithful"),
            faithful=moved["special.faithful"],
            shuffled_faithful=moved["shuffled_special.faithful"],
        )

    def _ev(self, name: str, reading: Reading) -> float:
        """EV on all rows under an arm or at the end of a dial."""
        tally = self.tallies.get(name) or self.tallies[_base(name)]
        score: metrics.ExplainedVariance = getattr(tally, reading)
        return float(score.draws(0)[0])


def _base(turned: str) -> str:
    """The arm whose matrix the end of a dial has if that is a rotation."""
    base = MAPS[turned].like
    assert base is not None
    return base


def _restored(
    draws: Mapping[tuple[str, Reading], Float[np.ndarray, " n"]], arm: str, reading: Reading
) -> estimates.Estimate | None:
    found = estimates.restored(*(draws[a, reading] for a in (arm, "shuffled", "ceiling")))
    return None if np.isnan(found).any() else estimates.interval(found)


def _moved(values: list[float], ends: tuple[float, float]) -> tuple[float, ...]:
    """A line moved so that its ends are what all rows give: by a share of both differences, in proportion to t."""
    first, last = (end - values[i] for end, i in zip(ends, (0, -1), strict=True))
    steps = len(values) - 1
    return tuple(v + first * (1 - i / steps) + last * i / steps for i, v in enumerate(values))
