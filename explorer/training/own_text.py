"""The text of one's own that `train --text` trains on: documents of files, the last of them held out for the check."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InputError
from explorer.text import SEPARATOR, read_text

HELD_OUT = 0.1
"""Share of the text that is not trained on: its last documents."""
FEWEST_CHARACTERS = 20_000
"""With less text there is nothing to learn but the text itself."""
_NAME, _DIGEST = "held-out.txt", "text.sha256"


@dataclass(frozen=True)
class TrainingText:
    """Documents to train on, and documents to check with."""

    documents: tuple[str, ...]
    """What the tokenizer, the models and the dictionaries are trained on."""
    held_out: tuple[str, ...]
    """What none of them sees."""

    @property
    def digest(self) -> str:
        """SHA-256 of all documents."""
        return hashlib.sha256("\0".join((*self.documents, *self.held_out)).encode()).hexdigest()

    def put_into(self, study: Path) -> None:
        """Write the held-out text into the study's folder. Raises InputError if that was begun with another text."""
        record = study / "work" / _DIGEST
        begun = (study / "work" / "tokenizer").exists()
        if begun and (not record.exists() or record.read_text(encoding="ascii").strip() != self.digest):
            raise InputError(f"'{study}' was begun with another text: name another folder with --out")
        held_out_of(study).write_text(SEPARATOR.join(self.held_out), encoding="utf-8")
        record.write_text(self.digest + "\n", encoding="ascii")


def held_out_of(study: Path) -> Path:
    """Where a study's held-out text lies."""
    return study / _NAME


def has_own_text(study: Path) -> bool:
    """Whether a study's folder was begun with a text of one's own."""
    return (study / "work" / _DIGEST).exists()


def read_training_text(paths: Sequence[str], tokens: int) -> TrainingText:
    """As much of the files as `tokens` tokens need. A single document is cut in two. Raises InputError."""
    documents = [document for path in paths for document in read_text(path, tokens).documents]
    characters = sum(map(len, documents))
    if characters < FEWEST_CHARACTERS:
        raise InputError(
            f"the text has {characters:,} characters: two seeds can only be trained on {FEWEST_CHARACTERS:,} or more"
        )
    held_out: list[str] = []
    wanted = round(HELD_OUT * characters)
    while wanted > 0:
        last = documents.pop()
        if len(last) > wanted:
            documents.append(last[:-wanted])
            last = last[-wanted:]
        held_out.append(last)
        wanted -= len(last)
    return TrainingText(tuple(documents), tuple(reversed(held_out)))
