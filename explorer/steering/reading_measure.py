"""Measure what one reads of every ready contrast on the pairs of a study; what belongs to a target is found once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import SiteMaps
from explorer.models import LanguageModel, Site
from explorer.progress import Report, part, silent
from explorer.steering.arms import CARRIED, Arm
from explorer.steering.dose_measure import Measurer, Steered
from explorer.steering.reading_shares import TURNED, ReadingShares
from explorer.steering.reading_trials import SuggestedDose, read_arms, suggest_dose
from explorer.steering.vectors import carry
from explorer.text import ClassReader, Corpus, ReadyContrast, learn_classes

RANDOM_DIRECTIONS = 4
"""Directions that the texts of the random arm have in turn."""


def readers(corpus: Corpus) -> list[tuple[int, ReadyContrast, ClassReader]]:
    """The ready contrasts whose classes can be read in a text, with their places in the corpus' list."""
    found = [(i, p, learn_classes(corpus.contrast(p.name), p.prompt)) for i, p in enumerate(corpus.contrasts())]
    return [(i, p, reader) for i, p, reader in found if reader is not None]


def read_vectors(
    v: Float[Tensor, " d"], native: Float[Tensor, " d"], fitted: SiteMaps
) -> dict[Arm, Float[Tensor, "n d"]]:
    """The unit vectors of every arm of `READ`, for one of the source and the target's own."""
    found: dict[Arm, Float[Tensor, "n d"]] = {"native": native[None]}
    found |= {arm: carry(v, arm, fitted)[None] for arm in CARRIED}
    return found | {"random": torch.stack([carry(v, "random", fitted, seed=s) for s in range(RANDOM_DIRECTIONS)])}


def read_contrast(
    names: tuple[str, str],
    suggested: SuggestedDose,
    steered: Steered,
    vectors: Mapping[Arm, Float[Tensor, "n d"]],
    reader: ClassReader,
    prompt: str,
    tick: Callable[[], None] = lambda: None,
) -> ReadingShares:
    """What one reads of one vector at one site. names: the vector's as links write it, and its title."""
    untouched, doses, arms = read_arms(steered, vectors, reader, prompt, tick)
    site, accuracy = steered.site.name, reader.accuracy
    # What a model writes anyway nobody can turn it to.
    dose = suggested.dose if untouched <= 1 - TURNED else None
    return ReadingShares(*names, site, prompt, accuracy, untouched, dose, doses, arms)


class ReadingMeasurer:
    """Reads the pairs of one study, with the vectors and prompts of its `Measurer`."""

    def __init__(self, measurer: Measurer) -> None:
        self.measurer = measurer
        self.readers = readers(measurer.corpus)
        self._suggested: dict[str, list[SuggestedDose]] = {}

    def pair(
        self, source: LanguageModel, target: LanguageModel, fitted: Mapping[str, SiteMaps], report: Report = silent
    ) -> list[ReadingShares]:
        """Every ready contrast whose classes can be read, at the site that the target's own vector suggests."""
        sites = [s for s in target.sites if s.name in fitted]
        found = []
        for k, (suggested, (i, plan, reader)) in enumerate(
            zip(self.suggested(target, sites, part(report, 0.0, 0.5)), self.readers, strict=True)
        ):
            report(f"reading {source.name} → {target.name}: {plan.title}", 0.5 + 0.5 * k / len(self.readers))
            site = suggested.site
            ours, theirs = (self.measurer.contrasts(m, site)[i].vector for m in (target, source))
            vectors = read_vectors(theirs, ours, fitted[site.name])
            steered, names = self.measurer.steered(target, site), (f"contrast:{plan.name}", plan.title)
            found.append(read_contrast(names, suggested, steered, vectors, reader, plan.prompt))
        return found

    def suggested(self, target: LanguageModel, sites: list[Site], report: Report = silent) -> list[SuggestedDose]:
        """Where and how strongly the target's own vector of each contrast turns what it writes."""
        if target.name not in self._suggested:
            steered = [self.measurer.steered(target, s) for s in sites]
            found = []
            for k, (i, plan, reader) in enumerate(self.readers):
                report(f"doses of {target.name}: {plan.title}", k / len(self.readers))
                vectors = [self.measurer.contrasts(target, s)[i].vector for s in sites]
                found.append(suggest_dose(steered, vectors, reader, plan.prompt))
            self._suggested[target.name] = found
        return self._suggested[target.name]
