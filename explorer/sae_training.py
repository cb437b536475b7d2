"""Train dictionaries on residual-stream rows: TopK with an auxiliary loss that revives dead features, or L1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.sae import SAE


@dataclass(frozen=True)
class SAERecipe:
    """How a dictionary is made."""

    width: int = 1024
    """Number of features."""
    k: int | None = 16
    """Features kept for each row; None trains a ReLU dictionary with an L1 penalty."""
    l1: float = 0.0
    """Weight of Σ|a| for ReLU dictionaries, on rows scaled to unit mean square per dimension."""
    learning_rate: float = 2e-3
    """Peak learning rate of Adam; linear warm-up over 5 % and linear decay over the last 30 % of the batches."""
    batch: int = 1024
    """Rows in a batch."""
    dead_after: int = 100
    """Batches without a firing after which a feature counts as dead and joins the auxiliary loss."""
    k_auxiliary: int = 64
    """Dead features that may rebuild the error (Gao et al. 2024, 2406.04093)."""


class SAETrainer:
    """Trains one dictionary batch by batch; `finish` gives it back in the scale of the raw rows."""

    def __init__(
        self, recipe: SAERecipe, sample: Float[Tensor, "n d"], batches: int, seed: int, site: str = ""
    ) -> None:
        """`sample` sets the decoder bias and the rows' scale; `batches` is how many will come (for the schedule)."""
        generator = torch.Generator().manual_seed(seed)
        d = sample.shape[1]
        self.recipe, self.batches, self.site, self.done = recipe, batches, site, 0
        self.scale = float((sample - sample.mean(0)).pow(2).mean().sqrt())
        device = sample.device
        directions = torch.randn(recipe.width, d, generator=generator).to(device)
        self.W_dec = directions / directions.norm(dim=1, keepdim=True)
        self.W_enc = self.W_dec.T.clone().contiguous()
        self.b_enc = torch.zeros(recipe.width, device=device)
        self.b_dec = sample.mean(0) / self.scale
        self.parameters = [self.W_enc, self.b_enc, self.W_dec, self.b_dec]
        for p in self.parameters:
            p.requires_grad_(True)
        self.optimiser = torch.optim.Adam(self.parameters, lr=recipe.learning_rate, betas=(0.9, 0.999), fused=True)
        self.silent = torch.zeros(recipe.width, dtype=torch.long, device=device)

    def _rate(self) -> float:
        warm, decay = 0.05 * self.batches, 0.7 * self.batches
        rise = min(1.0, (self.done + 1) / warm)
        fall = min(1.0, max(0.0, (self.batches - self.done) / (self.batches - decay)))
        return self.recipe.learning_rate * min(rise, fall)

    def step(self, rows: Float[Tensor, "n d"]) -> float:
        """One batch; returns the fraction of the batch's variance that stays unexplained."""
        recipe = self.recipe
        x = rows / self.scale
        before = (x - self.b_dec) @ self.W_enc + self.b_enc
        if recipe.k is None:
            a = before.relu()
        else:
            values, index = before.topk(recipe.k, dim=-1, sorted=False)
            a = torch.zeros_like(before).scatter(-1, index, values.relu())
        error = x - (a @ self.W_dec + self.b_dec)
        variance = (x - x.mean(0)).pow(2).mean()
        loss = error.pow(2).mean() / variance
        unexplained = float(loss.detach())
        self.silent += 1
        self.silent[(a.detach() > 0).any(0)] = 0
        if recipe.k is None:
            loss = loss + recipe.l1 * a.sum(1).mean()
        else:
            dead = self.silent > recipe.dead_after
            n_dead = int(dead.sum())
            if n_dead:
                hidden = before.masked_fill(~dead, -torch.inf)
                values, index = hidden.topk(min(recipe.k_auxiliary, n_dead), dim=-1, sorted=False)
                extra = torch.zeros_like(before).scatter(-1, index, values.relu()) @ self.W_dec
                loss = loss + (error.detach() - extra).pow(2).mean() / variance / 32
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        loss.backward()
        with torch.no_grad():
            # The decoder rows stay on the unit sphere: remove the radial part of their gradient, then normalise.
            gradient = self.W_dec.grad
            assert gradient is not None
            gradient -= (gradient * self.W_dec).sum(1, keepdim=True) * self.W_dec
            self.optimiser.step()
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)
        self.optimiser.zero_grad(set_to_none=True)
        self.done += 1
        return unexplained

    def finish(self) -> SAE:
        """The trained dictionary, for rows in their own units, on the CPU."""
        with torch.no_grad():
            return SAE(
                "standard" if self.recipe.k is None else "topk",
                self.recipe.k,
                self.W_enc.detach().cpu().clone(),
                (self.b_enc.detach() * self.scale).cpu(),
                self.W_dec.detach().cpu().clone(),
                (self.b_dec.detach() * self.scale).cpu(),
                self.site,
            )


def train_sae(recipe: SAERecipe, batches: Iterable[Float[Tensor, "n d"]], count: int, seed: int, site: str = "") -> SAE:
    """A dictionary trained on `count` batches of rows; the first batch sets its bias and scale."""
    trainer: SAETrainer | None = None
    for rows in batches:
        if trainer is None:
            trainer = SAETrainer(recipe, rows, count, seed, site)
        trainer.step(rows)
    if trainer is None:
        raise ValueError("no rows to train a dictionary on")
    return trainer.finish()
