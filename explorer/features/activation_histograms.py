"""How the source's features fire on the target's rows under every map: distribution, strongest chunks, label's F1.

One streaming pass over the test text; memory O(features × bins), whatever the text's length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import metrics
from explorer.alignment import SiteMaps, arms
from explorer.features.feature_catalogue import sparse_batches
from explorer.models import LanguageModel, Site, residuals
from explorer.progress import Report, silent
from explorer.sae import SAE
from explorer.text import Chunks, LabelMatrix

if TYPE_CHECKING:
    import pandas as pd

BINS = 24
"""Bins of equal width from 0 to a feature's largest activation in the source; one more holds what is above it."""
STRONGEST = 6


class ActivationTally:
    """What accumulates of all features under one map. Activations are sparse: only those above 0 are counted."""

    def __init__(self, n_features: int, device: torch.device | None = None) -> None:
        """Everything is kept on `device`, where the activations are."""
        self.counts = torch.zeros(n_features, BINS + 1, dtype=torch.long, device=device)
        self.hits = torch.zeros(n_features, dtype=torch.long, device=device)
        self.fired = torch.zeros(n_features, dtype=torch.long, device=device)
        self.top = torch.zeros(n_features, STRONGEST, device=device)
        self.top_chunk = torch.full((n_features, STRONGEST), -1, device=device)

    def add_contexts(self, activations: Float[Tensor, "b t f"], chunk: Int[Tensor, " b"]) -> None:
        """Keep the chunks in which each feature is largest."""
        value = activations.amax(1).T
        self.top, best = torch.cat([self.top, value], 1).topk(STRONGEST, 1)
        numbers = chunk.to(value.device).expand(len(value), -1)
        self.top_chunk = torch.cat([self.top_chunk, numbers], 1).gather(1, best)

    def add_tokens(
        self, activations: Float[Tensor, "n f"], largest: Float[Tensor, " f"], least: Tensor, has: Tensor | None
    ) -> None:
        """Count activations by size; with `has` (who carries each feature's label) the detector's firings and hits."""
        token, feature = activations.nonzero(as_tuple=True)
        value = activations[token, feature]
        # The largest value itself belongs to the last bin, not above it.
        cell = (value / largest[feature].clamp_min(1e-12) * BINS).ceil().long().sub(1).clamp(0, BINS)
        n = activations.shape[1]
        self.counts += torch.bincount(feature * (BINS + 1) + cell, minlength=n * (BINS + 1)).reshape(n, BINS + 1)
        if has is not None:
            fires = value > least[feature]
            self.fired += torch.bincount(feature[fires], minlength=n)
            self.hits += torch.bincount(feature[fires & has[token, feature]], minlength=n)

    @property
    def contexts(self) -> Int[Tensor, "f n"]:
        """Chunks of the largest activations, strongest first; −1 where it fires in fewer."""
        return self.top_chunk.masked_fill(self.top <= 0, -1)


@torch.inference_mode()
def readings(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    fitted: Mapping[str, SiteMaps],
    dictionaries: Mapping[Site, SAE],
    catalogue: pd.DataFrame,
    labels: LabelMatrix | None = None,
    report: Report = silent,
) -> pd.DataFrame:
    """One row for each feature of the source at each site, measured on `chunks` (the test split).

    `histogram_source`, `histogram_<map>` (counts by bin, see `BINS`), `contexts_<map>` (where it is
    largest) and, with labels, `f1_<map>`: F1 of the feature's own label by the source's detector, unchanged.
    """
    import pandas as pd

    frames = []
    for i, (site, sae) in enumerate(dictionaries.items()):
        report("readings of features", i / len(dictionaries))
        own = catalogue[catalogue["site"] == site.index].sort_values("feature")
        largest = torch.from_numpy(own["largest"].to_numpy(np.float32).copy())
        least = largest * torch.from_numpy(own["threshold"].fillna(0).to_numpy(np.float32).copy())
        column = {name: i for i, name in enumerate(labels.names)} if labels and labels.names else {}
        label = torch.tensor([column.get(name, 0) for name in own["label"]])
        device = source.device
        largest, least, sae = largest.to(device), least.to(device), sae.to(device)
        here = fitted[site.name].to(device)
        held = {arm: ActivationTally(sae.n_features, device) for arm in ("source", *arms())}
        labelled = torch.zeros(sae.n_features, dtype=torch.long)
        for batch, place in sparse_batches(chunks, sae.n_features):
            scored = batch.scored.to(device)
            own_rows, other = residuals(source, batch.ids, [site])[site], residuals(target, batch.ids, [site])[site]
            has = labels.of(place, batch)[:, label] if labels is not None and column else None
            if has is not None:
                labelled += has.sum(0)
                has = has.to(device)
            number = torch.arange(place.start, place.stop)
            for arm, reading in held.items():
                read = own_rows if arm == "source" else here[arm](other)
                activations = sae.encode(read) * scored[..., None]
                reading.add_tokens(activations[scored], largest, least, has)
                reading.add_contexts(activations, number)
        columns: dict[str, object] = {
            "site": np.full(sae.n_features, site.index, np.int16),
            "feature": np.arange(sae.n_features, dtype=np.int32),
            "histogram_source": list(held["source"].counts.int().cpu().numpy()),
        }
        for arm in arms():
            columns[f"histogram_{arm}"] = list(held[arm].counts.int().cpu().numpy())
            columns[f"contexts_{arm}"] = list(held[arm].contexts.int().cpu().numpy())
            if column:
                columns[f"f1_{arm}"] = metrics.f1(held[arm].hits.cpu(), held[arm].fired.cpu(), labelled).numpy()
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
