"""The steering verdict of a check: the dose–response of every ready contrast at the middle site, where it makes sense.

The same rule as on the Steering page (`explorer.steering.dose_response`): signed areas, the random band, TE. Features and other
sites are left to that page, which measures one vector when it is asked to.
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.alignment import SiteMaps
from explorer.models import LanguageModel, Site
from explorer.progress import Report
from explorer.steering import DoseResponse, OwnContrast, Steered, answer, contrast_question
from explorer.text import Chunks, Corpus


def contrast_responses(
    target: LanguageModel,
    site: Site,
    fitted: SiteMaps,
    own: tuple[Sequence[OwnContrast], Sequence[OwnContrast]],
    corpus: Corpus,
    chunks: Chunks,
    report: Report,
) -> list[DoseResponse]:
    """The source's contrasts on the target under every arm and dose. `own`: each model's own vectors.

    `report` hears the share that is done after every batch of vectors, and may raise.
    """
    steered = Steered(target, site, corpus, chunks)
    steered.report_to(report, "dose–response of contrasts", len(own[1]))
    classes = [b.typical for b in own[1]]
    # One set of random directions serves every contrast.
    bands = steered.random(classes, steered.base(classes))
    return [answer(steered, contrast_question(a, b), fitted, band) for a, b, band in zip(*own, bands, strict=True)]
