"""What study.json says of its text; `explorer.text.corpora` opens it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextEntry:
    """The text on which a study is measured."""

    kind: str
    """Which corpus: one of `explorer.text.corpora.CORPORA`."""
    split: str
    """Split of the grammar that writes it; for a file its path, relative to the study: one {"text": …} a line."""
    documents: int
    """Number of documents."""
    context: int
    """Tokens in a chunk."""
    entropy: float | None = None
    """The grammar's exact −log P, nats per token of these documents: no model can be below it. None for a file."""
