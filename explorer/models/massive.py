"""Massive activations: rows whose norm is far above the median."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from explorer.models.sites import Site

BATCH = 32
MASSIVE = 10.0


@dataclass
class NormLimits:
    """The largest norm that a row may have, per model and site: `factor` × the median norm of the first batch seen."""

    limits: dict[tuple[str, str], float] = field(default_factory=dict)
    factor: float = MASSIVE
    """Infinite keeps every row."""

    def known(self, model: str, site: Site) -> bool:
        """Whether the limit needs no batch any more."""
        return self.factor == float("inf") or (model, site.name) in self.limits

    def within(self, model: str, site: Site, rows: Float[Tensor, "b t d"], scored: Bool[Tensor, "b t"]) -> Tensor:
        """Which rows are no massive activations."""
        return self.below(model, site, rows.norm(dim=-1), scored)

    def below(self, model: str, site: Site, norms: Float[Tensor, "b t"], scored: Bool[Tensor, "b t"]) -> Tensor:
        """The same for rows whose norms are known."""
        if self.factor == float("inf"):
            return torch.ones_like(scored)
        limit = self.limits.setdefault((model, site.name), self.factor * float(norms[scored].median()))
        return norms <= limit
