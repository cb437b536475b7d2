"""What becomes of the source's features in the target: firing correlation and nearest partners, under every map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import metrics
from explorer.alignment import FeatureFiring, SiteMaps, arms, paired_rows
from explorer.features.feature_catalogue import sparse_batches
from explorer.models import LanguageModel, NormLimits, Site, residuals
from explorer.progress import Report, silent
from explorer.sae import SAE
from explorer.text import Chunks

if TYPE_CHECKING:
    import pandas as pd

LEAST_FIRINGS = 20
PAIRS = 4096 * 4096
"""Up to so many pairs of features, all are compared; of more only the nearest ones (a list of each feature's)."""
CANDIDATES = 32
"""How many nearest ones, where not all pairs are compared."""
ROWS = 1024
"""Rows of cosines held at once."""


@dataclass(frozen=True)
class NearestPartners:
    """For each feature of A the nearest decoder row of B."""

    cosine: Float[Tensor, " f"]
    """Largest cosine with any decoder row of B."""
    partner: Int[Tensor, " f"]
    """Whose row that is."""
    mutual: Tensor
    """Whether A's feature is also the nearest of its partner."""


def unit(rows: Float[Tensor, "f d"]) -> Float[Tensor, "f d"]:
    """Rows of length 1; a row of zeros stays."""
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)


def nearest_partners(source: Float[Tensor, "f d"], target: Float[Tensor, "g d"]) -> NearestPartners:
    """Nearest rows by cosine, and whether they are mutual. Both sides already in one frame."""
    a, b = unit(source), unit(target)
    cosines, partners = [], []
    best, back = torch.full((len(b),), -2.0), torch.zeros(len(b), dtype=torch.long)
    for start in range(0, len(a), ROWS):
        part = a[start : start + ROWS] @ b.T
        cosine, partner = part.max(1)
        cosines.append(cosine)
        partners.append(partner)
        value, row = part.max(0)
        # Of equal ones the first counts, as in argmax.
        back, best = torch.where(value > best, row + start, back), torch.maximum(value, best)
    partner = torch.cat(partners)
    return NearestPartners(torch.cat(cosines), partner, back[partner] == torch.arange(len(a)))


def one_to_one(similarity: Float[Tensor, "f g"]) -> Int[Tensor, " f"]:
    """The assignment of A's features to B's that maximises the sum of similarities (Hungarian); NaN counts as −1.

    −1 for features that are left over where A has more than B.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-similarity.nan_to_num(-1.0).numpy())
    out = torch.full((len(similarity),), -1)
    out[rows] = torch.from_numpy(columns)
    return out


def one_to_one_nearest(
    source: Float[Tensor, "f d"], target: Float[Tensor, "g d"], candidates: int = CANDIDATES
) -> Int[Tensor, " f"]:
    """The same by cosine, among the `candidates` nearest of each feature only: memory O(features × candidates).

    −1 for a feature all of whose candidates are better used by others. Equal to `one_to_one` where none is.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    a, b = unit(source), unit(target)
    n, k = len(a), min(candidates, len(b))
    found = [(a[start : start + ROWS] @ b.T).topk(k, 1) for start in range(0, n, ROWS)]
    cosine, column = torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])
    # Each feature may also stay alone, at a column of its own: then a full matching exists.
    cost = torch.cat([2 - cosine, torch.full((n, 1), 4.0)], 1)
    place = torch.cat([column, len(b) + torch.arange(n)[:, None]], 1)
    starts = torch.arange(0, n * (k + 1) + 1, k + 1)
    graph = csr_array((cost.double().numpy().ravel(), place.numpy().ravel(), starts.numpy()), shape=(n, len(b) + n))
    rows, columns = min_weight_full_bipartite_matching(graph)
    out = torch.full((n,), -1)
    out[torch.from_numpy(rows).long()] = torch.from_numpy(columns).long()
    return out.masked_fill(out >= len(b), -1)


@dataclass(frozen=True)
class Partners:
    """Partners of A's features in B's own dictionary at one site, by direction."""

    nearest: Mapping[str, NearestPartners]
    """Nearest partners under each map."""
    matched: Int[Tensor, " f"]
    """One-to-one partner through R; −1 for none."""
    matched_cosine: Float[Tensor, " f"]
    """Cosine with it; NaN for none."""


def partners(sae: SAE, other: SAE, alive: Tensor, fitted: SiteMaps) -> Partners:
    """Partners by decoder rows, B's carried into A's coordinates by every map; dead features of B are no partners."""
    rows = other.W_dec * alive[:, None]
    nearest = {arm: nearest_partners(sae.W_dec, rows @ fitted[arm].matrix) for arm in arms() if arm != "translated"}
    carried = rows @ fitted["rotated"].matrix
    if sae.n_features * other.n_features <= PAIRS:
        matched = one_to_one(unit(sae.W_dec) @ unit(carried).T)
    else:
        matched = one_to_one_nearest(sae.W_dec, carried)
    matched = torch.where((matched >= 0) & alive[matched], matched, -1)
    cosine = (unit(sae.W_dec) * unit(carried)[matched]).sum(1)
    # Moving the mean turns no direction.
    in_order = {arm: nearest["raw" if arm == "translated" else arm] for arm in arms()}
    return Partners(in_order, matched, cosine.masked_fill(matched < 0, torch.nan))


@torch.inference_mode()
def correspond(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    fitted: Mapping[str, SiteMaps],
    fires: Mapping[str, Mapping[str, FeatureFiring]],
    source_dictionaries: Mapping[Site, SAE],
    target_dictionaries: Mapping[Site, SAE],
    report: Report = silent,
) -> pd.DataFrame:
    """One row for each feature of the source at each site, measured on `chunks` (the test split).

    `r_<map>`: firing Pearson r of SAE_A(x_A) with SAE_A(f(x_B)), from `measure_pair`. With a dictionary of B's own:
    `cosine_<map>` to the nearest row; through R `partner` (nearest), `mutual`, `one_to_one` (−1: none) with
    `one_to_one_cosine`, each one's firing r, and `firing_partner`, best of all by r (−1 where not all were tried).
    """
    import pandas as pd

    frames = []
    for i, (site, sae) in enumerate(source_dictionaries.items()):
        report("correspondences of features", i / len(source_dictionaries))
        columns: dict[str, object] = {
            "site": np.full(sae.n_features, site.index, np.int16),
            "feature": np.arange(sae.n_features, dtype=np.int32),
        }
        for arm, found in fires[site.name].items():
            columns[f"r_{arm}"] = found.r.numpy()
            columns[f"density_{arm}"] = found.density.numpy()
        if (other := target_dictionaries.get(site)) is not None:
            alive = torch.zeros(other.n_features, dtype=torch.bool)
            for batch, _ in sparse_batches(chunks, other.n_features):
                rows = residuals(target, batch.ids, [site])[site][batch.scored]
                alive |= (other.to(target.device).encode(rows) > 0).any(0).cpu()
            columns |= _partner_columns(
                source, target, chunks, site, sae, other, partners(sae, other, alive, fitted[site.name])
            )
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _partner_columns(
    source: LanguageModel, target: LanguageModel, chunks: Chunks, site: Site, sae: SAE, other: SAE, found: Partners
) -> dict[str, object]:
    near = found.nearest["rotated"]
    matched = found.matched.clamp_min(0)
    device = source.device
    sae, other = sae.to(device), other.to(device)
    every = sae.n_features * other.n_features <= PAIRS
    firing = metrics.FiringCorrelation(sae.n_features, other.n_features, True, device) if every else None
    listed = [metrics.FiringCorrelation(sae.n_features, sae.n_features, device=device) for _ in range(2)]
    limits = NormLimits()
    for batch, _ in sparse_batches(chunks, max(sae.n_features, other.n_features)):
        for rows in paired_rows(source, target, batch, [site], limits):
            pair = rows[site]
            a, b = sae.encode(pair.source[pair.keep]), other.encode(pair.target[pair.keep])
            if firing is not None:
                firing.add(a, b)
            else:
                listed[0].add(a, b[:, near.partner.to(device)])
                listed[1].add(a, b[:, matched.to(device)])
    best = np.full(sae.n_features, -1, np.int32), np.full(sae.n_features, np.nan, np.float32)
    if firing is not None:
        r = firing.correlation(LEAST_FIRINGS).cpu()
        r_near, r_matched = r.gather(1, near.partner[:, None])[:, 0], r.gather(1, matched[:, None])[:, 0]
        value, index = r.nan_to_num(-2.0).max(1)
        best = index.int().numpy(), value.masked_fill(value < -1.5, torch.nan).numpy()
    else:
        r_near, r_matched = (tally.correlation(LEAST_FIRINGS).cpu() for tally in listed)
    return {f"cosine_{arm}": n.cosine.numpy() for arm, n in found.nearest.items()} | {
        "partner": near.partner.int().numpy(),
        "mutual": near.mutual.numpy(),
        "partner_r": r_near.numpy(),
        "one_to_one": found.matched.int().numpy(),
        "one_to_one_cosine": found.matched_cosine.numpy(),
        "one_to_one_r": r_matched.masked_fill(found.matched < 0, torch.nan).numpy(),
        "firing_partner": best[0],
        "firing_partner_r": best[1],
    }
