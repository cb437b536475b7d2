"""No more of a text is read than the budget of tokens needs, whatever the file: lines, text, parquet, packed or not."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from explorer.errors import InputError
from explorer.text import sources as text_source
from explorer.text.bounded import text_begun
from explorer.text.sources import read_text


class Long:
    """A file of one line: what stands before the text, a text of a gigabyte, and how much of it was read."""

    def __init__(self, head: bytes, length: int = 1 << 30) -> None:
        self.head, self.left, self.taken = head, length, 0

    def readline(self, size: int) -> bytes:
        return self.read(size)

    def read(self, size: int) -> bytes:
        size = min(size, self.left)
        self.left, self.taken = self.left - size, self.taken + size
        begun, self.head = self.head[:size], self.head[size:]
        return (begun + b"a fox came by " * (size // 14 + 1))[:size]

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("name", ["big.jsonl", "big.txt"])
def test_a_line_of_a_gigabyte_is_not_read_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Long(b'{"id": 7, "meta": {"text": [1, "{"]}, "text": "' if name == "big.jsonl" else b"")
    monkeypatch.setattr(text_source, "_opened", lambda *_: file)
    tracemalloc.start()
    found = read_text(name, 5_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(map(len, found.documents)) == 8 * 5_000 and not found.whole
    assert found.documents[0].startswith("a fox came by a fox")
    assert file.taken <= 2 << 20 and peak < 16 << 20


def test_a_gigabyte_in_a_small_gzip_file_is_not_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b'{"text": "')
        for _ in range(64):
            file.write(b"a fox came by " * (1 << 20 >> 4))
        file.write(b'"}\n')
    tracemalloc.start()
    found = read_text(str(path), 5_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(map(len, found.documents)) == 8 * 5_000 and peak < 16 << 20


@pytest.mark.parametrize("ending", ["jsonl", "txt"])
def test_a_file_that_unfolds_to_nothing_is_given_up(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"empty.{ending}.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(300):
            file.write(b"\n" * (1 << 20))
    with pytest.raises(InputError, match="holds too little text: 256 MiB were read"):
        read_text(str(path), 10)


def test_a_text_that_begins_too_late_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    path.write_text(json.dumps({"meta": "x" * (3 << 20), "text": "a fox"}))
    with pytest.raises(InputError, match="no text in a field 'text' within its first 1,"):
        read_text(str(path), 1_000)


def test_cells_of_parquet_are_read_as_far_as_they_are_needed(tmp_path: Path) -> None:
    import pyarrow as pa

    path = tmp_path / "long.parquet"
    documents = ["a fox came by " * 70_000] * 100
    pd.DataFrame({"text": documents}).to_parquet(path, compression=None, row_group_size=100)
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    found = read_text(str(path), 1_000)
    assert sum(map(len, found.documents)) == 8_000
    assert pool.max_memory() - before < 32 << 20 or path.stat().st_size < 32 << 20


@given(st.text(max_size=60), st.integers(0, 400))
def test_the_beginning_of_a_text_is_read_from_the_beginning_of_its_record(text: str, cut: int) -> None:
    for escaped in (True, False):
        head = json.dumps({"n": [1, {"text": 2}], "text": ""}, ensure_ascii=escaped)[:-2]
        line = (head + json.dumps(text, ensure_ascii=escaped)[1:-1]).encode("utf-8", "surrogatepass")
        found = text_begun(line[: len(head) + cut], "text")
        assert found is not None and text.startswith(found)
        assert cut < len(line) - len(head) or found == text
