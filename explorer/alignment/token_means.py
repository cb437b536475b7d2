"""Means of both models' rows by token id, for tokens seen at least five times: the lookup null and the residual map."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.text import Chunks

LEAST_SEEN = 5


class TokenMeans:
    """Streaming sums by token over the fit rows, and the products of those rows.

    Memory grows with the number of different tokens, not with the length of the text.
    """

    def __init__(self, fit: Chunks, d: int, device: torch.device | None = None) -> None:
        seen = torch.bincount(fit.ids[fit.scored])
        known = torch.nonzero(seen >= LEAST_SEEN).squeeze(1)
        self.slot = torch.full((len(seen),), -1)
        self.slot[known] = torch.arange(len(known))
        self.slot = self.slot.to(device)
        self.count = torch.zeros(len(known), dtype=torch.float64, device=device)
        self.source = torch.zeros(len(known), d, device=device)
        self.target = torch.zeros(len(known), d, device=device)
        self.n = 0
        """Rows added whose token is known."""
        self.target_source = torch.zeros(d, d, dtype=torch.float64, device=device)
        """Σ x_Bᵀ x_A of these, around the centre."""
        self.centre: tuple[Tensor, Tensor] | None = None

    def slots(self, tokens: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Row of the tables for each token; −1 for a token seen too seldom."""
        inside = tokens < len(self.slot)
        return torch.where(inside, self.slot[tokens.clamp_max(len(self.slot) - 1)], -1)

    def add(self, source: Float[Tensor, "n d"], target: Float[Tensor, "n d"], tokens: Int[Tensor, " n"]) -> None:
        """Add paired fit rows."""
        if self.centre is None:
            # Sums around a mean keep their digits in float32.
            self.centre = (source.mean(0), target.mean(0))
        slot = self.slots(tokens)
        known = slot >= 0
        slot, source, target = slot[known], source[known] - self.centre[0], target[known] - self.centre[1]
        self.count += torch.bincount(slot, minlength=len(self.count))
        self.source.index_add_(0, slot, source)
        self.target.index_add_(0, slot, target)
        self.n += len(source)
        self.target_source += target.T @ source

    def leave_out_rare(self) -> None:
        """Know no token any more that was seen less often than `LEAST_SEEN`, for fit rows that were not all added."""
        rare = torch.nonzero(self.count < LEAST_SEEN).squeeze(1)
        self.slot[torch.isin(self.slot, rare)] = -1

    def means(self) -> tuple[Float[Tensor, "v d"], Float[Tensor, "v d"]]:
        """E[x_A | token] and E[x_B | token] of the fit rows."""
        count = self.count.clamp_min(1).float()[:, None]
        centre_source, centre_target = self.centre or (0.0, 0.0)
        return self.source / count + centre_source, self.target / count + centre_target

    def residual_cross(self) -> Float[Tensor, "d d"]:
        """Σ (x_B − E[x_B | t])ᵀ (x_A − E[x_A | t]) over the fit rows: both residuals have mean zero."""
        weight = self.count.clamp_min(1)[:, None]
        return self.target_source - (self.target.double() / weight).T @ self.source.double()
