"""What goes into a check, as entries of its study: the models and the text; and whether the pair can be assessed."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import ranks
from explorer.errors import InputError
from explorer.files import user_path
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.default_text import mean_loss
from explorer.text import DEFAULT, HELD_OUT, FileCorpus, TextEntry, write_texts

LEAST_DIFFERENT_PER_DIMENSION = 5
"""Rows to fit that must differ, for each dimension."""
LEAST_DOCUMENTS = 10
"""Documents of each split that must differ."""

if TYPE_CHECKING:
    from explorer.alignment import Grown, Lineage
    from explorer.models import LanguageModel, Site
    from explorer.progress import Report
    from explorer.study import ModelEntry, Study
    from explorer.text import Chunks, TextReading, TextSource


def agree_on_reading(models: list[LanguageModel], options: CheckOptions) -> TextReading:
    """How both models read the text, as the options say or as suits them; the source's tokenizer decides on a BOS.

    Both are told what stands before a document. Raises InputError for a context that one of them cannot read.
    """
    from explorer.models import begin_token
    from explorer.text import TextReading

    context = options.context or min(m.window for m in models)
    for model in models:
        if model.positions is not None and context > model.positions:
            raise InputError(
                f"--context {context}: {model.name} reads at most {model.positions} tokens; give fewer, or auto"
            )
    begin = begin_token(models[0].tokenizer, options.bos)
    for model in models:
        model.begin = begin
    return TextReading(context, begin)


def text_entry(
    text: TextSource, tokenizer: Any, reading: TextReading, options: CheckOptions, out: Path
) -> tuple[TextEntry, list[str]]:
    """The study's entry for the text, and its documents as far as the tokens reach."""
    from explorer.text import FEWEST_DOCUMENTS, read_windows

    windows = read_windows(text.documents, tokenizer, reading, options.budget)
    documents = list(text.documents[: int(windows.document.max()) + 1])
    if len(documents) < FEWEST_DOCUMENTS and (beyond := int(windows.own.sum()) - options.budget) > 0:
        # Few documents may be long ones: of the last no more is kept than the tokens that are wanted.
        last = int(windows.own[windows.document == len(documents) - 1].sum())
        documents[-1] = documents[-1][: max(1, round(len(documents[-1]) * (1 - beyond / last)))]
    kind, split = (DEFAULT.kind, HELD_OUT) if options.text is None else (FileCorpus.kind, "text.jsonl")
    if options.text is not None:
        write_texts(out / split, documents)
    bos = reading.bos is not None
    return TextEntry(kind, split, len(documents), reading.context, cut=False, bos=bos), documents


def text_words(text: TextSource, entry: TextEntry, reading: TextReading, tokenizer: Any, options: CheckOptions) -> str:
    """What was read, in words."""
    note = "" if options.text or options.insisted else "; for models trained on other text, give --text"
    begin = f", {tokenizer.decode([reading.bos])} before each document" if reading.bos is not None else ""
    return f"{text.title} ({entry.documents} documents, windows of {entry.context} tokens{begin}{note})"


def reading_notes(text: TextSource) -> list[str]:
    """What was unusual about reading the text and the models, a sentence each."""
    notes = []
    if text.nulls:
        records = "1 record of the text holds" if text.nulls == 1 else f"{text.nulls:,} records of the text hold"
        notes.append(f"{records} none and {'was' if text.nulls == 1 else 'were'} passed over")
    if text.retries:
        times = "once" if text.retries == 1 else f"{text.retries} times"
        notes.append(f"the text broke off {times} while it was read, and was taken up where it broke")
    if ranks.slices() > 1:
        notes.append(
            f"the models were split between {ranks.slices()} processes; how their weights are related was not looked for"
        )
    return notes


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
    from explorer.alignment import check_comparable
    from explorer.models import same_ids

    a, b = models
    check_comparable(a, b)
    if not same_ids(a, b, documents):
        raise InputError(
            "not assessable: the two models read this text as different token ids; a pair needs one tokenizer"
        )
    for model in models:
        model.check_ids(chunks.ids)
    _check_variety(chunks, a.d_model)
    for model in models:
        _check_loss(model, chunks[:1])


def read_until_settled(
    models: list[LanguageModel],
    hashes: list[str],
    study: Study,
    chunks: Chunks,
    options: CheckOptions,
    report: Report,
) -> Grown | None:
    """What must be read for the verdict, before anything is made that it does not need; None for a fixed text.

    Dictionaries are carried by R and scored on the test text, and R without pairs needs rows of other documents: for
    them the rest is read as well.
    """
    from explorer.alignment import grow

    if options.tokens is not None:
        return None
    given, whole = (hashes[0], hashes[1]), (options.sae, options.sae_target, options.pairs) != ("none", "none", "text")
    return grow(models[0], models[1], chunks, study.sites, given, report, options.massive, whole)


def weights_lineage(a: LanguageModel, b: LanguageModel) -> Lineage:
    """How the weights of two models are related: no text is read for it."""
    from explorer.alignment import tell_lineage

    return tell_lineage(a.weights, b.weights, a.embedding, b.embedding)


def _check_variety(chunks: Chunks, d: int) -> None:
    """Raise InputError for text that holds too few rows to fit, or too little that is different."""
    from explorer.alignment import LEAST_ROWS_PER_DIMENSION
    from explorer.text import different_documents, different_rows

    fit, *others = (chunks.split(split) for split in ("fit", "validation", "test"))
    rows, different = int(fit.scored.sum()), different_rows(fit)
    documents = [different_documents(part) for part in (fit, *others)]
    least, least_different = LEAST_ROWS_PER_DIMENSION * d, LEAST_DIFFERENT_PER_DIMENSION * d
    if rows < least or different < least_different or min(documents) < LEAST_DOCUMENTS:
        counts = f"{documents[0]}, {documents[1]} and {documents[2]}"
        raise InputError(
            f"not assessable: {rows} rows to fit, {different} of them different, where at least 20·d = {least} and "
            f"5·d = {least_different} are needed; {counts} different documents to fit, validate and test, where at "
            f"least {LEAST_DOCUMENTS} each are needed: give more text, or raise --tokens"
        )


def _check_loss(model: LanguageModel, window: Chunks) -> None:
    """Raise InputError if a model's loss on a window is no number: its weights are finite, what it computes is not."""
    loss = mean_loss(model, window)
    if bool(window.predicted.any()) and not math.isfinite(loss):
        raise InputError(f"not assessable: {model.name} computes a loss of {loss}: export it again")


def fingerprint(path: str | None) -> Mapping[str, Any] | str | None:
    """A file or folder by content as far as it is cheap: name, size and time of change."""
    if path in (None, "train", "none") or not user_path(path).exists():
        return path
    root = user_path(path).resolve()
    files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
    return {str(p): [p.stat().st_size, p.stat().st_mtime_ns] for p in files}


def lowered_note(
    models: list[LanguageModel], options: CheckOptions, chunks: Chunks, sites: list[Site], report: Report
) -> str:
    """Let both models compute in the precision of the options; says what that changes."""
    import torch

    from explorer.alignment import lower_pair, lowered_words

    a, b = models
    found = lower_pair(a, b, getattr(torch, options.dtype), chunks, sites, report, options.massive)
    return lowered_words(found, options.dtype)
