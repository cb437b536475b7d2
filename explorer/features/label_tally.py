"""Which latent label each feature detects best, counted batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from explorer import metrics

THRESHOLDS = (0.0, 0.25, 0.5)
"""Shares of a feature's largest activation above which it counts as firing when it is matched with labels."""


class LabelTally:
    """Hits of every feature on every label, at every threshold: memory O(features × labels)."""

    def __init__(self, largest: Float[Tensor, " f"], n_labels: int) -> None:
        device = largest.device
        self.least = largest.clamp_min(1e-9) * torch.tensor(THRESHOLDS, device=device)[:, None]
        shape = (len(THRESHOLDS), len(largest))
        self.hits = torch.zeros(*shape, n_labels, dtype=torch.long, device=device)
        self.fired = torch.zeros(*shape, dtype=torch.long, device=device)
        self.labelled = torch.zeros(n_labels, dtype=torch.long, device=device)

    def add(self, activations: Float[Tensor, "n f"], has_label: Bool[Tensor, "n l"]) -> None:
        """Add scored tokens: their activations and the labels that they carry."""
        carried = has_label.float()
        self.labelled += has_label.sum(0)
        for i, least in enumerate(self.least):
            fires = activations > least
            self.fired[i] += fires.sum(0)
            self.hits[i] += (fires.float().T @ carried).long()

    def best(self, names: Sequence[str]) -> tuple[list[str], Float[Tensor, " f"], Float[Tensor, " f"]]:
        """For each feature its best label, that label's F1, and the threshold (share of its largest activation); on the
        CPU.
        """
        scores, which = metrics.f1(self.hits.cpu(), self.fired[..., None].cpu(), self.labelled.cpu()).max(0)
        found, label = scores.max(1)
        share = torch.tensor(THRESHOLDS)[which.gather(1, label[:, None]).squeeze(1)]
        return [names[i] for i in label.tolist()], found, share
