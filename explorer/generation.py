"""Generation: one token loop over a batch of lanes, one KV cache, lanes of one model sharing each forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.activations import edit_residual
from explorer.errors import InputError
from explorer.models import LanguageModel
from explorer.sites import Site

MAX_PROMPT_TOKENS = 200
MAX_NEW_TOKENS = 400


@dataclass(frozen=True)
class Lane:
    """One stream of text: a model, and a vector (already scaled by its dose) that is added to its residual stream."""

    key: str
    """Name of the lane, e.g. rotated."""
    model: LanguageModel
    """The model that writes."""
    vector: Float[Tensor, " d"] | None = None
    """Added at every position of the site; None steers nothing."""


@dataclass(frozen=True)
class LaneToken:
    """The next token of one lane."""

    key: str
    """The lane."""
    id: int
    """Token id."""
    text: str
    """The lane's whole text so far, without the prompt."""
    ended: bool
    """Whether the lane has ended (end of text, or the limit of tokens)."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Lanes share their random numbers, so that they differ only where the models do."""

    temperature: float = 0.8
    """0 is greedy."""
    seed: int = 0
    """Seed of the shared Gumbel noise."""
    new_tokens: int = 60
    """Tokens to write."""


def check_prompt(model: LanguageModel, prompt: str) -> Int[Tensor, " t"]:
    """Token ids of a prompt. Raises InputError if it is empty or too long."""
    ids = model.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if not ids:
        raise InputError("the prompt is empty: write at least one word")
    if len(ids) > MAX_PROMPT_TOKENS:
        raise InputError(f"the prompt has {len(ids)} tokens, at most {MAX_PROMPT_TOKENS} are allowed: shorten it")
    return torch.tensor(ids)


class _Batch:
    """The lanes of one model: their cache, their vectors, and the tokens written so far."""

    def __init__(self, lanes: Sequence[Lane], site: Site, prompt: Int[Tensor, " t"]) -> None:
        from transformers import DynamicCache

        self.lanes, self.site, self.model = lanes, site, lanes[0].model
        self.cache = DynamicCache(config=self.model.network.config)
        zero = torch.zeros(self.model.d_model)
        self.vectors = torch.stack([zero if lane.vector is None else lane.vector for lane in lanes])[:, None, :]
        self.steers = any(lane.vector is not None for lane in lanes)
        self.input = prompt[None].expand(len(lanes), -1)
        self.written: list[list[int]] = [[] for _ in lanes]
        self.ended = [False] * len(lanes)

    def logits(self) -> Float[Tensor, "lanes v"]:
        network, vectors = self.model.network, self.vectors
        with self.model.lock, torch.inference_mode(), ExitStack() as stack:
            if self.steers:
                stack.enter_context(edit_residual(self.model, self.site, lambda x: x + vectors.to(x.dtype)))
            out = network(input_ids=self.input, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1]


def stream(lanes: Sequence[Lane], site: Site, prompt: str, sampling: Sampling) -> Iterator[list[LaneToken]]:
    """Every lane's next token, again and again, until all have ended. Close the iterator to stop.

    Token i of every lane uses the same Gumbel noise, drawn from (seed, i).
    Raises InputError for a bad prompt or number.
    """
    if not 0 <= sampling.temperature <= 5:
        raise InputError(f"temperature {sampling.temperature} is outside 0 … 5 (0 is greedy)")
    if not 1 <= sampling.new_tokens <= MAX_NEW_TOKENS:
        raise InputError(f"{sampling.new_tokens} new tokens are outside 1 … {MAX_NEW_TOKENS}")
    by_model: dict[int, list[Lane]] = {}
    for lane in lanes:
        by_model.setdefault(id(lane.model), []).append(lane)
    batches = [_Batch(group, site, check_prompt(group[0].model, prompt)) for group in by_model.values()]
    for step in range(sampling.new_tokens):
        out: list[LaneToken] = []
        for batch in batches:
            if all(batch.ended):
                continue
            chosen = _choose(batch.logits(), sampling, step)
            batch.input = chosen[:, None]
            out += _record(batch, chosen.tolist(), last=step == sampling.new_tokens - 1)
        if out:
            yield out
        if all(all(b.ended) for b in batches):
            return


def _choose(logits: Float[Tensor, "lanes v"], sampling: Sampling, step: int) -> Int[Tensor, " lanes"]:
    if sampling.temperature == 0:
        return logits.argmax(-1)
    generator = torch.Generator().manual_seed(sampling.seed * 100_003 + step)
    uniform = torch.rand(logits.shape[-1], generator=generator).clamp(1e-9, 1 - 1e-9)
    return (logits / sampling.temperature - torch.log(-torch.log(uniform))).argmax(-1)


def _record(batch: _Batch, chosen: list[int], last: bool) -> list[LaneToken]:
    tokenizer = batch.model.tokenizer
    out = []
    for i, (lane, token) in enumerate(zip(batch.lanes, chosen, strict=True)):
        if batch.ended[i]:
            continue
        batch.ended[i] = last or token == tokenizer.eos_token_id
        if token != tokenizer.eos_token_id:
            batch.written[i].append(token)
        out.append(LaneToken(lane.key, token, tokenizer.decode(batch.written[i]), batch.ended[i]))
    return out


def generate(lanes: Sequence[Lane], site: Site, prompt: str, sampling: Sampling) -> dict[str, str]:
    """The finished text of every lane, without the prompt."""
    texts = {lane.key: "" for lane in lanes}
    for tokens in stream(lanes, site, prompt, sampling):
        texts |= {t.key: t.text for t in tokens}
    return texts
