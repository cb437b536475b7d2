"""Decoding: how the next token of each row is chosen, and a batch of steered rows of one model with one KV cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explorer import MAX_SEED
from explorer.errors import InputError
from explorer.models import LanguageModel, Site, edit_residual

MAX_NEW_TOKENS = 400


class Positions(StrEnum):
    """Where in the text a vector is added."""

    ALL = "everywhere"
    PROMPT = "prompt only"
    WRITTEN = "new text only"

    def mask(self, position: Int[Tensor, " t"], prompt: int) -> Bool[Tensor, " t"]:
        """Which of some positions are meant, for a prompt of so many tokens.

        The last token of the prompt is the place from which the first new one is written: it counts as both.
        """
        match self:
            case Positions.PROMPT:
                return position < prompt
            case Positions.WRITTEN:
                return position >= prompt - 1
            case _:
                return torch.ones_like(position, dtype=torch.bool)


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Lanes share their random numbers, so that they differ only where the models do."""

    temperature: float = 0.8
    """0 is greedy."""
    seed: int = 0
    """Seed of the shared Gumbel noise."""
    new_tokens: int = 60
    """Tokens to write."""
    top_p: float = 1.0
    """Only the likeliest tokens that together have at least this probability are drawn from."""

    def check(self) -> None:
        """Raises InputError for a number outside its range."""
        if not 0 <= self.temperature <= 5:
            raise InputError(f"temperature {self.temperature} is outside 0 … 5 (0 is greedy)")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top-p {self.top_p} is outside 0 … 1 (1 draws from every token)")
        if not 1 <= self.new_tokens <= MAX_NEW_TOKENS:
            raise InputError(f"{self.new_tokens} new tokens are outside 1 … {MAX_NEW_TOKENS}")
        if abs(self.seed) > MAX_SEED:
            raise InputError(f"seed {self.seed} is outside −{MAX_SEED} … {MAX_SEED}")


class Batch:
    """Rows of one model with one KV cache: what each was given, and a vector for each row and site."""

    def __init__(
        self,
        model: LanguageModel,
        sites: Sequence[Site],
        ids: Int[Tensor, "rows t"],
        vectors: Float[Tensor, "sites rows d"],
        positions: Positions = Positions.ALL,
        prompt: int | None = None,
    ) -> None:
        """`prompt`: how many of the first tokens are the prompt; all of `ids` unless said."""
        from transformers import DynamicCache

        self.limit = model.positions
        if self.limit is not None and ids.shape[1] > self.limit:
            raise InputError(f"{model.name} reads at most {self.limit} tokens, not {ids.shape[1]}: shorten the prompt")
        self.model, self.sites, self.positions = model, tuple(sites), positions
        self.cache = DynamicCache(config=model.network.config)
        self.input = ids
        self.vectors = [
            v[:, None, :].to(model.device)
            for v, used in zip(vectors, vectors.abs().amax((1, 2)), strict=True)
            if used > 0
        ]
        self.steered = [s for s, used in zip(self.sites, vectors.abs().amax((1, 2)), strict=True) if used > 0]
        self.prompt = ids.shape[1] if prompt is None else prompt
        self.seen = 0

    def _added(self, vector: Float[Tensor, "rows 1 d"]) -> Float[Tensor, "rows _ d"] | None:
        """What is added to the positions that this pass reads; None where that is nothing."""
        if self.positions == Positions.ALL:
            return vector
        here = self.positions.mask(torch.arange(self.seen, self.seen + self.input.shape[1]), self.prompt)
        return vector * here.to(vector.device)[None, :, None] if bool(here.any()) else None

    @torch.inference_mode()
    def logits(self) -> Float[Tensor, "rows v"]:
        """Run what the rows were given last; the logits after it, float32 on the model's device.

        Other threads may run the model between two calls.
        """
        with ExitStack() as stack:
            for site, vector in zip(self.steered, self.vectors, strict=True):
                if (added := self._added(vector)) is not None:
                    edit = lambda x, a=added: x + a.to(x.dtype)  # noqa: E731
                    stack.enter_context(edit_residual(self.model, site, edit))
            logits = self.model.next_logits(self.input, self.cache)
        self.seen += self.input.shape[1]
        return logits

    @property
    def full(self) -> bool:
        """Whether the model has no position left for another token."""
        return self.limit is not None and self.seen >= self.limit

    def give(self, ids: Int[Tensor, " rows"]) -> None:
        """The token that each row reads next."""
        self.input = ids[:, None]


def choose(logits: Float[Tensor, "rows v"], sampling: Sampling, step: int) -> Int[Tensor, " rows"]:
    """The next token of each row: Gumbel-max with noise from (seed, step), the same for every row."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    generator = torch.Generator().manual_seed(sampling.seed * 100_003 + step)
    # Drawn on the CPU, so that a seed means the same text on every machine.
    uniform = torch.rand(logits.shape[-1], generator=generator).clamp(1e-9, 1 - 1e-9).to(logits.device)
    logits = logits / sampling.temperature
    if sampling.top_p < 1:
        ranked, order = logits.softmax(-1).sort(-1, descending=True)
        outside = ranked.cumsum(-1) - ranked >= sampling.top_p
        logits = logits.masked_fill(outside.gather(1, order.argsort(-1)), -torch.inf)
    return (logits - torch.log(-torch.log(uniform))).argmax(-1)
