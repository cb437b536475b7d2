"""What goes into a check, as entries of its study: the models and the text; and whether the pair can be assessed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import InputError
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.text import DEFAULT, HELD_OUT, FileCorpus, TextEntry, write_texts

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.study import ModelEntry
    from explorer.text import Chunks, TextSource


def text_entry(text: TextSource, tokenizer: Any, options: CheckOptions, out: Path) -> tuple[TextEntry, list[str]]:
    """The study's entry for the text, and its documents as far as the tokens reach."""
    from explorer.text import chunk_documents

    pieces = list(text.documents)
    if options.text is not None:
        pieces = _blocks(text, tokenizer)
    chunks = chunk_documents(pieces, tokenizer, options.context, options.tokens)
    pieces = pieces[: int(chunks.document.max()) + 1]
    if options.text is None:
        return TextEntry(DEFAULT.kind, HELD_OUT, len(pieces), options.context), pieces
    write_texts(out / "text.jsonl", pieces)
    return TextEntry(FileCorpus.kind, "text.jsonl", len(pieces), options.context), pieces


def _blocks(text: TextSource, tokenizer: Any) -> list[str]:
    """The documents; where they are few, their blocks of 1,024 tokens, cut at the same characters."""
    from explorer.text import BLOCK, FEWEST_DOCUMENTS

    if len(text.documents) >= FEWEST_DOCUMENTS:
        return list(text.documents)
    out = []
    for document in text.documents:
        offsets = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        starts = [offsets[i][0] for i in range(0, len(offsets), BLOCK)]
        out += [document[i:j] for i, j in zip(starts, [*starts[1:], None], strict=True)]
    return [piece for piece in out if piece.strip()]


def model_entries(
    given: tuple[Checkpoint, Checkpoint], places: list[Path], hashes: list[str], copied: bool, out: Path
) -> tuple[ModelEntry, ...]:
    """The study's entries for both models, which stay where they are unless they are to be copied."""
    from explorer.study import ModelEntry

    entries = []
    for name, place, sha, checkpoint in zip(("A", "B"), places, hashes, given, strict=True):
        path = str(place.resolve())
        if copied:
            path = f"models/{name}"
            _copy_model(place, out / path)
        title = checkpoint.place + (f" at {checkpoint.revision}" if checkpoint.revision else "")
        entries.append(ModelEntry(name, "seed", title, path, sha, 0, float("nan")))
    return tuple(entries)


def _copy_model(place: Path, into: Path) -> None:
    """What loading needs: configuration, tokenizer, weights."""
    into.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        if path.suffix in (".json", ".safetensors", ".txt", ".model"):
            shutil.copy2(path, into / path.name)


def check_assessable(models: list[LanguageModel], documents: list[str], chunks: Chunks) -> None:
    """Rule 1 of the verdict, as far as it can be told before anything is measured. Raises InputError."""
    from explorer.alignment import LEAST_ROWS_PER_DIMENSION, check_comparable
    from explorer.models import same_ids

    a, b = models
    check_comparable(a, b)
    if not same_ids(a, b, documents):
        raise InputError(
            "not assessable: the two models read this text as different token ids; a pair needs one tokenizer"
        )
    for model in models:
        model.check_ids(chunks.ids)
    rows = {split: int(chunks.split(split).scored.sum()) for split in ("fit", "validation", "test")}
    least = LEAST_ROWS_PER_DIMENSION * a.d_model
    if rows["fit"] < least or not rows["validation"] or not rows["test"]:
        raise InputError(
            f"not assessable: {rows['fit']} rows to fit, at least 20·d = {least} are needed, and some to validate "
            f"({rows['validation']}) and to test ({rows['test']}): give more text, or raise --tokens"
        )
