"""The steering verdict of a check: the dose–response of every ready contrast at the middle site, where it makes sense.

The same rule as on the Steering page (`explorer.steering.dose_response`): signed areas, the random band, TE. Features and other
sites are left to that page, which measures one vector when it is asked to.
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.alignment import PairResult, SiteMaps
from explorer.models import LanguageModel, Site
from explorer.progress import Report
from explorer.steering import DoseResponse, OwnContrast, Steered, answer, contrast_question
from explorer.text import Chunks, Corpus

KNOWN = 1 / 3
"""Share of the unigram model's loss that both models' losses must stay below: who only writes English does not."""


def knows(loss: float, unigram: float) -> bool:
    """Whether a model of this loss has learned the text, by the unigram model's loss on it."""
    return loss <= KNOWN * unigram


def knows_text(result: PairResult) -> bool:
    """Whether both models have learned the text well enough for its contrasts to mean anything to them.

    Always, where no unigram loss was measured.
    """
    unigram = [s.stitch.source_to_target.unigram for s in result.sites if s.stitch is not None]
    f = result.function
    return not unigram or knows(max(f.loss_source, f.loss_target), unigram[0])


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
