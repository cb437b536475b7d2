"""Which models share weights: the seeds of the paper's cohort A read and write through A0's frozen weights."""

from __future__ import annotations

from explorer.study.study import Study

SHARED = "cohort A"
"""The cohort whose seeds have the same embedding and unembedding; in the others nothing is shared."""


def cohort(study: Study, model: str) -> str:
    """The cohort of a model, e.g. "cohort B"; empty for one of none."""
    first = study.model_entry(model).title.split(",")[0]
    return first if first.startswith("cohort ") else ""


def share_weights(study: Study, source: str, target: str) -> bool:
    """Whether two seeds have the same input and output weights, frozen while the rest was trained."""
    return cohort(study, source) == cohort(study, target) == SHARED


NOT_A_SEED = ("twin", "early", "untrained")
"""Kinds of models that stand in for something else than an independent seed."""
