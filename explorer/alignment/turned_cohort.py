"""R of many pairs of a few models, fitted on one reading of the text, and whether their p are jointly uniform.

By the theorem (see `study.cohort_draws`) turning any equivariant seed by a Haar rotation leaves every law as it is. So
all R of the measured models, with such rotations between them, are draws from the same law as the measured ones: what
the p-values of all pairs and sites do together is compared with that, however they depend on each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from explorer.alignment import nulls
from explorer.alignment.haar_test import haar_test, joint_p
from explorer.alignment.moments import Moments
from explorer.alignment.orthogonal import haar, orthogonal_factor
from explorer.alignment.pairing import read_rows
from explorer.alignment.rotation_results import RotationTest
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.progress import Report, counted
from explorer.text import Chunks, number_by_content, shuffle

TURNS = 199
"""Draws of the equivariant seeds' rotations that the p-values are compared with."""
_SEED = 600_000
PairName = tuple[str, str]
Rotations = Mapping[PairName, Sequence[Float[Tensor, "d d"]]]
"""R of each pair (source, target) at every site; R maps the target's rows onto the source's: x_B @ R."""


def fit_rotations(
    models: Mapping[str, LanguageModel],
    pairs: Sequence[PairName],
    chunks: Chunks,
    sites: Sequence[Site],
    report: Report,
) -> tuple[dict[PairName, list[Tensor]], dict[PairName, list[RotationTest]]]:
    """R of every pair at every site on the fit split, with its tests; each model reads the text once."""
    fit, d = number_by_content(shuffle(chunks.split("fit"))), next(iter(models.values())).d_model
    found = {(pair, site): (Moments.zero(d), Moments.zero(d)) for pair in pairs for site in sites}
    limits, read = NormLimits(), counted(report, "reading fit text", len(fit))
    for batch in fit.batches(BATCH):
        rows = {name: read_rows(model, batch, sites) for name, model in models.items()}
        for site in sites:
            small = {n: limits.within(n, site, r[site], batch.scored) for n, r in rows.items()}
            for a, b in pairs:
                keep = batch.scored & small[a] & small[b]
                for number, half in enumerate(found[(a, b), site]):
                    mine = keep & (batch.document % 2 == number)[:, None]
                    half.add(rows[a][site][mine], rows[b][site][mine])
        read(BATCH)
    rotations: dict[PairName, list[Tensor]] = {pair: [] for pair in pairs}
    tests: dict[PairName, list[RotationTest]] = {pair: [] for pair in pairs}
    for (pair, _), halves in found.items():
        whole = halves[0] + halves[1]
        rotations[pair].append(orthogonal_factor(whole.cross))
        tests[pair].append(RotationTest(haar_test(rotations[pair][-1])[0], nulls.identified(whole, halves)))
    return rotations, tests


def uniformity(rotations: Rotations, free: Collection[str], turns: int = TURNS) -> float:
    """p of uniform p-values: how often turned models' lie as far from uniform as the measured ones.

    The distance is Kolmogorov–Smirnov's, over all pairs and sites. `free` are the models that the theorem lets turn;
    each pair needs one of them. Exact up to the number of turns, whatever depends on what.
    """
    if any(not {*pair} & {*free} for pair in rotations):
        raise ValueError("a pair without a model that may turn")
    measured = _distance([joint_p(r) for all_sites in rotations.values() for r in all_sites])
    d, beyond = len(next(iter(rotations.values()))[0]), 0
    for turn in range(turns):
        q = {name: haar(d, _SEED + turn * len(free) + i).float() for i, name in enumerate(sorted(free))}
        beyond += _distance([joint_p(r) for r in _turned(rotations, q)]) >= measured
    return (1 + beyond) / (1 + turns)


def _turned(rotations: Rotations, q: Mapping[str, Tensor]) -> list[Tensor]:
    """Every R where the models' rows are x @ q instead of x: q_Bᵀ R q_A."""
    found = []
    for (source, target), at_sites in rotations.items():
        for r in at_sites:
            left = q[target].T @ r.float() if target in q else r.float()
            found.append(left @ q[source] if source in q else left)
    return found


def _distance(p_values: Sequence[float]) -> float:
    """Kolmogorov–Smirnov's distance from uniform."""
    from scipy.stats import kstest

    return float(kstest(p_values, "uniform").statistic)
