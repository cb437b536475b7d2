"""Lanes streamed by a job: Stop holds at once; Continue goes on; nobody watching pauses them.

Knows nothing of Streamlit: a page polls `LaneJob.snapshot()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch

from explorer.cores import EVERY_CORE
from explorer.jobs import WRITERS, Job, JobState, Queue
from explorer.models import Site
from explorer.steering.decoding import MAX_NEW_TOKENS, Positions, Sampling
from explorer.steering.generation import Lane, LaneToken, LikelyToken, stream
from explorer.steering.lanes import LaneEffect, lane_effects
from explorer.steering.token_classes import TokenClasses

SMALL_WIDTH = 512
"""Models up to this width write fastest on one core: splitting one token's work costs more than it saves."""


@dataclass(frozen=True)
class Piece:
    """One token of a lane, as it is shown."""

    text: str
    """What it added to the lane's text; the last characters may still lack bytes."""
    kl: float
    """KL from the unsteered model after the same text, nats."""
    alternatives: tuple[LikelyToken, ...]
    """The likeliest tokens at its place."""


@dataclass(frozen=True)
class Snapshot:
    """What a job has to show at one moment."""

    state: JobState
    """Where it stands."""
    prompt: str
    """What every lane continues."""
    texts: Mapping[str, str]
    """What each lane has written, without the prompt."""
    ended: frozenset[str] = frozenset()
    """Lanes whose model ended the text itself."""
    tokens: int = 0
    """Tokens written so far, all lanes together."""
    seconds: float = 0.0
    """How long it has been writing."""
    message: str = ""
    """Why it failed, for people."""
    effects: Mapping[str, LaneEffect] = field(default_factory=lambda: MappingProxyType({}))
    """What each steered lane's vector does, once all have ended."""
    pieces: Mapping[str, tuple[Piece, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The tokens of each lane; empty where they are not watched."""
    ahead: int = 0
    """How many jobs must end before this one may begin."""
    can_continue: bool = False
    """Whether it has stopped or reached its length, and a lane has more to say."""

    @property
    def busy(self) -> bool:
        """Whether more is to come by itself."""
        return self.state.busy


class LaneJob:
    """Streams some lanes in the background, and keeps what they have written. Starts at once."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        site: Site | Sequence[Site],
        prompt: str,
        sampling: Sampling,
        typical: TokenClasses | None = None,
        positions: Positions = Positions.ALL,
        watched: bool = False,
        patience: float | None = None,
        queue: Queue = WRITERS,
    ) -> None:
        """`patience`: seconds without a look after which it pauses; None works unseen. `watched`: report KL."""
        self._lanes, self._sampling, self._typical = tuple(lanes), sampling, typical
        self._sites = [site] if isinstance(site, Site) else list(site)
        self._positions, self._watched, self._patience, self._queue = positions, watched, patience, queue
        self._ids: dict[str, list[int]] = {lane.key: [] for lane in lanes}
        # What is written; where it stands is added by `snapshot`.
        self._now = Snapshot(JobState.WAITING, prompt, {lane.key: "" for lane in lanes})
        self._job = self._begin(sampling.new_tokens)

    def _begin(self, new_tokens: int) -> Job[None]:
        small = max(lane.model.d_model for lane in self._lanes) <= SMALL_WIDTH
        return Job(
            lambda job: self._write(job, new_tokens),
            self._queue,
            self._patience,
            1 if small else EVERY_CORE,
            "the generation failed ({error}): try again, or choose another vector or prompt",
        )

    def snapshot(self) -> Snapshot:
        """What there is to show now. Never waits for the models."""
        # In this order: a job that is over writes nothing more.
        at = self._job.look()
        now, length = self._now, max(map(len, self._ids.values()), default=0)
        over = at.state in (JobState.DONE, JobState.STOPPED)
        return replace(
            now,
            state=at.state,
            ahead=at.ahead,
            message=at.message,
            seconds=now.seconds + at.seconds,
            can_continue=over and 0 < length < MAX_NEW_TOKENS and bool(self._open()),
        )

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        return self._job.busy

    @property
    def alive(self) -> bool:
        """Whether its thread still works."""
        return self._job.alive

    def _open(self) -> list[Lane]:
        return [lane for lane in self._lanes if lane.key not in self._now.ended]

    def more(self) -> None:
        """Go on where the lanes stand: the same text as if they had never paused. Nothing happens while it runs."""
        now = self.snapshot()
        if not now.can_continue:
            return
        # What a stopped thread is still at is never written, so nobody has to wait for it.
        self._now = replace(self._now, effects=MappingProxyType({}), seconds=now.seconds)
        length = max(map(len, self._ids.values()))
        self._job = self._begin(min(self._sampling.new_tokens, MAX_NEW_TOKENS - length))

    def stop(self) -> None:
        """Write nothing more, from this moment on; the thread ends after the token that it is at."""
        self._job.cancel()

    def wait(self, timeout: float | None = None) -> Snapshot:
        """Wait for the thread to end, then what there is to show."""
        self._job.wait(timeout)
        return self.snapshot()

    @torch.inference_mode()
    def _write(self, job: Job[None], new_tokens: int) -> None:
        lanes, prompt = self._open(), self._now.prompt
        written = {lane.key: self._ids[lane.key] for lane in lanes}
        sampling = replace(self._sampling, new_tokens=new_tokens)
        streaming = stream(lanes, self._sites, prompt, sampling, self._positions, self._watched, written)
        for tokens in streaming:
            job.commit(lambda tokens=tokens: self._add(tokens))  # type: ignore[misc]
            job.report()
        effects: dict[str, LaneEffect] = {}
        if self._typical is not None and self._sampling.new_tokens > 1:
            texts = self._now.texts
            effects = lane_effects(self._lanes, self._sites, prompt, texts, self._typical, self._positions)

        def show() -> None:
            self._now = replace(self._now, effects=effects)

        job.finish(show)

    def _add(self, tokens: Sequence[LaneToken]) -> None:
        """Keep the next token of each lane."""
        now, ends = self._now, {lane.key: lane.model.tokenizer.eos_token_id for lane in self._lanes}
        for t in tokens:
            self._ids[t.key].append(t.id)
        self._now = replace(
            now,
            texts={**now.texts, **{t.key: t.text for t in tokens}},
            ended=now.ended | {t.key for t in tokens if t.ended and t.id == ends[t.key]},
            tokens=now.tokens + len(tokens),
            pieces={**now.pieces, **{t.key: _pieces(now, t) for t in tokens if t.kl is not None}},
        )


def _pieces(now: Snapshot, token: LaneToken) -> tuple[Piece, ...]:
    """The lane's pieces with one more; a character whose bytes are incomplete belongs to the token that ends it."""
    earlier = now.pieces.get(token.key, ())
    shown = "".join(p.text for p in earlier)
    text = token.text.rstrip("\ufffd")
    return (*earlier, Piece(text[len(shown) :], token.kl or 0.0, token.alternatives))
