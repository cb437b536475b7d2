"""How every ready contrast of a source steers a target; what a model does by itself is read once for all its pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from explorer import effect
from explorer.contrast import ReadyContrast
from explorer.corpus import Chunks
from explorer.corpus_base import Corpus
from explorer.effect import ContrastEffect, Typical
from explorer.maps import haar
from explorer.models import LanguageModel
from explorer.site_maps import SiteMaps
from explorer.sites import Site
from explorer.steering import contrast_vector, median_norm, unit

DOSE = 0.4
RANDOM_DIRECTIONS = 20


@dataclass(frozen=True)
class OwnReading:
    """One contrast on one model: its vector, and the effects that need no other model."""

    plan: ReadyContrast
    """The contrast."""
    vector: Float[Tensor, " d"]
    """Unit difference of means on this model."""
    norm: float
    """The dose's unit: median residual norm."""
    prompts: Chunks
    """Held-out prompts on which effects are read."""
    typical: Typical
    """Tokens that tell the classes apart."""
    effect: float
    """m(c) − m(0) of the model's own vector."""
    random: tuple[float, ...]
    """m(c) − m(0) of random directions of the same norm."""


def read_own(
    model: LanguageModel,
    site: Site,
    chunks: Chunks,
    text: Corpus,
    report: Callable[[float], None] = lambda _share: None,
) -> list[OwnReading]:
    """Every ready contrast of a text on one model at one site, at the dose `DOSE`.

    `report` hears the share that is done before each of them, and may raise.
    """
    norm = median_norm(model, site, chunks)
    random = [unit(row.float()) for row in haar(model.d_model, 77)[:RANDOM_DIRECTIONS]]
    out = []
    for i, plan in enumerate(text.contrasts()):
        report(i / len(text.contrasts()))
        contrast = text.contrast(plan.name)
        typical = effect.typical_tokens(contrast, model)
        prompts = effect.neutral_prompts(text.contrast(plan.name, held_out=True), model)
        vector = contrast_vector(model, site, contrast)
        changes, _, _ = effect.effects(model, site, [vector, *random], norm, DOSE, prompts, typical)
        out.append(OwnReading(plan, vector, norm, prompts, typical, changes[0], tuple(changes[1:])))
    return out


def carried_effects(
    target: LanguageModel,
    site: Site,
    fitted: SiteMaps,
    source_own: list[OwnReading],
    target_own: list[OwnReading],
    *,
    report: Callable[[float], None] = lambda _share: None,
) -> list[ContrastEffect]:
    """The signed effect of the source's vectors on the target, by arm, beside the target's own and the random band."""
    out = []
    for i, (a, b) in enumerate(zip(source_own, target_own, strict=True)):
        report(i / len(source_own))
        v = a.vector
        rotated = fitted["rotated"].direction(v)
        arms = [v, rotated, fitted["affine"].direction(v), fitted["shuffled"].direction(v)]
        changes, losses, base = effect.effects(target, site, arms, b.norm, DOSE, b.prompts, b.typical)
        out.append(
            ContrastEffect(
                name=a.plan.name,
                title=a.plan.title,
                site=site.name,
                dose=DOSE,
                source=a.effect,
                native=b.effect,
                raw=changes[0],
                rotated=changes[1],
                affine=changes[2],
                shuffled=changes[3],
                random=b.random,
                loss_rise_rotated=losses[1] / base - 1,
                cosine_native_rotated=float(b.vector @ rotated),
                cosine_native_raw=float(b.vector @ v),
            )
        )
    return out
