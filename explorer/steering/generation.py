"""Generation: one token loop over a batch of lanes, one KV cache, lanes of one model sharing each forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.models import LanguageModel, Site, check_prompt, token_text
from explorer.steering.decoding import Batch, Positions, Sampling, choose

ALTERNATIVES = 5


@dataclass(frozen=True)
class Lane:
    """One stream of text: a model, and a vector (already scaled by its dose) that is added to its residual stream."""

    key: str
    """Name of the lane, e.g. rotated."""
    model: LanguageModel
    """The model that writes."""
    vector: Float[Tensor, " d"] | Float[Tensor, "sites d"] | None = None
    """Added at the site, or one row for each of several sites; None steers nothing."""


@dataclass(frozen=True)
class LikelyToken:
    """A token that might have come."""

    text: str
    """What it says."""
    p: float
    """Its probability in the lane (at temperature 1)."""
    p_unsteered: float
    """Its probability in the same model after the same text, without the vector."""


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
    kl: float | None = None
    """KL(lane‖unsteered), nats, of the distribution it was drawn from, after the same text; None where not watched."""
    alternatives: tuple[LikelyToken, ...] = ()
    """The likeliest tokens at its place, likeliest first; empty where not watched."""


@dataclass(frozen=True)
class _Start:
    """What the lanes continue."""

    prompt: str
    """The prompt of all."""
    written: Mapping[str, Sequence[int]]
    """Token ids that each has written before."""


class _Lanes:
    """The lanes of one model: their rows, unsteered shadows of them where they are watched, and what they wrote."""

    def __init__(
        self, lanes: Sequence[Lane], sites: Sequence[Site], start: _Start, positions: Positions, watched: bool
    ) -> None:
        self.lanes, self.model = lanes, lanes[0].model
        prompt = check_prompt(self.model, start.prompt)
        self.written = {lane.key: list(start.written.get(lane.key, ())) for lane in lanes}
        # A shadow reads what its lane writes, unsteered: KL compares two models after the same text.
        self.shadows = [i for i, lane in enumerate(lanes) if watched and lane.vector is not None]
        self.watched = watched
        rows = torch.stack([torch.cat([prompt, torch.tensor(self.written[lane.key]).long()]) for lane in lanes])
        vectors = torch.zeros(len(sites), len(lanes) + len(self.shadows), self.model.d_model)
        for i, lane in enumerate(lanes):
            if lane.vector is not None:
                vectors[:, i] = lane.vector
        ids = torch.cat([rows, rows[self.shadows]])
        self.batch = Batch(self.model, sites, ids, vectors, positions, len(prompt))
        self.ended = [False] * len(lanes)

    def step(self, sampling: Sampling, step: int, last: bool) -> list[LaneToken]:
        logits = self.batch.logits()
        chosen = choose(logits[: len(self.lanes)], sampling, step)
        self.batch.give(torch.cat([chosen, chosen[self.shadows]]))
        notes = self._notes(logits) if self.watched else {}
        tokenizer, out = self.model.tokenizer, []
        for i, (lane, token) in enumerate(zip(self.lanes, chosen.tolist(), strict=True)):
            if self.ended[i]:
                continue
            self.ended[i] = last or self.batch.full or token == tokenizer.eos_token_id
            if token != tokenizer.eos_token_id:
                self.written[lane.key].append(token)
            text = token_text(tokenizer, self.written[lane.key])
            out.append(LaneToken(lane.key, token, text, self.ended[i], *notes.get(i, (None, ()))))
        return out

    def _notes(self, logits: Float[Tensor, "rows v"]) -> dict[int, tuple[float, tuple[LikelyToken, ...]]]:
        n = len(self.lanes)
        log_p = logits.log_softmax(-1)
        base = log_p[:n].clone()
        base[self.shadows] = log_p[n:]
        kl = (log_p[:n].exp() * (log_p[:n] - base)).sum(-1).clamp_min(0)
        top = log_p[:n].topk(ALTERNATIVES)
        tokenizer = self.model.tokenizer
        return {
            i: (
                float(kl[i]),
                tuple(
                    LikelyToken(token_text(tokenizer, [int(t)]), float(p.exp()), float(base[i, t].exp()))
                    for t, p in zip(top.indices[i], top.values[i], strict=True)
                ),
            )
            for i in range(n)
        }


def stream(
    lanes: Sequence[Lane],
    site: Site | Sequence[Site],
    prompt: str,
    sampling: Sampling,
    positions: Positions = Positions.ALL,
    watched: bool = False,
    written: Mapping[str, Sequence[int]] | None = None,
) -> Iterator[list[LaneToken]]:
    """Every lane's next token, again and again, until all have ended. Close the iterator to stop.

    Token i of every lane uses the same Gumbel noise, drawn from (seed, i). `watched` lanes report their KL from the
    unsteered model and the likeliest tokens. Lanes that have `written` something (equally many tokens each) go on
    from there, as if they had never paused. Raises InputError for a bad prompt or number.
    """
    sampling.check()
    written = written or {}
    lengths = {len(written.get(lane.key, ())) for lane in lanes}
    if len(lengths) > 1:
        raise ValueError(f"lanes that go on have written equally many tokens, not {sorted(lengths)}")
    begin = lengths.pop() if lengths else 0
    by_model: dict[int, list[Lane]] = {}
    for lane in lanes:
        by_model.setdefault(id(lane.model), []).append(lane)
    sites = [site] if isinstance(site, Site) else list(site)
    groups = [_Lanes(g, sites, _Start(prompt, written), positions, watched) for g in by_model.values()]
    end = begin + sampling.new_tokens
    for step in range(begin, end):
        out: list[LaneToken] = []
        for group in groups:
            if not all(group.ended):
                out += group.step(sampling, step, last=step == end - 1)
        if out:
            yield out
        if all(all(g.ended) for g in groups):
            return


def generate(lanes: Sequence[Lane], site: Site | Sequence[Site], prompt: str, sampling: Sampling) -> dict[str, str]:
    """The finished text of every lane, without the prompt."""
    texts = {lane.key: "" for lane in lanes}
    for tokens in stream(lanes, site, prompt, sampling):
        texts |= {t.key: t.text for t in tokens}
    return texts
