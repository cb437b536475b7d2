"""The catalogue of a model's dictionary features: density, best label, top contexts, promoted tokens, a 2-D map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer import metrics
from explorer.activations import residuals
from explorer.corpus import Chunks
from explorer.labels import LabelMatrix
from explorer.models import LanguageModel
from explorer.sae import SAE
from explorer.sites import Site

if TYPE_CHECKING:
    import pandas as pd

CONTEXTS = 12
PROMOTED = 8
THRESHOLDS = (0.0, 0.25, 0.5)
"""Shares of a feature's largest activation above which it counts as firing when it is matched with labels."""


@torch.inference_mode()
def norm_gain(model: LanguageModel) -> Float[Tensor, " d"]:
    """What the final norm multiplies a normalised row by: the g that it stores (Llama), 1 + it (Gemma), or 1 (OLMo)."""
    probe = torch.tensor([1.0, -1.0]).repeat(model.d_model // 2 + 1)[: model.d_model].to(model.device)
    if model.d_model % 2:
        probe[-3:] = torch.tensor([1.0, 1.0, -2.0])
    # Of mean 0, so that a LayerNorm only scales it; the odd part leaves a bias out.
    doubled = model.final_norm(probe) - model.final_norm(-probe)
    return doubled / 2 / probe * probe.pow(2).mean().sqrt()


def logit_effect(model: LanguageModel, directions: Float[Tensor, "n d"]) -> Float[Tensor, "n v"]:
    """What a direction adds to each token's logit through the final norm's gain and the unembedding, mean removed.

    Direct path only, before the norm's data-dependent scale.
    """
    effect = (directions * norm_gain(model)) @ model.network.get_output_embeddings().weight.detach().T
    return effect - effect.mean(1, keepdim=True)


def promoted_tokens(model: LanguageModel, directions: Float[Tensor, "n d"], count: int = PROMOTED) -> list[list[str]]:
    """The tokens whose logits each direction raises most."""
    top = logit_effect(model, directions).topk(count, dim=1).indices
    return [[model.tokenizer.decode([i]) for i in row] for row in top.tolist()]


@torch.inference_mode()
def chunk_activations(model: LanguageModel, sae: SAE, site: Site, chunks: Chunks) -> Float[Tensor, "n t f"]:
    """Activations of every feature on some chunks, 0 where a token is not scored."""
    out = torch.zeros(*chunks.ids.shape, sae.n_features, dtype=torch.float16)
    for i, batch in enumerate(chunks.batches(64)):
        activations = sae.encode(residuals(model, batch.ids, [site])[site])
        out[i * 64 : i * 64 + len(batch)] = (activations * batch.scored[..., None]).half()
    return out


def umap_layout(directions: Float[Tensor, "f d"], seed: int = 0) -> Float[np.ndarray, "f 2"]:
    """UMAP of directions by cosine, one thread, seeded."""
    import warnings

    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layout = UMAP(n_components=2, metric="cosine", n_neighbors=12, min_dist=0.15, random_state=seed, n_jobs=1)
        return np.asarray(layout.fit_transform(directions.numpy()), dtype=np.float32)


@torch.inference_mode()
def best_labels(
    activations: Float[Tensor, "m f"], labels: LabelMatrix, scored: Tensor
) -> tuple[list[str], Tensor, Tensor]:
    """For each feature the label that it detects best: names, F1, and the threshold (share of its maximum) used."""
    matrix = labels.matrix[scored]
    top = activations.max(0).values.float().clamp_min(1e-9)
    scores = torch.stack([metrics.f1_scores(activations > share * top, matrix) for share in THRESHOLDS])
    best, which = scores.max(0)
    f1, label = best.max(1)
    share = torch.tensor(THRESHOLDS)[which.gather(1, label[:, None]).squeeze(1)]
    return [labels.names[i] for i in label.tolist()], f1, share


def catalogue(
    model: LanguageModel, chunks: Chunks, dictionaries: Mapping[Site, SAE], labels: LabelMatrix, with_map: bool = True
) -> pd.DataFrame:
    """One row for each feature of each site, measured on `chunks` (the test split); `contexts` are chunk numbers."""
    import pandas as pd

    frames = []
    for site, sae in dictionaries.items():
        activations = chunk_activations(model, sae, site, chunks)
        scored = chunks.scored
        flat = activations[scored]
        names, f1, share = best_labels(flat, labels, scored)
        per_chunk = activations.amax(1)
        contexts = per_chunk.topk(min(CONTEXTS, len(per_chunk)), dim=0).indices.T
        layout = umap_layout(sae.W_dec) if with_map else np.full((sae.n_features, 2), np.nan, np.float32)
        frames.append(
            pd.DataFrame(
                {
                    "site": np.int16(site.index),
                    "feature": np.arange(sae.n_features, dtype=np.int32),
                    "density": (flat > 0).float().mean(0).numpy(),
                    "largest": flat.max(0).values.float().numpy(),
                    "label": names,
                    "f1": f1.numpy(),
                    "threshold": share.numpy(),
                    "promoted": promoted_tokens(model, sae.W_dec),
                    "contexts": list(contexts.to(torch.int32).numpy()),
                    "x": layout[:, 0],
                    "y": layout[:, 1],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
