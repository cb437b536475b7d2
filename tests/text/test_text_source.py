"""Text comes from files, the hub or the grammar; no more is read than is needed; what is wrong is said in one line."""

import errno
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from explorer.errors import InputError
from explorer.text import sources as text_source
from explorer.text.sources import SEPARATOR, read_text
from explorer.text.tales import stories as tales
from explorer.text.windows import TextReading, read_windows

WORDS = ["One day a fox came by.", "Two ships left the harbour.", "Three bells rang."]


def write(path: Path, documents: list[str]) -> Path:
    if path.suffix == ".txt":
        path.write_text(SEPARATOR.join(documents), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"id": i, "text": d}) for i, d in enumerate(documents)), encoding="utf-8")
    else:
        pd.DataFrame({"id": range(len(documents)), "text": documents}).to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.parquet"])
def test_documents_of_each_kind_of_file(name: str, tmp_path: Path) -> None:
    documents = [*WORDS, "   \n", "Zwölf Bäche. 狐"]
    found = read_text(str(write(tmp_path / name, documents)), 10_000)
    assert found.documents == (*WORDS, "Zwölf Bäche. 狐"), "documents without words are left out"
    assert (found.name, found.title, found.whole) == (str(tmp_path / name), name, True)


def test_a_text_without_separator_is_one_document(tmp_path: Path) -> None:
    path = tmp_path / "novel"
    path.write_text("\n\n".join(WORDS), encoding="utf-8")
    assert read_text(str(path), 10_000).documents == ("\n\n".join(WORDS),)


def test_separators_on_the_edge_of_a_block_are_found(tmp_path: Path) -> None:
    for before in range((1 << 20) - 15, (1 << 20) + 2, 4):
        path = tmp_path / "edge.txt"
        path.write_text("ä" + "x" * (before - 2) + SEPARATOR + "end", encoding="utf-8")
        found = read_text(str(path), 1 << 20).documents
        assert [len(d) for d in found] == [before - 1, 3]


class Endless:
    """A file without an end, which counts what is read of it."""

    def __init__(self, line: bytes) -> None:
        self.line, self.taken = line, 0

    def read(self, size: int) -> bytes:
        self.taken += size
        return (self.line * (size // len(self.line) + 1))[:size]

    def readline(self, size: int) -> bytes:
        self.taken += min(size, len(self.line))
        return self.line[:size]

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("name", "line"),
    [("big.txt", b"a fox "), ("big.txt", b"a fox <|endoftext|>"), ("big.jsonl", b'{"text": "a fox came by"}\n')],
)
def test_no_more_is_read_than_the_budget_needs(
    name: str, line: bytes, monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    file = Endless(line)
    monkeypatch.setattr(text_source, "_opened", lambda *_: file)
    found = read_text(name, 5_000)
    assert file.taken <= 2 << 20
    assert not found.whole
    assert sum(map(len, found.documents)) == 8 * 5_000
    assert int(read_windows(found.documents, tokenizer, TextReading(64)).own.sum()) >= 5_000


def test_without_a_file_the_text_is_held_out_tales(tokenizer: Any) -> None:
    found = read_text(None, 3_000)
    assert found.name == "tales"
    assert "Tales" in found.title
    assert found.documents[:3] == tuple(d.text for d in tales.documents("held-out", 3))
    assert int(read_windows(found.documents, tokenizer, TextReading(64)).own.sum()) >= 3_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "cannot read the text"),
        ("empty.txt", b"", "is empty: give at least one document"),
        ("blank.jsonl", b"\n\n", "is empty"),
        ("image.txt", b"\x89PNG\r\n", "is not UTF-8 text (byte 0x89)"),
        ("zeros.txt", b"\0" * 99, "is binary"),
        ("data.csv", b"a,b", "is of no kind that is read: give .txt"),
        ("bad.jsonl", b'{"text": "a"}\n{', "line 2 of"),
        ("list.jsonl", b"[1]", "no text in a field 'text': it has list"),
        ("column.jsonl", b'{"content": "a", "id": 3}', "no text in a field 'text': it has content, id"),
        ("number.jsonl", b'{"text": 3}', "no text in a field 'text'"),
        (
            "half.jsonl",
            rb'{"text": "a"}' b"\n" rb'{"text": "so \ud83d it goes"}',
            r"holds half a character (\ud83d at 3)",
        ),
        ("deep.jsonl", b"[" * 100_000, "line 1 of"),
        ("torn.parquet", b"PAR1 and nothing else", "is no readable parquet file"),
        ("hf://datasets/nobody/nothing/a.txt", None, "HF_HUB_OFFLINE is set"),
        ("hf://nonsense.txt", None, "cannot read 'hf://nonsense.txt' from the hub"),
    ],
)
def test_bad_text_is_one_line(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    where = name if name.startswith("hf://") else str(tmp_path / name)
    if content is not None:
        Path(where).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_text(where, 1000)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_with_other_columns(tmp_path: Path) -> None:
    for frame, message in (
        ({"content": ["a"], "id": [3]}, "has no column 'text': it has content, id; rename one"),
        ({"text": [3]}, "holds int64: it must hold text"),
    ):
        pd.DataFrame(frame).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match=message):
            read_text(str(tmp_path / "a.parquet"), 1000)


def test_a_parquet_file_of_bytes_that_are_no_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="is no readable parquet file: it is not UTF-8"):
        read_text(str(tmp_path / "a.parquet"), 1000)


def test_a_drive_that_breaks_off_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stale(io.RawIOBase):
        """A file on a drive that has gone."""

        def read(self, _size: int = -1) -> bytes:
            raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(text_source, "_opened", lambda *_: Stale())
    with pytest.raises(InputError, match=r"'far.txt' broke off while it was read \(Stale file handle\)"):
        read_text("far.txt", 100)


def test_a_directory_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory; give a txt, jsonl or parquet file"):
        read_text(str(tmp_path), 1000)
