"""How many decoder rows of one dictionary have a near copy in another, and how many would by chance.

The paper's "98 %" is the share of rows whose largest cosine with any row of the other dictionary is above 0.5.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from explorer.alignment import BINS, THRESHOLD, Chance, CosineSummary, DecoderMatch
from explorer.features.correspondence import nearest_partners


def decoder_match(
    source: Float[Tensor, "f d"],
    target: Float[Tensor, "g d"],
    source_alive: Bool[Tensor, " f"],
    target_alive: Bool[Tensor, " g"],
) -> DecoderMatch:
    """Largest cosines of the source's decoder rows with the target's, both already in one frame (apply R before)."""
    return DecoderMatch(_summary(source, target), _summary(source[source_alive], target[target_alive]))


def _summary(source: Float[Tensor, "f d"], target: Float[Tensor, "g d"]) -> CosineSummary:
    (f, d), g = source.shape, len(target)
    if not f or not g:
        return CosineSummary(f, g, None, None, (0,) * BINS, chance(g, d))
    cosine = nearest_partners(source, target).cosine
    counts, _ = np.histogram(cosine.clamp(0, 1).numpy(), BINS, (0, 1))
    share, mean = float((cosine > THRESHOLD).float().mean()), float(cosine.mean())
    return CosineSummary(f, g, share, mean, tuple(int(c) for c in counts), chance(g, d))


def chance(partners: int, d: int) -> Chance:
    """The largest of `partners` cosines with independent random directions in R^d, exactly.

    One cosine c has (1 + c)/2 ~ Beta((d−1)/2, (d−1)/2) with CDF F; the largest of n has CDF Fⁿ, so that
    P(max > t) = 1 − F(t)ⁿ and E[max] = 1 − ∫ F(t)ⁿ dt over [−1, 1].
    """
    from scipy.stats import beta

    if partners == 0:
        return Chance(0.0, 0.0)
    one = beta((d - 1) / 2, (d - 1) / 2, loc=-1, scale=2)
    # 1 − (1 − tail)ⁿ without losing a tail of 1e-9 in the rounding of 1 − tail.
    share = -np.expm1(partners * np.log1p(-one.sf(THRESHOLD)))
    t = np.linspace(-1, 1, 20_001)
    return Chance(float(share), float(1 - np.trapezoid(one.cdf(t) ** partners, t)))
