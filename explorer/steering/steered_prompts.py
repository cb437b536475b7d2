"""Read many vectors on the same prompts: the blocks before the site run once, those after it in batches of vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models import LanguageModel, Site, residuals, start_at
from explorer.steering.token_classes import TokenClasses
from explorer.text import Chunks, LabelHead

ROWS = 4096
"""Positions in one forward pass: what the caches of a CPU hold of a small model."""


@dataclass(frozen=True)
class SteeredScores:
    """What some steered copies of the prompts gave."""

    m: Float[Tensor, "vectors classes n"]
    """Mean over a prompt's positions of log P(positive tokens) − log P(negative tokens)."""
    loss: Float[Tensor, "vectors n"]
    """Cross-entropy on a prompt's own tokens, nats per token."""
    accuracy: Float[Tensor, "vectors heads"]
    """Share of tokens whose label each head says rightly; no columns without heads."""


class SteeredPrompts:
    """Some prompts of one model, run up to one site."""

    def __init__(
        self,
        model: LanguageModel,
        site: Site,
        prompts: Chunks,
        heads: Sequence[LabelHead] = (),
    ) -> None:
        self.model, self.site, self.prompts, self.heads = model, site, prompts, tuple(heads)
        self.on_batch: Callable[[int], None] = lambda _vectors: None
        self._start = residuals(model, prompts.ids, [site])[site]
        self._here = prompts.to(model.device)

    def __len__(self) -> int:
        return len(self.prompts)

    @torch.inference_mode()
    def logits(self, vectors: Float[Tensor, "k d"]) -> Float[Tensor, "k n t v"]:
        """Logits at every position of every prompt, with each vector (already scaled) added everywhere; on the model's
        device.
        """
        k, (n, t) = len(vectors), self.prompts.ids.shape
        hidden = (self._start[None] + vectors.to(self._start)[:, None, None]).reshape(k * n, t, -1)
        ids = torch.zeros(k * n, t, dtype=torch.long)
        with start_at(self.model, self.site, hidden):
            return self.model.logits(ids).reshape(k, n, t, -1)

    @torch.inference_mode()
    def batches(self, vectors: Float[Tensor, "k d"]) -> Iterator[Float[Tensor, "some n t v"]]:
        """The same in as many passes as memory likes."""
        size = max(1, ROWS // self.prompts.ids.numel())
        for i in range(0, len(vectors), size):
            yield self.logits(vectors[i : i + size])
            self.on_batch(len(vectors[i : i + size]))

    @torch.inference_mode()
    def read(self, vectors: Float[Tensor, "k d"], classes: Sequence[TokenClasses]) -> SteeredScores:
        """m by each pair of classes, and the loss, under every vector; on the CPU."""
        parts = [self._score(logits, classes) for logits in self.batches(vectors)]
        return SteeredScores(*(torch.cat(part).cpu() for part in zip(*parts, strict=True)))

    @staticmethod
    def _members(classes: Sequence[TokenClasses], vocabulary: int) -> Float[Tensor, "v sides"]:
        """1 where a token belongs to a class: the positive ones first, then the negative ones."""
        members = torch.zeros(vocabulary, 2 * len(classes))
        for i, c in enumerate(known.below(vocabulary) for known in classes):
            members[c.positive, i] = 1
            members[c.negative, len(classes) + i] = 1
        return members

    def _score(
        self, logits: Float[Tensor, "k n t v"], classes: Sequence[TokenClasses]
    ) -> tuple[Tensor, Tensor, Tensor]:
        ids, valid = self._here.ids, self._here.predicted.float()
        count = valid.sum(1).clamp_min(1)
        said = logits[:, :, :-1]
        # One exponential serves the loss and every class: the sums over classes are a matrix product.
        most = said.amax(-1, keepdim=True)
        mass = (said - most).exp()
        sums = (mass @ self._members(classes, mass.shape[-1]).to(mass)).clamp_min(torch.finfo(mass.dtype).tiny).log()
        chosen = said.gather(-1, ids[None, :, 1:, None].expand(len(logits), -1, -1, -1)) - most
        loss = ((mass.sum(-1).log() - chosen[..., 0]) * valid).sum(-1) / count
        change = (sums[..., : len(classes)] - sums[..., len(classes) :]) * valid[:, :, None]
        m = (change.sum(2) / count[:, None]).transpose(1, 2)
        right = [
            ((logits[..., h.first : h.last].argmax(-1) + h.first == said).flatten(1).sum(1) / (said >= 0).sum())
            for h, said in ((h, h.ids.to(logits.device)) for h in self.heads)
        ]
        accuracy = torch.stack(right, dim=1) if right else valid.new_zeros(len(logits), 0)
        return m, loss, accuracy
