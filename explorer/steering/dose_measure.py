"""Measure how every ready contrast and the strongest features of A steer B: all arms, doses and sites of a pair.

What a model does by itself (its own vectors, random directions) is read once and kept for all its pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import SiteMaps, haar
from explorer.models import LanguageModel, Site
from explorer.progress import Report, counted, silent
from explorer.sae import SAE
from explorer.steering.arms import CARRIED, COMPARED, Arm
from explorer.steering.dose_response import DOSES, ArmReadings, DoseResponse, dose_response
from explorer.steering.held_out_prompts import held_out_prompts
from explorer.steering.steered_prompts import SteeredPrompts, SteeredScores
from explorer.steering.strong_features import StrongFeature, strong_features
from explorer.steering.token_classes import TokenClasses, typical_tokens
from explorer.steering.vectors import ClassMeans, carry, contrast_vector, median_norm, native_vectors, unit
from explorer.text import Chunks, Corpus, ReadyContrast

RANDOM_DIRECTIONS = 20
NATIVE_CHUNKS = 200
"""Chunks of the fit split from which features' native vectors are taken."""


@dataclass(frozen=True)
class Question:
    """One vector of A at one site, and how its effect is read."""

    name: str
    """As links write it."""
    title: str
    """For people."""
    vector: Float[Tensor, " d"]
    """Unit vector of A."""
    native: Float[Tensor, " d"] | None
    """B's own, where it has one."""
    typical: TokenClasses
    """Classes of tokens."""
    head: int = -1
    """Which label head says what the vector is about; −1 for none."""


@dataclass(frozen=True)
class OwnContrast:
    """One ready contrast on one model."""

    plan: ReadyContrast
    """The contrast."""
    vector: Float[Tensor, " d"]
    """Unit difference of means on this model."""
    typical: TokenClasses
    """Tokens that tell the classes apart."""


def own_contrasts(model: LanguageModel, site: Site, corpus: Corpus, report: Report = silent) -> list[OwnContrast]:
    """Every ready contrast of a corpus on one model; `report` hears the share done before each, and may raise."""
    found, plans = [], corpus.contrasts()
    known: ClassMeans = {}
    for i, plan in enumerate(plans):
        report(f"contrasts in {model.name}", i / len(plans))
        contrast = corpus.contrast(plan.name)
        found.append(OwnContrast(plan, contrast_vector(model, site, contrast, known), typical_tokens(contrast, model)))
    return found


def contrast_question(source: OwnContrast, target: OwnContrast, head: int = -1) -> Question:
    """The same ready contrast on A and on B, read by B's classes of tokens."""
    name = f"contrast:{target.plan.name}"
    return Question(name, target.plan.title, source.vector, target.vector, target.typical, head)


class Steered:
    """A model at a site: the dose's unit, the prompts, and what has been read of it."""

    def __init__(self, model: LanguageModel, site: Site, corpus: Corpus, chunks: Chunks) -> None:
        self.site, self.norm = site, median_norm(model, site, chunks)
        prompts = held_out_prompts(corpus, model)
        self.prompts = SteeredPrompts(model, site, prompts, corpus.label_heads(prompts.ids))
        self._scale = torch.tensor(DOSES) * self.norm
        self._random = torch.stack([unit(r.float()) for r in haar(model.d_model, 77)[:RANDOM_DIRECTIONS]])

    def report_to(self, report: Report, step: str, questions: int) -> None:
        """After every batch of vectors tell the share of what so many questions read; `report` may raise."""
        total = len(DOSES) * (RANDOM_DIRECTIONS + questions * (len(CARRIED) + 1)) + questions + 1
        self.prompts.on_batch = counted(report, step, total)

    def read(self, vectors: Float[Tensor, "k d"], classes: Sequence[TokenClasses]) -> SteeredScores:
        """Every vector at every dose, vectors slowest."""
        return self.prompts.read((vectors[:, None] * self._scale[None, :, None]).flatten(0, 1), classes)

    def arms(
        self, vectors: Mapping[str, Float[Tensor, " d"]], typical: TokenClasses, head: int = -1
    ) -> dict[str, ArmReadings]:
        """Some unit vectors, by name, at every dose."""
        found = self.read(torch.stack(list(vectors.values())), [typical])
        return {
            name: ArmReadings(
                found.m[rows, 0].double().numpy(),
                found.loss[rows].double().numpy(),
                None if head < 0 else found.accuracy[rows, head].double().numpy(),
            )
            for name, rows in zip(vectors, _blocks(len(vectors)), strict=True)
        }

    def base(self, classes: Sequence[TokenClasses]) -> SteeredScores:
        """Unsteered."""
        return self.prompts.read(torch.zeros(1, self._random.shape[1]), classes)

    def random(self, classes: Sequence[TokenClasses], base: SteeredScores) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each pair of classes the effect and the loss rise of every random direction at every dose."""
        found = self.read(self._random, classes)
        rise = (found.loss.mean(1) / base.loss.mean() - 1).reshape(len(self._random), -1).double().numpy()
        change = (found.m - base.m).mean(2).reshape(len(self._random), len(DOSES), -1).double().numpy()
        return [(change[:, :, i], rise) for i in range(len(classes))]


def _blocks(count: int) -> list[slice]:
    return [slice(i * len(DOSES), (i + 1) * len(DOSES)) for i in range(count)]


def answer(
    steered: Steered,
    question: Question,
    fitted: SiteMaps,
    random: tuple[np.ndarray, np.ndarray],
    own: ArmReadings | None = None,
) -> DoseResponse:
    """One vector under every arm. `own`: readings of the native arm, where they are known already."""
    v, head = question.vector, question.head
    vectors = {str(arm): carry(v, arm, fitted) for arm in CARRIED}
    cosines: tuple[float | None, float | None] = (None, None)
    if question.native is not None:
        cosines = tuple(round(float(question.native @ vectors[a]), 4) for a in ("rotated", "raw"))  # type: ignore[assignment]
        if own is None:
            vectors["native"] = question.native
    readings = steered.arms(vectors, question.typical, head)
    if own is not None:
        readings["native"] = own
    base = steered.base([question.typical])
    ordered: dict[Arm, ArmReadings] = {arm: readings[arm] for arm in COMPARED if arm in readings}
    return dose_response(
        (question.name, question.title, steered.site.name),
        round(steered.norm, 4),
        ordered,
        (base.m[0, 0].double().numpy(), base.loss[0].double().numpy()),
        random,
        cosines,
        accuracy=None if head < 0 else round(float(base.accuracy[0, head]), 4),
    )


def measure_vector(steered: Steered, question: Question, fitted: SiteMaps, report: Report) -> DoseResponse:
    """One vector under every arm, with its own random band; `report` hears the share that is done, and may raise."""
    steered.report_to(report, "measuring", 1)
    random = steered.random([question.typical], steered.base([question.typical]))[0]
    return answer(steered, question, fitted, random)


@dataclass(frozen=True)
class _Own:
    """What a model at a site does with its own contrasts."""

    steered: Steered
    """The model at the site."""
    contrasts: list[OwnContrast]
    """Its contrast vectors."""
    readings: list[ArmReadings]
    """Their effects."""
    random: list[tuple[np.ndarray, np.ndarray]]
    """The band of each."""
    features: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]
    """The band of each prepared source's features, by source and number."""


class Measurer:
    """Measures the pairs of one study, and keeps what belongs to single models."""

    def __init__(self, corpus: Corpus, chunks: Chunks) -> None:
        self.corpus, self.chunks = corpus, chunks
        self._own: dict[tuple[str, Site], _Own] = {}
        self._steered: dict[tuple[str, Site], Steered] = {}
        self._contrasts: dict[tuple[str, Site], list[OwnContrast]] = {}
        self._features: dict[tuple[str, Site], list[StrongFeature]] = {}

    def prepare(self, source: LanguageModel, dictionaries: Mapping[Site, SAE]) -> None:
        """Choose a source's strongest features. Prepare every source first: then random directions are read once."""
        for site, sae in dictionaries.items():
            if (source.name, site) not in self._features:
                self._features[source.name, site] = strong_features(source, site, sae, self.corpus, self.chunks)

    def pair(
        self,
        source: LanguageModel,
        target: LanguageModel,
        fitted: Mapping[str, SiteMaps],
        dictionaries: Mapping[Site, SAE],
        report: Report = silent,
    ) -> list[DoseResponse]:
        """Every ready contrast and the strongest features at every site of the pair; site by site."""
        self.prepare(source, dictionaries)
        found: list[DoseResponse] = []
        sites = [s for s in target.sites if s.name in fitted]
        for i, site in enumerate(sites):
            report(f"steering {source.name} → {target.name}, {site.label}", i / len(sites))
            a, b = self.own(source, site), self.own(target, site)
            for theirs, ours, band, readings in zip(a.contrasts, b.contrasts, b.random, b.readings, strict=True):
                question = contrast_question(theirs, ours, self.head(ours.typical, b))
                found.append(answer(b.steered, question, fitted[site.name], band, readings))
            some = self._features.get((source.name, site), [])
            numbers, text = [f.number for f in some], self.chunks.split("fit")[slice(0, NATIVE_CHUNKS)]
            natives = native_vectors(source, target, dictionaries[site], numbers, site, text) if some else []
            for feature, native in zip(some, natives, strict=True):
                title = f"feature {feature.number}"
                question = Question(f"feature:{feature.number}", title, feature.vector, native, feature.typical)
                random = b.features.get((source.name, feature.number))
                if random is None:
                    random = b.steered.random([feature.typical], b.steered.base([feature.typical]))[0]
                found.append(answer(b.steered, question, fitted[site.name], random))
        return found

    def steered(self, model: LanguageModel, site: Site) -> Steered:
        """A model at a site, kept."""
        if (model.name, site) not in self._steered:
            self._steered[model.name, site] = Steered(model, site, self.corpus, self.chunks)
        return self._steered[model.name, site]

    def contrasts(self, model: LanguageModel, site: Site) -> list[OwnContrast]:
        """A model's own ready contrasts at a site, kept."""
        if (model.name, site) not in self._contrasts:
            self._contrasts[model.name, site] = own_contrasts(model, site, self.corpus)
        return self._contrasts[model.name, site]

    def own(self, model: LanguageModel, site: Site) -> _Own:
        """What a model does with its own contrasts at a site."""
        if (model.name, site) not in self._own:
            own = _Own(self.steered(model, site), self.contrasts(model, site), [], [], {})
            steered = own.steered
            for c in own.contrasts:
                own.readings.append(steered.arms({"native": c.vector}, c.typical, self.head(c.typical, own))["native"])
            features = {(s, f.number): f.typical for (s, at), fs in self._features.items() if at == site for f in fs}
            if every := [*(c.typical for c in own.contrasts), *features.values()]:
                bands = steered.random(every, steered.base(every))
                own.random.extend(bands[: len(own.contrasts)])
                own.features.update(zip(features, bands[len(own.contrasts) :], strict=True))
            self._own[model.name, site] = own
        return self._own[model.name, site]

    def head(self, typical: TokenClasses, own: _Own) -> int:
        """The label head that says what a pair of classes is about; −1 where none does."""
        heads = own.steered.prompts.heads
        least, most = int(typical.positive.min()), int(typical.positive.max())
        return next((i for i, h in enumerate(heads) if h.first <= least and most < h.last), -1)
