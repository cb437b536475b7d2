"""The catalogue of a model's dictionary features: density, contexts, best label, promoted and suppressed tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from explorer.features.context_tally import ContextTally
from explorer.features.label_tally import LabelTally
from explorer.models import LanguageModel, Site, promoted_tokens, residuals, word_at
from explorer.progress import Report, silent
from explorer.sae import SAE
from explorer.text import Chunks, LabelMatrix

if TYPE_CHECKING:
    import pandas as pd

WORDS = 5
VALUES = 2**25
"""Activations held at once (float32: 128 MiB)."""


def sparse_batches(chunks: Chunks, n_features: int) -> Iterator[tuple[Chunks, slice]]:
    """Consecutive batches with their place in `chunks`, such that the activations of one stay within `VALUES`."""
    size = max(1, min(64, VALUES // (chunks.ids.shape[1] * n_features)))
    for start in range(0, len(chunks), size):
        place = slice(start, min(start + size, len(chunks)))
        yield chunks[place].trimmed(), place


@torch.inference_mode()
def catalogue(
    model: LanguageModel,
    chunks: Chunks,
    dictionaries: Mapping[Site, SAE],
    labels: LabelMatrix | None = None,
    report: Report = silent,
) -> pd.DataFrame:
    """One row for each feature of each site, measured on `chunks` (the test split) in one pass of bounded memory.

    `contexts` are the numbers of the chunks in which it fires most, strongest first, `peaks` the positions there;
    `quarters` chunks from each quarter of those in which it fires; `fires_on` the words at its peaks, most frequent
    first; `label`, `f1` and `threshold` the label that it detects best (a second pass, where the text has labels).
    """
    import pandas as pd

    frames = []
    for i, (site, sae) in enumerate(dictionaries.items()):
        report(f"catalogue of features of {model.name}", i / len(dictionaries))
        sae = sae.to(model.device)
        tally = ContextTally(sae.n_features, model.device)
        for batch, place in sparse_batches(chunks, sae.n_features):
            scored = batch.scored.to(model.device)
            activations = sae.encode(residuals(model, batch.ids, [site])[site]) * scored[..., None]
            tally.add(activations, torch.arange(place.start, place.stop), int(batch.scored.sum()))
        names, f1, share = _best_labels(model, chunks, site, sae, labels, tally.largest)
        contexts, peaks = tally.strongest()
        frames.append(
            pd.DataFrame(
                {
                    "site": np.int16(site.index),
                    "feature": np.arange(sae.n_features, dtype=np.int32),
                    "density": tally.density.cpu().numpy(),
                    "largest": tally.largest.cpu().numpy(),
                    "label": names,
                    "f1": f1.numpy(),
                    "threshold": share.numpy(),
                    "promoted": promoted_tokens(model, sae.W_dec),
                    "suppressed": promoted_tokens(model, -sae.W_dec),
                    "fires_on": _peak_words(model, chunks, contexts.tolist(), peaks.tolist()),
                    "contexts": list(contexts.int().cpu().numpy()),
                    "peaks": list(peaks.int().cpu().numpy()),
                    "quarters": list(tally.quarters().flatten(1).int().cpu().numpy()),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _best_labels(
    model: LanguageModel, chunks: Chunks, site: Site, sae: SAE, labels: LabelMatrix | None, largest: Tensor
) -> tuple[list[str], Tensor, Tensor]:
    if labels is None or not labels.names:
        return [""] * sae.n_features, torch.full((sae.n_features,), torch.nan), torch.zeros(sae.n_features)
    tally = LabelTally(largest, len(labels.names))
    for batch, place in sparse_batches(chunks, sae.n_features):
        activations = sae.encode(residuals(model, batch.ids, [site])[site])
        tally.add(activations[batch.scored], labels.of(place, batch).to(model.device))
    return tally.best(labels.names)


def _peak_words(
    model: LanguageModel, chunks: Chunks, contexts: list[list[int]], peaks: list[list[int]]
) -> list[list[str]]:
    pieces: dict[int, list[str]] = {}
    out = []
    for numbers, positions in zip(contexts, peaks, strict=True):
        words: Counter[str] = Counter()
        for number, position in zip(numbers, positions, strict=True):
            if number < 0:
                continue
            if number not in pieces:
                pieces[number] = chunks.pieces(number, model.tokenizer)
            words[word_at(pieces[number], position)] += 1
        out.append([word for word, _ in words.most_common(WORDS)])
    return out
