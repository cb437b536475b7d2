"""Whether models have learned a text, by what its words alone would give. Without torch: pages say it."""

from __future__ import annotations

from explorer.alignment import PairResult

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
