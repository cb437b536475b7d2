"""The training text as a stream: documents in their order, marks by a plain loop, windows of both kinds."""

import multiprocessing
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from explorer.text.tales import stories as tales
from explorer.training.recall_objective import MARK, RARE, marked, rare_tokens
from explorer.training.tales import stream as streams
from explorer.training.tales.stream import StreamFile, TokenStream
from explorer.training.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "t"
    train_tokenizer((d.text for d in tales.documents("train", 30)), 400, folder)
    return folder


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SHARD", 20)


def test_the_stream_is_the_documents_one_after_the_other(tmp_path: Path, tokenizer: Path) -> None:
    file = StreamFile(tmp_path / "stream", tokenizer)
    file.extend(1500, 1)
    stream = file.read(10**9)
    assert len(stream) >= 1500
    plain, count = stream.marked & (MARK - 1), len(stream.ends) - 1
    assert count % 20 == 0 and plain[0] == plain[-1] == 0
    reader = AutoTokenizer.from_pretrained(tokenizer)
    pieces = np.split(plain, stream.ends)[1:-1]
    texts = [reader.decode(piece[1:]) for piece in pieces]
    assert texts == [d.text for d in tales.documents("train", count)]


def test_marks_are_those_of_a_loop(tmp_path: Path, tokenizer: Path) -> None:
    file = StreamFile(tmp_path / "stream", tokenizer)
    file.extend(1500, 1)
    stream, reader = file.read(10**9), AutoTokenizer.from_pretrained(tokenizer)
    first = [reader(d.text, add_special_tokens=False)["input_ids"] for d in tales.documents("train", 20)]
    rare = {t for t in range(len(reader)) if sum(t in ids for ids in first) < RARE * len(first)}
    seen: set[int] = set()
    for number in stream.marked.tolist():
        token = number % MARK
        assert (number >= MARK) == (token in seen and token in rare)
        seen = set() if token == 0 else {*seen, token}
    assert 0 < int((stream.marked >= MARK).sum()) < len(stream) / 2


def test_a_vocabulary_without_room_for_the_mark_is_refused() -> None:
    assert rare_tokens([[1, 2, 1], [1], *[[3]] * 8], 5).tolist() == [True, False, True, False, True]
    with pytest.raises(ValueError, match="32768"):
        marked(np.array([1]), np.zeros(MARK + 1, dtype=bool))


def test_it_grows_and_goes_on_after_an_interruption(tmp_path: Path, tokenizer: Path) -> None:
    whole, parts = (StreamFile(tmp_path / name, tokenizer) for name in ("whole", "parts"))
    whole.extend(9_000, 1)
    parts.extend(1000, 1)
    with parts.path.open("ab") as file:
        np.arange(1, 40, dtype=np.uint16).tofile(file)  # half a shard
    parts.extend(9_000, 1)
    assert whole.path.read_bytes() == parts.path.read_bytes()
    whole.extend(3000, 1)
    assert whole.path.read_bytes() == parts.path.read_bytes(), "what is there is kept"


@pytest.mark.slow
def test_several_processes_write_the_same(tmp_path: Path, tokenizer: Path) -> None:
    rare = np.zeros(400, dtype=bool)
    with streams.shards(tokenizer, rare, 0, 1) as one, streams.shards(tokenizer, rare, 0, 2) as two:
        for _ in range(3):
            assert np.array_equal(next(one), next(two))


@pytest.mark.slow
def test_a_process_that_dies_ends_the_stream(tokenizer: Path) -> None:
    with streams.shards(tokenizer, np.zeros(400, dtype=bool), 0, 1) as made:
        next(made)
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(BrokenProcessPool):
            for _ in range(4):
                next(made)


def test_windows_begin_with_documents_and_anywhere() -> None:
    numbers = np.arange(1, 1001, dtype=np.uint16)
    numbers[::20] = 0
    stream = TokenStream(numbers)
    windows = stream.windows(4000, 30, np.random.default_rng(0))
    assert windows.shape == (4000, 30)
    assert (windows[:2000, 0] == 0).all()
    assert 0 < float((windows[2000:, 0] == 0).mean()) < 0.2
    for window in windows:
        first = int(window[window > 0][0]) - 1 - int(np.argmax(window > 0))
        assert np.array_equal(window, numbers[first : first + 30])
    assert windows.max() == 1000, "the last window ends with the stream"
    assert np.array_equal(windows, stream.windows(4000, 30, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="no window of 2000"):
        stream.windows(1, 2000, np.random.default_rng(0))
