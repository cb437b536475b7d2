"""Which models share weights: the seeds of the paper's cohort A read and write through A0's frozen weights."""

from __future__ import annotations

from explorer.study.study import Study

SHARED = "cohort A"
"""The cohort whose seeds have the same embedding and unembedding; in the others nothing is shared."""


def share_weights(study: Study, source: str, target: str) -> bool:
    """Whether two seeds have the same input and output weights, frozen while the rest was trained."""
    return study.model_entry(source).cohort == study.model_entry(target).cohort == SHARED


NOT_A_SEED = ("twin", "early", "untrained")
"""Kinds of models that stand in for something else than an independent seed."""
