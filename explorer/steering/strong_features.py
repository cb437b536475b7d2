"""The strongest features of a dictionary at a site: those that move what A predicts most, and the tokens they move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.models import LanguageModel, Site, residuals
from explorer.sae import SAE
from explorer.steering.held_out_prompts import held_out_prompts
from explorer.steering.steered_prompts import SteeredPrompts
from explorer.steering.token_classes import TokenClasses
from explorer.steering.vectors import median_norm, unit
from explorer.text import Chunks, Corpus

DOSE = 0.2
"""c at which A's own response decides strength and tokens."""
CHOOSING = 4
"""Prompts on which features are compared; not those on which they are judged."""
TOKENS = 20
LEAST_DENSITY = 1e-3
"""Share of tokens on which a feature must fire to be chosen."""
FEATURES = 4
"""How many features of each site are measured."""


@dataclass(frozen=True)
class StrongFeature:
    """A feature that moves A much."""

    number: int
    """Which feature."""
    vector: Float[Tensor, " d"]
    """Its unit decoder row."""
    typical: TokenClasses
    """The tokens that it raises and lowers most in A, on prompts other than those it is judged on."""


def moved_tokens(prompts: SteeredPrompts, vector: Float[Tensor, " d"], count: int = TOKENS) -> TokenClasses:
    """The tokens whose log-probability a vector (scaled by its dose) raises and lowers most, on some prompts of A.

    Weighted by the square root of the probability, so that frequent tokens go before ones that nobody would see.
    """
    plain, steered = (prompts.logits(v[None])[0, :, :-1].log_softmax(-1) for v in (torch.zeros_like(vector), vector))
    valid = prompts.prompts.predicted
    plain, steered = plain[valid], steered[valid]
    change = (steered - plain).mean(0).cpu()
    weight = ((plain.exp() + steered.exp()) / 2).mean(0).sqrt().cpu()
    order = (change * weight).argsort()
    return TokenClasses(order[-count:].flip(0), order[:count])


def strength(prompts: SteeredPrompts, vectors: Float[Tensor, "k d"]) -> Float[Tensor, " k"]:
    """Mean KL(steered‖unsteered) over the prompts, nats, of each vector (scaled by its dose)."""
    plain = prompts.logits(torch.zeros_like(vectors[:1])).log_softmax(-1)
    found = []
    for logits in prompts.batches(vectors):
        log_p = logits.log_softmax(-1)
        found.append((log_p.exp() * (log_p - plain)).sum(-1).flatten(1).mean(1))
    return torch.cat(found).cpu()


@torch.inference_mode()
def strongest(
    prompts: SteeredPrompts, sae: SAE, norm: float, alive: Int[Tensor, " k"], count: int
) -> Int[Tensor, " m"]:
    """Numbers of the features that move A most, strongest first."""
    vectors = sae.W_dec[alive] / sae.W_dec[alive].norm(dim=1, keepdim=True)
    return alive[strength(prompts, DOSE * norm * vectors).argsort(descending=True)[:count]]


@torch.inference_mode()
def firing(model: LanguageModel, site: Site, sae: SAE, chunks: Chunks) -> Int[Tensor, " k"]:
    """Features that fire on at least `LEAST_DENSITY` of the rows."""
    rows = residuals(model, chunks.ids, [site])[site][chunks.scored]
    density = (sae.to(model.device).encode(rows) > 0).float().mean(0).cpu()
    return torch.nonzero(density >= LEAST_DENSITY).squeeze(1)


def strong_features(source: LanguageModel, site: Site, sae: SAE, corpus: Corpus, chunks: Chunks) -> list[StrongFeature]:
    """The strongest features of A's dictionary at a site, and the tokens that they move in A."""
    prompts = held_out_prompts(corpus, source, made=True)
    norm = median_norm(source, site, chunks)
    few = SteeredPrompts(source, site, prompts[slice(0, CHOOSING)])
    chosen = strongest(few, sae, norm, firing(source, site, sae, chunks[slice(0, 64)]), FEATURES)
    every = SteeredPrompts(source, site, prompts)
    vectors = [unit(sae.W_dec[number]) for number in chosen.tolist()]
    return [
        StrongFeature(number, v, moved_tokens(every, DOSE * norm * v))
        for number, v in zip(chosen.tolist(), vectors, strict=True)
    ]
