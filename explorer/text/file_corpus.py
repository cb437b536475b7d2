"""A person's own text, as a study keeps it: a file of documents of which no label is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from explorer.files import write_bytes
from explorer.intake import decode_json, read_bytes
from explorer.models import check_characters
from explorer.text.corpus import Corpus, TextDocument

FEWEST_DOCUMENTS = 53
"""With fewer, one of the splits would hold fewer than 10: blocks then take the documents' place."""
REMEASURE = "delete this study and make it again"
MOST_BYTES = 4 << 30
"""Bytes of a study's text."""
_PROMPTS = 192
"""Documents from which prompts are taken: many may be shorter than a prompt."""


@dataclass(frozen=True)
class PlainDocument:
    """A document from a file: nobody knows its labels."""

    text: str

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """No label for any token."""
        return [{} for _ in offsets]


@dataclass(frozen=True)
class FileCorpus(Corpus):
    """The documents of a file in the study's folder: one {"text": …} a line."""

    kind: ClassVar[str] = "file"

    def documents(self, count: int | None = None) -> list[TextDocument]:
        """The documents, or the first `count`. Raises InputError for a file that is missing or damaged."""
        return list(read_texts(self.folder / self.split)[: self.size if count is None else min(count, self.size)])

    @property
    def in_blocks(self) -> bool:
        """Whether there are fewer than 53 documents."""
        return self.size < FEWEST_DOCUMENTS

    def prompts(self, held_out: bool = True) -> list[str]:
        """Documents of the test split; otherwise of the validation split."""
        from explorer.text.windows import split_of

        split = "test" if held_out else "validation"
        return [d.text for i, d in enumerate(self.documents()) if split_of(i) == split][:_PROMPTS]

    def files(self) -> list[str]:
        """The file."""
        return [self.split]


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write the file of a study's text: one record a line."""
    write_bytes(path, b"".join(msgspec.json.encode({"text": text}) + b"\n" for text in texts))


def read_texts(path: Path) -> list[PlainDocument]:
    """The documents of a file that `write_texts` wrote. Raises InputError."""
    lines = read_bytes(path, REMEASURE, MOST_BYTES).splitlines()
    found = decode_json(b"[" + b",".join(lines) + b"]", list[PlainDocument], path, REMEASURE)
    for number, document in enumerate(found, 1):
        check_characters(document.text, f"line {number} of '{path}'")
    return found
