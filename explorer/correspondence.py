"""What becomes of the source's features in the target: firing correlation and nearest partners, under every map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import metrics
from explorer.corpus import Chunks
from explorer.models import LanguageModel
from explorer.paired_rows import NormLimits, paired_rows
from explorer.sae import SAE
from explorer.site_maps import SiteMaps
from explorer.sites import Site
from explorer.tally import FeatureFiring

if TYPE_CHECKING:
    import pandas as pd

LEAST_FIRINGS = 20


@dataclass(frozen=True)
class NearestPartners:
    """For each feature of A the nearest decoder row of B."""

    cosine: Float[Tensor, " f"]
    """Largest cosine with any decoder row of B."""
    partner: Int[Tensor, " f"]
    """Whose row that is."""
    mutual: Tensor
    """Whether A's feature is also the nearest of its partner."""


def nearest_partners(source: Float[Tensor, "f d"], target: Float[Tensor, "g d"]) -> NearestPartners:
    """Nearest rows by cosine, and whether they are mutual. Both sides already in one frame."""
    a = source / source.norm(dim=1, keepdim=True).clamp_min(1e-12)
    b = target / target.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosines = a @ b.T
    cosine, partner = cosines.max(1)
    back = cosines.argmax(0)
    return NearestPartners(cosine, partner, back[partner] == torch.arange(len(a)))


def one_to_one(similarity: Float[Tensor, "f g"]) -> Int[Tensor, " f"]:
    """The assignment of A's features to B's that maximises the sum of similarities (Hungarian); NaN counts as −1."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-similarity.nan_to_num(-1.0).numpy())
    out = torch.full((len(similarity),), -1)
    out[rows] = torch.from_numpy(columns)
    return out


@torch.inference_mode()
def correspond(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    fitted: Mapping[str, SiteMaps],
    fires: Mapping[str, Mapping[str, FeatureFiring]],
    source_dictionaries: Mapping[Site, SAE],
    target_dictionaries: Mapping[Site, SAE],
) -> pd.DataFrame:
    """One row for each feature of the source at each site, measured on `chunks` (the test split).

    `r_<map>`: firing Pearson r of SAE_A(x_A) with SAE_A(f(x_B)), from `measure_pair`. With a dictionary of the target's
    own: `cosine_<map>` and partner by decoder rows, `partner_r` its firing r, `firing_partner` the best by r.
    """
    import pandas as pd

    own = {
        s: metrics.FiringCorrelation(source_dictionaries[s].n_features, b.n_features, pairwise=True)
        for s, b in target_dictionaries.items()
    }
    if own:
        for rows in paired_rows(source, target, chunks, list(own), NormLimits()):
            for site, pair in rows.items():
                a, b = pair.source[pair.keep], pair.target[pair.keep]
                own[site].add(source_dictionaries[site].encode(a), target_dictionaries[site].encode(b))
    frames = [
        _frame(s, sae, target_dictionaries.get(s), fitted[s.name], fires[s.name], own.get(s))
        for s, sae in source_dictionaries.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _frame(
    site: Site,
    sae: SAE,
    target_sae: SAE | None,
    fitted: SiteMaps,
    fires: Mapping[str, FeatureFiring],
    own: metrics.FiringCorrelation | None,
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    n = sae.n_features
    columns: dict[str, object] = {"site": np.full(n, site.index, np.int16), "feature": np.arange(n, dtype=np.int32)}
    for arm, found in fires.items():
        columns[f"r_{arm}"] = found.r.numpy()
        columns[f"density_{arm}"] = found.density.numpy()
    if target_sae is not None and own is not None:
        # Decoder rows of B, carried into A's coordinates; dead features of B are no partners.
        alive = own.fired_right > 0
        firing = own.correlation(LEAST_FIRINGS)
        for arm in ("raw", "rotated", "shuffled"):
            carried = target_sae.W_dec @ fitted.arm(arm).matrix
            near = nearest_partners(sae.W_dec, carried * alive[:, None])
            columns[f"cosine_{arm}"] = near.cosine.numpy()
            if arm == "rotated":
                columns["partner"] = near.partner.numpy().astype(np.int32)
                columns["mutual"] = near.mutual.numpy()
                columns["partner_r"] = firing.gather(1, near.partner[:, None]).squeeze(1).numpy()
        best = firing.nan_to_num(-2.0).max(1)
        columns["firing_partner"] = best.indices.numpy().astype(np.int32)
        columns["firing_partner_r"] = np.where(best.values.numpy() > -2, best.values.numpy(), np.nan)
    return pd.DataFrame(columns)
