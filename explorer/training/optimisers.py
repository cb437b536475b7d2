"""Two ways to train a batch of seeds: one that commutes with a rotation of the residual stream, and AdamW.

equivariant: Muon on the matrices inside blocks, Adam with one second moment a row on embedding and unembedding, gains
of the norms fixed at 1. If the residual stream is rotated (embeddings and what blocks read times Q, what blocks write
times Qᵀ from the left), gradients are rotated alike, and so is every step: an orthogonalised gradient turns with its
gradient, the mean square of a row and all norms stay. No basis of the stream is singled out.

adamw: AdamW on everything, learnt gains. A second moment for every single weight singles out the coordinates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.training.llamas import Llamas
from explorer.training.schedule import Schedule

OptimiserKind = Literal["equivariant", "adamw"]
OPTIMISERS: tuple[OptimiserKind, ...] = get_args(OptimiserKind)
BETA1 = 0.9
MOMENTUM = 0.95
"""Share of the old momentum that Muon keeps; its step looks ahead by the same share (Nesterov)."""
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton–Schulz iteration (Jordan et al. 2024): all singular values end near 1."""


def orthogonalised(g: Float[Tensor, "*n o i"], steps: int = 5) -> Float[Tensor, "*n o i"]:
    """U Vᵀ of each gradient U S Vᵀ, nearly: Newton–Schulz, in bfloat16 on a GPU."""
    a, b, c = QUINTIC
    x = g.bfloat16() if g.is_cuda else g
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(g.dtype)


class SeedOptimiser:
    """Updates the weights of a batch of seeds in place; each seed's step depends on that seed alone."""

    def __init__(self, llamas: Llamas, kind: OptimiserKind, schedule: Schedule, frozen: frozenset[str]) -> None:
        """`frozen`: weights that stay as they are."""
        self.llamas, self.kind, self.schedule, self.done = llamas, kind, schedule, 0
        equivariant = kind == "equivariant"
        self.learnt = [n for n in llamas.weights if n not in frozen and not (equivariant and llamas.is_gain(n))]
        by_shape = defaultdict(list)
        for name in self.learnt:
            if equivariant and llamas.in_block(name):
                by_shape[llamas.weights[name].shape].append(name)
        # Matrices that Muon updates, those of one shape together.
        self.matrices = list(by_shape.values())
        of_blocks = {name for names in self.matrices for name in names}
        self.others = [name for name in self.learnt if name not in of_blocks]
        self.first = {name: torch.zeros_like(llamas.weights[name]) for name in self.learnt}
        self.second = {name: torch.zeros_like(self._squared(llamas.weights[name])) for name in self.others}
        for name in self.learnt:
            llamas.weights[name].requires_grad_(True)

    def _squared(self, g: Tensor) -> Tensor:
        """The squares whose running mean divides the step: of every weight, or one for a row."""
        return g.pow(2).mean(-1, keepdim=True) if self.kind == "equivariant" else g.pow(2)

    @torch.no_grad()
    def step(self) -> None:
        """One step along the weights' gradients, which it takes away."""
        weights, schedule = self.llamas.weights, self.schedule
        rate = schedule.rate(self.done)
        self.done += 1
        gradients: dict[str, Tensor] = {}
        for name in self.learnt:
            found = weights[name].grad
            assert found is not None
            gradients[name], weights[name].grad = found, None
        norm = torch.stack([g.flatten(1).pow(2).sum(1) for g in gradients.values()]).sum(0).sqrt()
        shrink = (schedule.clip / (norm + 1e-6)).clamp(max=1.0)
        for name in self.others:
            g = gradients[name] * shrink.view(-1, *[1] * (gradients[name].ndim - 1))
            first = self.first[name].lerp_(g, 1 - BETA1) / (1 - BETA1**self.done)
            second = self.second[name].lerp_(self._squared(g), 1 - schedule.beta2) / (1 - schedule.beta2**self.done)
            decay = 0.0 if self.llamas.is_gain(name) else schedule.weight_decay
            step = schedule.learning_rate * rate
            weights[name].mul_(1 - step * decay).add_(first / (second.sqrt() + 1e-10), alpha=-step)
        step = schedule.matrix_rate * rate
        for names in self.matrices:
            g = torch.stack([gradients[name] for name in names])
            first = torch.stack([self.first[name] for name in names]).lerp_(g, 1 - MOMENTUM)
            up = orthogonalised(g.lerp(first, MOMENTUM))
            longer = max(1.0, up.shape[-2] / up.shape[-1]) ** 0.5
            for name, kept, change in zip(names, first, up, strict=True):
                self.first[name].copy_(kept)
                weights[name].mul_(1 - step * schedule.weight_decay).add_(change, alpha=-step * longer)

    def state(self) -> dict[str, Tensor]:
        """The moments by name, on the weights' device."""
        moments = (("first", self.first), ("second", self.second))
        return {f"{kind}.{name}": moment for kind, found in moments for name, moment in found.items()}

    def resume(self, state: Mapping[str, Tensor], done: int) -> None:
        """Go on after `done` steps from the moments that `state` gave."""
        self.done = done
        for name, moment in self.state().items():
            moment.copy_(state[name])
