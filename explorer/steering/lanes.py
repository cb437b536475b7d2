"""Live steering: what a person asks for, the lanes that it means, and the effect of each on what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import SiteMaps
from explorer.errors import InputError
from explorer.models import LanguageModel, Site, check_prompt, logit_effect
from explorer.steering.arms import Arm
from explorer.steering.decoding import Positions
from explorer.steering.generation import Lane
from explorer.steering.token_classes import TokenClasses, read_effect
from explorer.steering.vectors import carry
from explorer.text import TextReading, read_windows

MAX_DOSE = 0.8
NORM_DOCUMENTS = 64
"""Held-out documents from which the median norm is read: the first of the study's."""

PLAIN, STEERED = "source", "source+v"
"""Lanes of the source; those of the target are named after their arm."""

DEFAULT_LANES: tuple[Arm, ...] = ("raw", "rotated", "random")

FEATURE_TOKENS = 20
EFFECT_TOKENS = 512
"""How much of a lane's text its effect is read on."""


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
    """Of the source: a unit vector, or a weighted sum of some."""
    fitted: SiteMaps
    """Maps that carry it to the target."""
    norms: tuple[float, float]
    """Median norm of the source's and of the target's rows at the site: the units of the dose."""
    native: Float[Tensor, " d"] | None = None
    """The target's own vector for the same thing, where it has one: the same sum of its own unit vectors."""


def build_lanes(steering: Steering | Sequence[Steering], arms: Sequence[Arm], dose: float, seed: int = 0) -> list[Lane]:
    """A and A + v, then B under each arm, all at c median norms of the model that is steered.

    Several steerings are those of several sites, lowest first: every lane then has a vector for each of them.
    The random arm's direction is drawn from `seed`. Raises InputError for a dose outside ±MAX_DOSE and for a native
    arm without a native vector.
    """
    if not -MAX_DOSE <= dose <= MAX_DOSE:
        raise InputError(f"dose {dose} is outside −{MAX_DOSE} … {MAX_DOSE} median norms")
    if not isinstance(steering, Steering):
        parts = [build_lanes(s, arms, dose, seed + 1000 * i) for i, s in enumerate(steering)]
        return [_stacked(same) for same in zip(*parts, strict=True)]
    on_source, on_target = (dose * norm for norm in steering.norms)
    lanes = [Lane(PLAIN, steering.source), Lane(STEERED, steering.source, steering.vector * on_source)]
    for arm in arms:
        carried = None if arm == "none" else carry(steering.vector, arm, steering.fitted, steering.native, seed)
        lanes.append(Lane(arm, steering.target, None if carried is None else carried * on_target))
    return lanes


def _stacked(lanes: Sequence[Lane]) -> Lane:
    vectors = [lane.vector for lane in lanes if lane.vector is not None]
    return Lane(lanes[0].key, lanes[0].model, torch.stack(vectors) if vectors else None)


def feature_tokens(model: LanguageModel, vector: Float[Tensor, " d"]) -> TokenClasses:
    """The tokens whose logits a vector raises most and lowers most by the direct path: a feature's two classes."""
    effect = logit_effect(model, vector[None])[0].cpu()
    return TokenClasses(effect.topk(FEATURE_TOKENS).indices, (-effect).topk(FEATURE_TOKENS).indices)


@dataclass(frozen=True)
class LaneEffect:
    """What the vector of a lane does on one text."""

    m: float
    """Rise of log P(positive tokens) − log P(negative tokens), mean over the text's positions, against unsteered."""
    loss_rise: float
    """Rise of the loss on the text's own tokens, as a share of the unsteered loss."""


def lane_effects(
    lanes: Sequence[Lane],
    site: Site | Sequence[Site],
    prompt: str,
    texts: Mapping[str, str],
    typical: TokenClasses,
    positions: Positions = Positions.ALL,
) -> dict[str, LaneEffect]:
    """The effect of every steered lane on the prompt and what the unsteered lane of the same model wrote after it."""
    plain = {id(lane.model): lane for lane in reversed(lanes) if lane.vector is None}
    sites = [site] if isinstance(site, Site) else list(site)
    found: dict[str, LaneEffect] = {}
    for base in plain.values():
        reading = TextReading(min(EFFECT_TOKENS, base.model.window), base.model.begin)
        chunks = read_windows([prompt + texts[base.key]], base.model.tokenizer, reading)[slice(0, 1)].trimmed()
        where = positions.mask(torch.arange(chunks.ids.shape[1]), len(check_prompt(base.model, prompt)))
        unsteered = read_effect(base.model, sites, None, chunks, typical)
        for lane in lanes:
            if lane.model is base.model and lane.vector is not None:
                vectors = lane.vector.reshape(len(sites), 1, -1) * where[:, None]
                steered = read_effect(lane.model, sites, vectors, chunks, typical)
                found[lane.key] = LaneEffect(steered.m - unsteered.m, steered.loss / unsteered.loss - 1)
    return found
