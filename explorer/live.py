"""Live steering: the lanes of one vector at one dose, and a job that streams them from a thread of its own.

Knows nothing of Streamlit: a page polls `Job.snapshot()`; `Job.stop()` ends the work after at most one token.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.catalogue import logit_effect
from explorer.corpus import chunk_documents
from explorer.effect import Typical, read_effect
from explorer.errors import InputError
from explorer.generation import Lane, Sampling, stream
from explorer.models import LanguageModel
from explorer.site_maps import SiteMaps
from explorer.sites import Site
from explorer.steering import Arm, carry

MAX_DOSE = 0.8
NORM_DOCUMENTS = 64
"""Held-out documents from which the median norm is read: the same first chunks as for the stored effects."""

PLAIN, STEERED = "source", "source+v"
"""Lanes of the source; those of the target are named after their arm."""

SMALL_WIDTH = 512
"""Models up to this width write fastest on one core: splitting one token's work costs more than it saves."""

_CORES = torch.get_num_threads()

TRANSLATED = "translated"
STANDARD_ARMS = ("none", "raw", "rotated", "random")
"""What B always shows."""

FEATURE_TOKENS = 20


@dataclass(frozen=True)
class VectorName:
    """Which vector of the source is meant: a ready contrast by name or a dictionary feature by number."""

    contrast: str | None
    """Name of a ready contrast, or None."""
    feature: int | None
    """Number of a feature, or None."""

    def __str__(self) -> str:
        return f"feature:{self.feature}" if self.contrast is None else f"contrast:{self.contrast}"


def parse_vector(text: str) -> VectorName:
    """The vector that `contrast:sea`, `feature:417` or a bare number names. Raises InputError."""
    kind, _, rest = text.strip().rpartition(":")
    if kind in ("", "feature") and rest.strip().isdecimal():
        return VectorName(None, int(rest))
    if kind == "contrast" and rest:
        return VectorName(rest, None)
    raise InputError(f"'{text[:40]}' names no vector: choose a contrast, or type the number of a feature, e.g. 417")


def arms_shown(chosen: str, native: bool = False) -> tuple[str, ...]:
    """Lanes of the target: the standard ones, its own vector if asked for, and the chosen map if it is none of them."""
    extra = () if chosen in STANDARD_ARMS else (chosen,)
    return ("none", *(("native",) if native else ()), "raw", "rotated", *extra, "random")


@dataclass(frozen=True)
class Request:
    """Everything that a person chose: two equal requests write the same text."""

    study: str
    """Name or folder of the study."""
    source: str
    """Name of A."""
    target: str
    """Name of B."""
    site: int
    """Index of the site."""
    vector: VectorName
    """The vector of A."""
    dose: float
    """c, in median norms of the steered model."""
    prompt: str
    """What every lane continues."""
    arms: tuple[str, ...]
    """Lanes of B."""
    sampling: Sampling
    """How tokens are chosen."""


@dataclass(frozen=True)
class Steering:
    """Everything that decides what the lanes add to the residual stream."""

    source: LanguageModel
    """A, from which the vector comes."""
    target: LanguageModel
    """B, which the arms steer."""
    site: Site
    """Where the vector is added, at every position."""
    vector: Float[Tensor, " d"]
    """Unit vector of the source."""
    fitted: SiteMaps
    """Maps that carry it to the target."""
    norms: tuple[float, float]
    """Median norm of the source's and of the target's rows at the site: the units of the dose."""
    native: Float[Tensor, " d"] | None = None
    """The target's own unit vector for the same thing, where it has one."""


def build_lanes(steering: Steering, arms: Sequence[str], dose: float, seed: int = 0) -> list[Lane]:
    """A and A + v, then B under each arm (an `Arm`, or translated), all at c median norms of the model that is steered.

    The random arm's direction is drawn from `seed`. Raises InputError for a dose outside ±MAX_DOSE and for a native
    arm without a native vector.
    """
    if not -MAX_DOSE <= dose <= MAX_DOSE:
        raise InputError(f"dose {dose} is outside −{MAX_DOSE} … {MAX_DOSE} median norms")
    on_source, on_target = (dose * norm for norm in steering.norms)
    lanes = [Lane(PLAIN, steering.source), Lane(STEERED, steering.source, steering.vector * on_source)]
    for arm in arms:
        # Moving the mean turns no direction: translated steers exactly as raw.
        how = Arm.RAW if arm == TRANSLATED else Arm(arm)
        carried = None if how == Arm.NONE else carry(steering.vector, how, steering.fitted, steering.native, seed)
        lanes.append(Lane(str(arm), steering.target, None if carried is None else carried * on_target))
    return lanes


def feature_tokens(model: LanguageModel, vector: Float[Tensor, " d"], count: int = FEATURE_TOKENS) -> Typical:
    """The tokens whose logits a vector raises most and lowers most by the direct path: a feature's two classes."""
    effect = logit_effect(model, vector[None])[0]
    return Typical(effect.topk(count).indices, (-effect).topk(count).indices)


@dataclass(frozen=True)
class LaneEffect:
    """What the vector of a lane does on one text."""

    m: float
    """Rise of log P(positive tokens) − log P(negative tokens), mean over the text's positions, against unsteered."""
    loss_rise: float
    """Rise of the loss on the text's own tokens, as a share of the unsteered loss."""


def lane_effects(
    lanes: Sequence[Lane], site: Site, prompt: str, texts: Mapping[str, str], typical: Typical
) -> dict[str, LaneEffect]:
    """The effect of every steered lane on the prompt and what the unsteered lane of the same model wrote after it."""
    plain = {id(lane.model): lane for lane in reversed(lanes) if lane.vector is None}
    found: dict[str, LaneEffect] = {}
    for base in plain.values():
        chunks = chunk_documents([prompt + texts[base.key]], base.model.tokenizer, 512)
        unsteered = read_effect(base.model, site, None, chunks, typical)
        for lane in lanes:
            if lane.model is base.model and lane.vector is not None:
                steered = read_effect(lane.model, site, lane.vector, chunks, typical)
                found[lane.key] = LaneEffect(steered.m - unsteered.m, steered.loss / unsteered.loss - 1)
    return found


class State(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Snapshot:
    """What a job has to show at one moment."""

    state: State
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


class Job:
    """Streams some lanes from a thread of its own, and keeps what they have written. Starts at once."""

    def __init__(
        self, lanes: Sequence[Lane], site: Site, prompt: str, sampling: Sampling, typical: Typical | None = None
    ) -> None:
        self._lanes, self._site, self._sampling, self._typical = tuple(lanes), site, sampling, typical
        self._guard, self._halt = threading.Lock(), threading.Event()
        self._started = time.monotonic()
        self._now = Snapshot(State.RUNNING, prompt, {lane.key: "" for lane in lanes})
        self._thread = threading.Thread(target=self._work, name="steering", daemon=True)
        self._thread.start()

    def snapshot(self) -> Snapshot:
        """What there is to show now. Never waits for the models."""
        with self._guard:
            return self._now

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        return self.snapshot().state == State.RUNNING

    def stop(self) -> None:
        """Write nothing more, from this moment on; the thread ends after the token that it is at."""
        with self._guard:
            self._halt.set()
            if self._now.state == State.RUNNING:
                self._now = replace(self._now, state=State.STOPPED)

    def wait(self, timeout: float | None = None) -> Snapshot:
        """Wait for the thread to end, then what there is to show."""
        self._thread.join(timeout)
        return self.snapshot()

    @property
    def alive(self) -> bool:
        """Whether its thread still works."""
        return self._thread.is_alive()

    def _show(self, change: Callable[[Snapshot], Snapshot]) -> bool:
        """Replace the snapshot unless the job was stopped; whether to go on."""
        with self._guard:
            if self._halt.is_set():
                return False
            self._now = change(self._now)
            return True

    def _work(self) -> None:
        small = max(lane.model.d_model for lane in self._lanes) <= SMALL_WIDTH
        torch.set_num_threads(1 if small else _CORES)
        try:
            self._write()
        except InputError as error:
            message = str(error)
            self._show(lambda now: replace(now, state=State.FAILED, message=message))
        except Exception as error:  # a person must see that it failed, whatever it was
            logging.getLogger(__name__).exception("generation failed")
            message = f"the generation failed ({type(error).__name__}): try again, or choose another vector or prompt"
            self._show(lambda now: replace(now, state=State.FAILED, message=message))
        finally:
            # The number is this thread's own, but threads that start later inherit the one that was set last.
            torch.set_num_threads(_CORES)

    @torch.inference_mode()
    def _write(self) -> None:
        ends = {lane.key: lane.model.tokenizer.eos_token_id for lane in self._lanes}
        prompt = self._now.prompt
        for tokens in stream(self._lanes, self._site, prompt, self._sampling):
            texts = {t.key: t.text for t in tokens}
            ended = frozenset(t.key for t in tokens if t.ended and t.id == ends[t.key])
            count, seconds = len(tokens), time.monotonic() - self._started
            if not self._show(
                lambda now, texts=texts, ended=ended, count=count, seconds=seconds: replace(  # type: ignore[misc]
                    now,
                    texts={**now.texts, **texts},
                    ended=now.ended | ended,
                    tokens=now.tokens + count,
                    seconds=seconds,
                )
            ):
                return
        effects: dict[str, LaneEffect] = {}
        if self._typical is not None and self._sampling.new_tokens > 1:
            effects = lane_effects(self._lanes, self._site, prompt, self.snapshot().texts, self._typical)
        self._show(lambda now: replace(now, state=State.DONE, effects=effects))
