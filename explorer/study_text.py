"""The text of a study: generated anew by its grammar, with latent labels, or read from a file beside the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from explorer.errors import InputError
from explorer.files import write_bytes

if TYPE_CHECKING:
    from explorer.contrast import Contrast, ReadyContrast

GENERATED = ("tales", "dyck3")
"""Kinds of text that a grammar of this project writes; the only other kind is "file"."""


class TextDocument(Protocol):
    """A document with the latent labels of its tokens."""

    @property
    def text(self) -> str:
        """What the models read."""

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """Labels of each token, given the tokens' (start, end) character offsets."""


@dataclass(frozen=True)
class PlainDocument:
    """A document from a file: nobody knows its labels."""

    text: str

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """No label for any token."""
        return [{} for _ in offsets]


@dataclass(frozen=True)
class TextEntry:
    """The text on which a study is measured."""

    kind: str
    """tales or dyck3 (written by that grammar), or file."""
    split: str
    """Split of the grammar that writes it; for a file its path, relative to the study: one {"text": …} a line."""
    documents: int
    """Number of documents."""
    context: int
    """Tokens in a chunk."""
    entropy: float | None = None
    """The grammar's exact −log P, nats per token of these documents: no model can be below it. None for a file."""

    def read(self, folder: Path, count: int | None = None) -> list[TextDocument]:
        """The documents, or the first `count` of them. Raises InputError for a file that is missing or damaged."""
        wanted = self.documents if count is None else min(count, self.documents)
        if self.kind == "tales":
            from explorer import tales

            return list(tales.documents(self.split, wanted))
        if self.kind == "dyck3":
            from explorer import dyck

            return list(dyck.documents(self.split, wanted))
        if self.kind == "file":
            return list(read_texts(folder / self.split)[:wanted])
        raise InputError(f"this study's text is of kind '{self.kind}': this version reads {', '.join(GENERATED)}, file")

    def contrasts(self) -> tuple[ReadyContrast, ...]:
        """The ready contrasts that its labels allow; none for a file."""
        if self.kind == "tales":
            from explorer import contrasts

            return contrasts.PLANS
        if self.kind == "dyck3":
            from explorer import dyck_contrasts

            return dyck_contrasts.PLANS
        return ()

    def check_contrast(self, name: str) -> None:
        """Raise InputError with the names there are if there is no such ready contrast."""
        if name not in (names := [p.name for p in self.contrasts()]):
            raise InputError(f"no ready contrast '{name}': there are {', '.join(names) or 'none in this study'}")

    def contrast(self, name: str, held_out: bool = False) -> Contrast:
        """A ready contrast's texts; `held_out` gives those that no vector was made from. Raises InputError."""
        self.check_contrast(name)
        if self.kind == "dyck3":
            from explorer import dyck_contrasts

            return dyck_contrasts.ready_contrast(name, held_out)
        from explorer import contrasts

        return contrasts.ready_contrast(name, held_out)


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write the file of a study's text: one record a line."""
    write_bytes(path, b"".join(msgspec.json.encode({"text": text}) + b"\n" for text in texts))


def read_texts(path: Path) -> list[PlainDocument]:
    """The documents of a file that `write_texts` wrote. Raises InputError."""
    try:
        return msgspec.json.decode(b"[" + b",".join(path.read_bytes().splitlines()) + b"]", type=list[PlainDocument])
    except OSError as error:
        raise InputError(f"the study's text '{path}' cannot be read: {error.strerror}; make the study again") from error
    except msgspec.DecodeError as error:
        raise InputError(f"the study's text '{path}' is damaged: {error}; make the study again") from error
