"""The corpora that studies are made of, in one table: a study's language is one class and its place here."""

from __future__ import annotations

from pathlib import Path

from explorer.errors import InputError
from explorer.text.corpus import Corpus
from explorer.text.dyck import Dyck3
from explorer.text.file_corpus import FileCorpus
from explorer.text.tales import Tales

CORPORA: dict[str, type[Corpus]] = {corpus.kind: corpus for corpus in (Tales, Dyck3, FileCorpus)}
"""By what study.json calls them. Shipped studies have the names of their corpora and are listed in this order."""
DEFAULT = Tales
"""What a check is made on where no text is given."""
TOY = Dyck3
"""The paper's toy: claims about its cohorts are measured on the shipped study of this corpus."""


def open_corpus(kind: str, split: str, size: int, folder: Path) -> Corpus:
    """The corpus that a study.json names. Raises InputError with those there are."""
    if kind not in CORPORA:
        raise InputError(f"this study's text is of kind '{kind}': this version reads {', '.join(CORPORA)}")
    return CORPORA[kind](split, size, folder)
