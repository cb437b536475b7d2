"""What one pass over a text keeps of every feature: how often and how strongly it fires, and in which chunks.

Memory is O(features), whatever the text's length.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

STRONGEST = 12
"""Chunks kept for their largest activation."""
SAMPLE = 48
"""Chunks kept by chance from all in which a feature fires: what its quantile groups are taken from."""
QUARTERS = 4
PER_QUARTER = 3


class ContextTally:
    """Of each feature: its density, its largest activation, its strongest chunks, and a fair sample of its chunks."""

    def __init__(self, n_features: int, device: torch.device | None = None) -> None:
        """Everything is kept on `device`, where the activations are."""
        self.rows = 0
        self.fired = torch.zeros(n_features, dtype=torch.long, device=device)
        self.largest = torch.zeros(n_features, device=device)
        self.top = torch.zeros(n_features, STRONGEST, device=device)
        self.top_chunk = torch.full((n_features, STRONGEST), -1, device=device)
        self.top_position = torch.full((n_features, STRONGEST), -1, device=device)
        self.key = torch.full((n_features, SAMPLE), -1.0, device=device)
        self.sampled = torch.zeros(n_features, SAMPLE, device=device)
        self.sampled_chunk = torch.full((n_features, SAMPLE), -1, device=device)
        self._chance = torch.Generator().manual_seed(0)

    def add(self, activations: Float[Tensor, "b t f"], chunk: Int[Tensor, " b"], rows: int) -> None:
        """Add some chunks: activations are 0 where a token is not scored; `rows` is how many are."""
        self.rows += rows
        self.fired += (activations > 0).sum((0, 1))
        value, position = activations.max(1)
        self.largest = torch.maximum(self.largest, value.amax(0))
        value, position = value.T, position.T
        numbers = chunk.to(value.device).expand(len(value), -1)
        self.top, best = torch.cat([self.top, value], 1).topk(self.top.shape[1], 1)
        self.top_chunk = torch.cat([self.top_chunk, numbers], 1).gather(1, best)
        self.top_position = torch.cat([self.top_position, position], 1).gather(1, best)
        # The largest of random keys: each chunk in which the feature fires stays with equal chance.
        drawn = torch.rand(value.shape, generator=self._chance).to(value.device).where(value > 0, -1.0)
        self.key, kept = torch.cat([self.key, drawn], 1).topk(self.key.shape[1], 1)
        self.sampled = torch.cat([self.sampled, value], 1).gather(1, kept)
        self.sampled_chunk = torch.cat([self.sampled_chunk, numbers], 1).gather(1, kept)

    @property
    def density(self) -> Float[Tensor, " f"]:
        """Share of the scored tokens at which each feature fires."""
        return self.fired / max(1, self.rows)

    def strongest(self) -> tuple[Int[Tensor, "f n"], Int[Tensor, "f n"]]:
        """(chunks, positions) of the largest activations, strongest first; −1 where it fires in fewer chunks."""
        silent = self.top <= 0
        return self.top_chunk.masked_fill(silent, -1), self.top_position.masked_fill(silent, -1)

    def quarters(self) -> Int[Tensor, "f q n"]:
        """Chunks from each quarter of those in which a feature fires, ranked by its largest activation there.

        The strongest quarter comes first; −1 where it fires in too few chunks to tell quarters apart.
        """
        fires = self.key >= 0
        count = fires.sum(1)
        order = self.sampled.masked_fill(~fires, -1.0).argsort(dim=1, descending=True, stable=True)
        ranked = self.sampled_chunk.gather(1, order)
        out = []
        for quarter in range(QUARTERS):
            for i in range(PER_QUARTER):
                share = (quarter + (i + 0.5) / PER_QUARTER) / QUARTERS
                out.append(ranked.gather(1, (share * count).long().clamp_max(ranked.shape[1] - 1)[:, None]))
        chosen = torch.cat(out, 1).unflatten(1, (QUARTERS, PER_QUARTER))
        return chosen.masked_fill((count < QUARTERS * PER_QUARTER)[:, None, None], -1)
