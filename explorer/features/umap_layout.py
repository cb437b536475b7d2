"""One two-dimensional layout (UMAP) for the directions of two dictionaries: A's, B's as they are, and B's through R."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.models import Site
from explorer.sae import SAE

if TYPE_CHECKING:
    import pandas as pd

REGIONS = 8
"""Named regions of a map, where it has features enough."""
FEATURES_PER_REGION = 40
NAME_WORDS = 3
ONE_AT_A_TIME = threading.Lock()
"""Two UMAPs at once kill the process (numba's workqueue)."""


def umap_layout(directions: Float[Tensor, "n d"]) -> Float[np.ndarray, "n 2"]:
    """UMAP of directions by cosine, one thread, seeded, in [−1, 1] on both axes."""
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        epochs = 200 if len(directions) > 1000 else None
        umap = UMAP(
            n_components=2,
            metric="cosine",
            n_neighbors=min(12, len(directions) - 1),
            min_dist=0.1,
            n_epochs=epochs,
            random_state=0,
            n_jobs=1,
        )
        layout = np.asarray(umap.fit_transform(directions.numpy()), dtype=np.float32)
    low, high = layout.min(0), layout.max(0)
    return 2 * (layout - low) / np.maximum(high - low, 1e-9) - 1


def twin_layout(
    source: Float[Tensor, "f d"], target: Float[Tensor, "g d"] | None, rotation: Float[Tensor, "d d"]
) -> tuple[Float[np.ndarray, "f 2"], Float[np.ndarray, "g 2"], Float[np.ndarray, "g 2"]]:
    """Places of A's directions, of B's through R, and of B's as they are: three sets in one UMAP, near means similar.

    Without a dictionary of B only A's places.
    """
    if target is None:
        return umap_layout(source), np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    layout = umap_layout(torch.cat([source, target @ rotation, target]))
    f, g = len(source), len(target)
    return layout[:f], layout[f : f + g], layout[f + g :]


def regions(places: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """The map cut into compact regions (k-means), the largest first."""
    from sklearn.cluster import KMeans

    count = int(np.clip(len(places) // FEATURES_PER_REGION, 1, REGIONS))
    found = KMeans(count, n_init=4, random_state=0).fit_predict(places)
    rank = np.argsort(np.argsort(-np.bincount(found, minlength=count), kind="stable"))
    return rank[found].astype(np.int16)


def region_names(region: Int[np.ndarray, " n"], words: Sequence[Sequence[str]], count: int) -> list[str]:
    """Each region by the promoted tokens that set it apart: frequent in it, rare in the others."""
    inside = [Counter[str]() for _ in range(count)]
    everywhere: Counter[str] = Counter()
    for number, tokens in zip(region.tolist(), words, strict=True):
        found = {t.strip() for t in tokens if _is_word(t)} or {t.strip() for t in tokens if t.strip()}
        inside[number].update(found)
        everywhere.update(found)
    names: list[str] = []
    for own in inside:
        ranked = sorted(own, key=lambda t: (-own[t] * own[t] / everywhere[t], t))
        names.append(" · ".join(ranked[:NAME_WORDS]) or f"region {len(names) + 1}")
    return names


def _is_word(token: str) -> bool:
    """Whether a token begins a word and is long enough to mean something: pieces of words name nothing."""
    return token.startswith(" ") and len(token) > 3 and token.strip().isalpha()


def site_layout(
    site: Site, source: SAE, target: SAE | None, rotation: Float[Tensor, "d d"], promoted: Sequence[Sequence[str]]
) -> pd.DataFrame:
    """One row for each feature of A and of B at a site: `side`, `x`, `y` (B: through R), `raw_x`, `raw_y`, `region`.

    `promoted` are the tokens that A's features promote: they name the regions.
    """
    import pandas as pd

    a, rotated, raw = twin_layout(source.W_dec, target.W_dec if target else None, rotation)
    region = regions(np.concatenate([a, rotated]))
    names = np.array(region_names(region[: len(a)], promoted, int(region.max()) + 1), dtype=object)
    sides = [("source", a, a, region[: len(a)]), ("target", rotated, raw, region[len(a) :])]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "site": np.int16(site.index),
                    "side": side,
                    "feature": np.arange(len(places), dtype=np.int32),
                    "x": places[:, 0],
                    "y": places[:, 1],
                    "raw_x": before[:, 0],
                    "raw_y": before[:, 1],
                    "region": names[own],
                }
            )
            for side, places, before, own in sides
        ],
        ignore_index=True,
    )
