"""What study.json says of its text; `explorer.text.corpora` opens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from explorer.intake import Place

MOST_DOCUMENTS, MOST_CONTEXT = 10_000_000, 1_000_000
"""Documents of a study's text, and tokens of a window."""


@dataclass(frozen=True)
class TextEntry:
    """The text on which a study is measured."""

    kind: str
    """Which corpus: one of `explorer.text.corpora.CORPORA`."""
    split: Place
    """Split of the grammar that writes it; for a file its path, relative to the study: one {"text": …} a line."""
    documents: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]
    """Number of documents."""
    context: Annotated[int, msgspec.Meta(ge=2, le=MOST_CONTEXT)]
    """Tokens of a window."""
    entropy: float | None = None
    """The grammar's exact −log P, nats per token of these documents: no model can be below it. None for a file."""
    cut: bool = True
    """Whether windows in mid-document lack their left context, as in studies of before 2.0."""
    bos: bool = False
    """Whether a token stands before every document: the tokenizer's BOS, or its end of text where it has none."""

    @property
    def begin(self) -> Literal["yes", "no"]:
        """`bos` as models are loaded with it."""
        return "yes" if self.bos else "no"
