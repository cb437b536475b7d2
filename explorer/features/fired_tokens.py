"""Where the features of two models' dictionaries fire on the same tokens of a text, held sparsely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import metrics
from explorer.alignment import paired_rows
from explorer.features.correspondence import LEAST_FIRINGS
from explorer.features.feature_catalogue import VALUES
from explorer.models import BATCH, LanguageModel, NormLimits, Site
from explorer.sae import SAE
from explorer.text import Chunks


@dataclass(frozen=True)
class FiredTokens:
    """The activations of one dictionary that are not 0, in order of their tokens."""

    token: Int[Tensor, " e"]
    """Number of the token of each."""
    feature: Int[Tensor, " e"]
    """Its feature."""
    value: Float[Tensor, " e"]
    """How strongly it fires there."""
    n_features: int
    """Features of the dictionary."""

    @cached_property
    def counts(self) -> Int[Tensor, " f"]:
        """Tokens at which each feature fires."""
        return torch.bincount(self.feature, minlength=self.n_features)

    def of(self, feature: int) -> dict[int, float]:
        """Activations of a feature by token, where it fires."""
        end = int(self._ends[feature])
        here = self._order[end - int(self.counts[feature]) : end]
        return dict(zip(self.token[here].tolist(), self.value[here].tolist(), strict=True))

    @cached_property
    def _order(self) -> Int[Tensor, " e"]:
        return self.feature.argsort(stable=True)

    @cached_property
    def _ends(self) -> Int[Tensor, " f"]:
        return self.counts.cumsum(0)

    def dense(self, start: int, end: int) -> Float[Tensor, "n f"]:
        """The activations of consecutive tokens."""
        first, last = torch.searchsorted(self.token, torch.tensor([start, end])).tolist()
        out = torch.zeros(end - start, self.n_features)
        out[self.token[first:last] - start, self.feature[first:last]] = self.value[first:last]
        return out


@dataclass(frozen=True)
class PairFiring:
    """What both dictionaries do on the same tokens of a text."""

    window: Int[Tensor, " n"]
    """Number of the window of each token."""
    position: Int[Tensor, " n"]
    """Its position there."""
    source: FiredTokens
    """The source's dictionary on the source's rows."""
    target: FiredTokens
    """The target's on the target's rows."""

    def __len__(self) -> int:
        return len(self.window)

    def r(self, chosen: Sequence[int]) -> Float[Tensor, "f m"]:
        """Firing r of every feature of the source with some of the target's; NaN for what fires too seldom."""
        tally = metrics.FiringCorrelation(self.source.n_features, len(chosen), pairwise=True)
        rows, some = max(1, VALUES // max(self.source.n_features, self.target.n_features)), torch.tensor(chosen)
        for start, end in pairwise([*range(0, len(self), rows), len(self)]):
            tally.add(self.source.dense(start, end), self.target.dense(start, end)[:, some])
        return tally.correlation(LEAST_FIRINGS)


@torch.inference_mode()
def read_firing(
    source: LanguageModel, target: LanguageModel, chunks: Chunks, site: Site, saes: tuple[SAE, SAE]
) -> PairFiring:
    """Both dictionaries on every scored token of a text that has a next one to predict."""
    a, b = saes[0].to(source.device), saes[1].to(source.device)
    limits, places, left, right = NormLimits(), [], [], []
    size = max(1, min(BATCH, VALUES // (chunks.ids.shape[1] * max(a.n_features, b.n_features))))
    for start in range(0, len(chunks), size):
        batch = chunks[start : start + size].trimmed()
        pair = next(paired_rows(source, target, batch, [site], limits))[site]
        keep = pair.keep.clone()
        keep[:, :-1] &= batch.valid.to(keep.device)[:, 1:]
        keep[:, -1] = False
        places.append(keep.nonzero().cpu() + torch.tensor([start, 0]))
        left.append(a.encode(pair.source[keep]).to_sparse().cpu())
        right.append(b.encode(pair.target[keep]).to_sparse().cpu())
    window, position = torch.cat(places).unbind(1)
    return PairFiring(window, position, _fired(left), _fired(right))


def _fired(parts: Sequence[Tensor]) -> FiredTokens:
    """Of activations that are given batch by batch as sparse matrices."""
    whole = torch.cat(list(parts)).coalesce()
    token, feature = whole.indices()
    return FiredTokens(token, feature, whole.values(), whole.shape[1])
