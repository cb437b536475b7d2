"""How long and how fast models are trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Steps, rates and weights of a training run: linear warm-up, flat for a share of the steps, then linearly to 0."""

    steps: int
    """Optimiser steps."""
    rows: int = 64
    """Training rows of each seed in a batch."""
    learning_rate: float = 2e-3
    """Peak rate of Adam."""
    matrix_rate: float = 0.02
    """Peak rate of the matrices in blocks under the equivariant optimiser."""
    warmup: int = 200
    """Steps of linear warm-up."""
    flat: float = 0.4
    """Share of the steps after which the rates begin to fall."""
    weight_decay: float = 0.1
    """Decoupled weight decay, on matrices only."""
    clip: float = 1.0
    """Largest norm of a seed's gradient for Adam."""
    beta2: float = 0.98
    """Adam's memory of squared gradients."""
    emphasis: tuple[tuple[float, float], ...] = ()
    """(share of the steps, weight): up to there a marked token counts so many times, after the last once."""

    def rate(self, step: int) -> float:
        """Rate of a step as a share of the peak."""
        rise = (step + 1) / max(1, self.warmup)
        return min(1.0, rise, (self.steps - step) / max(1.0, (1 - self.flat) * self.steps))

    def weight(self, step: int) -> float:
        """How often a marked token counts in the loss of a step."""
        return next((weight for share, weight in self.emphasis if step < share * self.steps), 1.0)
