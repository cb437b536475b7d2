"""What the bootstrap draws with replacement: documents of the test text, blocks, or groups of neighbours."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Int
from torch import Tensor

from explorer.alignment.results import BootstrapUnit, UnitKind
from explorer.text import Chunks

LEAST_DOCUMENTS, MOST_DOCUMENTS = 10, 400
BLOCK = 1024


def bootstrap_units(test: Chunks) -> tuple[Chunks, BootstrapUnit]:
    """The test text numbered by what the bootstrap draws, and what that is.

    Documents, or the blocks that take their place; blocks of 1,024 tokens where there are fewer than 10; groups of
    neighbours above 400, which bounds the memory.
    """
    _, order = test.document.unique(return_inverse=True)
    count = int(order.max()) + 1 if len(test) else 0
    blocks = test.in_blocks or count < LEAST_DOCUMENTS
    kind: UnitKind = "blocks of 1,024 tokens" if blocks else "documents"
    if count < LEAST_DOCUMENTS:
        order = (test.own.sum(1).cumsum(0) - 1) // BLOCK
    elif count > MOST_DOCUMENTS:
        order = grouped(order, count)
        kind = "groups of neighbouring blocks of 1,024 tokens" if blocks else "groups of neighbouring documents"
    return replace(test, document=order), BootstrapUnit(kind, int(order.max()) + 1 if len(test) else 0)


def grouped(order: Int[Tensor, "..."], count: int) -> Int[Tensor, "..."]:
    """The place of a document among `count`, or of its group of neighbours where they are too many."""
    return order * MOST_DOCUMENTS // count if count > MOST_DOCUMENTS else order
