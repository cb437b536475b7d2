"""Ready contrasts of Dyck-3: the paper's three steering vectors, each between two kinds of TOKENS of the same text.

Depth shift: tokens at depth 5 against tokens at depth 4. Sticky validity: tokens after a document broke against tokens
before, at one depth. Closer signal: closing against opening brackets. What a vector does is read from label tokens, in
which the model says depth, validity and bracket itself (see `explorer.text.dyck.heads`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Int

from explorer.text.contrast import Contrast, ReadyContrast, find_contrast
from explorer.text.dyck import language as dyck
from explorer.text.dyck.label_ids import COPY, DEPTH, VALIDITY

DOCUMENTS = 256
"""Documents from which a vector is made; as many others are held out for scoring."""
_MATCHED = 3
"""Depth at which broken tokens are compared with valid ones."""

_Where = Callable[[Int[np.ndarray, "n t"], dyck.Labels], Bool[np.ndarray, "n t"]]


@dataclass(frozen=True)
class DyckPlan(ReadyContrast):
    """Which tokens a contrast compares, and which labels it should raise and lower."""

    positive: _Where
    """Tokens of the positive class, given token ids and labels."""
    negative: _Where
    """Tokens of the negative class."""
    outcome: tuple[tuple[int, ...], tuple[int, ...]]
    """Label tokens whose probability is to rise and to fall."""


def _ids(part: slice) -> tuple[int, ...]:
    return tuple(range(part.start, part.stop))


PLANS = (
    DyckPlan(
        "deeper",
        "depth 4 → 5",
        "([{(",
        lambda tokens, labels: ~labels.broken & (labels.depth == 5) & (tokens > 0),
        lambda tokens, labels: ~labels.broken & (labels.depth == 4) & (tokens > 0),
        (_ids(DEPTH)[5:], _ids(DEPTH)[:5]),
    ),
    DyckPlan(
        "broken",
        "valid → broken",
        "([{}]",
        lambda tokens, labels: labels.broken & (labels.depth == _MATCHED) & (tokens > 0),
        lambda tokens, labels: ~labels.broken & (labels.depth == _MATCHED) & (tokens > 0),
        (_ids(VALIDITY)[1:], _ids(VALIDITY)[:1]),
    ),
    DyckPlan(
        "closer",
        "opener → closer",
        "([{",
        lambda tokens, labels: ~labels.broken & (tokens > 0) & (tokens % 2 == 0),
        lambda tokens, labels: ~labels.broken & (tokens % 2 == 1),
        (_ids(COPY)[1::2], _ids(COPY)[::2]),
    ),
)


@cache
def ready_contrast(name: str) -> Contrast:
    """A ready contrast. Raises InputError."""
    plan = find_contrast(PLANS, name)
    tokens = dyck.rows("example", DOCUMENTS)
    labels = dyck.label(tokens)
    texts = tuple(dyck.decode(row) for row in tokens)
    positive, negative = (
        tuple(tuple(np.flatnonzero(row).tolist()) for row in where(tokens, labels))
        for where in (plan.positive, plan.negative)
    )
    return Contrast(plan.name, plan.title, texts, texts, positive, negative, plan.outcome)
