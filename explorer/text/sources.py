"""The text on which a pair is checked: a file (txt, jsonl, parquet), the same on the hub (hf://…), or held-out Tales.

No more is read than the token budget needs, however large the file is.
"""

from __future__ import annotations

import codecs
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

from explorer.errors import InputError
from explorer.files import user_path
from explorer.intake import explained
from explorer.models import check_characters
from explorer.progress import Report, silent
from explorer.text.bounded import Bytes, Metered, text_begun
from explorer.text.corpora import DEFAULT
from explorer.text.remote import Retries, files_on_hub, open_on_hub

SEPARATOR = "<|endoftext|>"
FIELD = "text"
TEXT, LINES, PARQUET = (".txt", ".text", ".md"), (".jsonl", ".ndjson"), (".parquet",)
GZIP = ".gz"
BLOCK = 1 << 20
"""Bytes that are read together."""
ESCAPED, MARGIN = 6, 1 << 20
"""Bytes of a character in JSON at the most, and of what may stand beside the text on a line."""
SPARSE = 256
"""How many times the budget is read at most where a file holds little text."""
LONGEST_CELL = 64 << 20
"""Bytes of a document of a parquet file."""
CHARACTERS_PER_TOKEN = 8
"""More than any tokenizer of ordinary text needs: the budget of characters is surely enough for that of tokens."""


@dataclass(frozen=True)
class TextSource:
    """Documents, and where they came from."""

    name: str
    """The file or address; where none was given, what study.json calls the corpus."""
    title: str
    """For people."""
    documents: tuple[str, ...]
    """As many as the budget of tokens needs."""
    whole: bool
    """Whether the end of the text was reached."""
    nulls: int = 0
    """How many records without a text were passed over."""
    retries: int = 0
    """How often a text that broke off was taken up again."""


def read_text(
    where: str | None, tokens: int, report: Report = silent, pause: Callable[[float], None] = time.sleep
) -> TextSource:
    """At least `tokens` tokens of text, if there are as many. Raises InputError for what holds no text to read.

    `report` hears of a text on the hub that broke off and was taken up again, after a `pause`.

    A txt file is split on <|endoftext|>, and is one document without it; jsonl and parquet have a field `text`.
    """
    budget = CHARACTERS_PER_TOKEN * tokens
    if where is None:
        documents, whole = _limited(DEFAULT.held_out(), budget)
        return TextSource(DEFAULT.kind, DEFAULT.title, documents, whole)
    path = user_path(where)
    files = [where]
    if where.startswith("hf://") and not _kind(where):
        files = _readable(files_on_hub(where), where)
    if any(_reader(file) is None for file in files):
        allowed = ", ".join((*TEXT, *LINES, *PARQUET))
        raise InputError(
            f"the text '{where}' is of no kind that is read: give {allowed}, packed by gzip or not, or hf://… with "
            "such an ending"
        )
    nulls: list[int] = []
    retries = Retries(report, pause)
    try:
        documents, whole = _limited(_documents(files, budget, nulls, retries), budget)
    except OSError as error:  # a disk or a network drive
        raise InputError(f"the text '{where}' broke off while it was read ({error.strerror}): try it again") from error
    if not documents:
        raise InputError(f"the text '{where}' is empty: give at least one document with words in it")
    title = where.removeprefix("hf://").removeprefix("datasets/") if where.startswith("hf://") else path.name
    return TextSource(where, title, documents, whole, sum(nulls), retries.count)


def _kind(where: str) -> str:
    """The ending of a file's name that says how it is read, without that of gzip; empty where it has none."""
    path = Path(where)
    ending = (path.with_suffix("") if path.suffix.lower() == GZIP else path).suffix.lower()
    return ending if ending in (*TEXT, *LINES, *PARQUET) else ""


def _reader(where: str) -> Callable[[Any, str, int, list[int]], Iterator[str]] | None:
    path = Path(where)
    ending = _kind(where) or (path.with_suffix("") if path.suffix.lower() == GZIP else path).suffix.lower()
    return {
        **dict.fromkeys((*TEXT, ""), _split),
        **dict.fromkeys(LINES, _lines),
        **dict.fromkeys(PARQUET, _parquet),
    }.get(ending)


def _readable(files: list[str], where: str) -> list[str]:
    """The files of a data set that hold its text: of one kind, parquet before lines before plain text."""
    for kinds in (PARQUET, LINES, TEXT[:-1]):
        if found := sorted(name for name in files if _kind(name) in kinds):
            # A data set keeps its splits apart: that for training is the largest.
            return [name for name in found if "train" in name.removeprefix(where)] or found
    held = ", ".join(name.removeprefix(where) for name in files[:6]) or "nothing"
    raise InputError(f"'{where}' holds no text that is read: {held}")


def _documents(files: Sequence[str], budget: int, nulls: list[int], retries: Retries) -> Iterator[str]:
    """The documents of several files, one after the other."""
    for where in files:
        reader = _reader(where)
        assert reader is not None
        with closing(_opened(where, user_path(where), retries)) as file:
            most = SPARSE * budget + SPARSE * MARGIN
            if where.lower().endswith(GZIP):
                if reader is _parquet:
                    raise InputError(f"'{where}' is parquet inside gzip, which must be unfolded to be read: unpack it")
                try:
                    with gzip.GzipFile(fileobj=file) as unfolded:
                        yield from reader(Metered(unfolded, where, most), where, budget, nulls)
                except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                    raise InputError(f"the text '{where}' is no whole gzip file: {error}") from error
            else:
                read = file if reader is _parquet else Metered(file, where, most)
                yield from reader(read, where, budget, nulls)


def _opened(where: str, path: Path, retries: Retries) -> IO[bytes]:
    if where.startswith("hf://"):
        return open_on_hub(where, retries)
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(
            f"cannot read the text '{where}': {error.strerror}; give a txt, jsonl or parquet file"
        ) from error


def _limited(documents: Iterator[str], budget: int) -> tuple[tuple[str, ...], bool]:
    """Documents with words in them up to a number of characters, and whether these are all."""
    found: list[str] = []
    for document in documents:
        if document.strip():
            found.append(document[:budget])
            budget -= len(found[-1])
        if budget <= 0:
            return tuple(found), False
    return tuple(found), True


def _split(file: Bytes, where: str, longest: int, _nulls: list[int]) -> Iterator[str]:
    """Documents of a text file. One that is longer than what is wanted of it is handed on in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    while True:
        block = file.read(BLOCK)
        try:
            rest += decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise InputError(f"the text '{where}' is not UTF-8 text (byte {error.object[error.start]:#04x})") from error
        if "\0" in rest:
            raise InputError(f"the text '{where}' is binary: give UTF-8 text")
        *done, rest = rest.split(SEPARATOR)
        yield from done
        if not block or len(rest) > longest:
            yield rest
            rest = ""
        if not block:
            return


def _lines(file: Bytes, where: str, longest: int, nulls: list[int]) -> Iterator[str]:
    most = ESCAPED * longest + MARGIN
    for number in count(1):
        line = file.readline(most)
        if not line:
            return
        if not line.strip():
            continue
        if len(line) == most and not line.endswith(b"\n"):
            text = text_begun(line, FIELD)
            if text is None:
                raise InputError(
                    f"line {number} of '{where}' has no text in a field '{FIELD}' within its first {most:,} bytes: put "
                    "that field first, or write a document a line"
                )
            yield text
            while (rest := file.readline(BLOCK)) and not rest.endswith(b"\n"):
                pass
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"line {number} of '{where}' is no JSON: each line must be an object") from error
        if isinstance(record, dict) and FIELD in record and record[FIELD] is None:
            nulls.append(1)
            continue
        if not isinstance(record, dict) or not isinstance(record.get(FIELD), str):
            has = ", ".join(map(str, record)) if isinstance(record, dict) else type(record).__name__
            raise InputError(f"line {number} of '{where}' has no text in a field '{FIELD}': it has {has[:120]}")
        check_characters(record[FIELD], f"line {number} of '{where}'")
        yield record[FIELD]


def _parquet(file: Any, where: str, longest: int, nulls: list[int]) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    try:
        # A column in pieces: the whole of one may be larger than what is wanted of it.
        table = pq.ParquetFile(file, buffer_size=BLOCK, pre_buffer=False)
        names = table.schema_arrow.names
        if FIELD not in names:
            raise InputError(f"'{where}' has no column '{FIELD}': it has {', '.join(names)[:120]}; rename one")
        kind = table.schema_arrow.field(FIELD).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)):
            raise InputError(f"the column '{FIELD}' of '{where}' holds {kind}: it must hold text")
        for batch in table.iter_batches(batch_size=_documents_at_once(table.metadata, where), columns=[FIELD]):
            rows += batch.num_rows
            if rows > longest + MARGIN:
                raise InputError(f"the text '{where}' holds next to no text in {rows:,} rows: leave out the empty ones")
            nulls.append(batch.column(0).null_count)
            yield from (document for document in batch.column(0).to_pylist() if document)
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:  # ValueError: text that is not UTF-8
        raise InputError(f"'{where}' is no readable parquet file: {explained(error)[:160]}") from error


def _documents_at_once(held: Any, where: str) -> int:
    """How many documents of a parquet file are unfolded together. Raises InputError for documents that are too long."""
    groups = [held.row_group(i) for i in range(held.num_row_groups)]
    # Of all columns: what a damaged file says of one of them ends the whole process where pyarrow is asked for it.
    longest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1) or 1
    if longest > LONGEST_CELL:
        raise InputError(
            f"the rows of '{where}' have {longest >> 20} MiB each, and those of parquet can only be read whole: "
            f"at most {LONGEST_CELL >> 20} MiB are; split them, or give txt or jsonl"
        )
    return int(max(1, min(256, BLOCK // longest)))
