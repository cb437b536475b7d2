"""Several processes measure what one measures: tiny models, gloo, ranks with unequal shares of the text."""

import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import rank_work
import tiny
import torch

WORK = Path(__file__).with_name("rank_work.py")


class Reader:
    """Where the tokenizer of every rank lies, and who starts them."""

    def __init__(self, tokenizer: Path, server: "subprocess.Popen[str]") -> None:
        self.tokenizer, self.server = tokenizer, server

    def started(self, count: int, out: Path, *work: str, **environment: str) -> list[tuple[int, str]]:
        """Exit code and stderr of each of so many ranks."""
        with socket.socket() as found:
            found.bind(("localhost", 0))
            port = str(found.getsockname()[1])
        shared = {**environment, "MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
        does = [work[0], str(self.tokenizer), str(out), *work[1:]]
        group = [({**shared, "RANK": str(i), "LOCAL_RANK": str(i)}, does) for i in range(count)]
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps(group) + "\n")
        return [(code, said) for code, said in json.loads(self.server.stdout.readline())]


@pytest.fixture(scope="module")
def reader(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    tests = WORK.parent.parent
    places = os.pathsep.join(map(str, (tests.parent, tests, tests / "sae")))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    settings = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-W", "ignore", str(WORK)], env=settings, **pipes) as server:
        yield Reader(folder, server)
        server.kill()


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested results, by its place; how long it took is none."""
    if is_dataclass(value):
        yield from (
            x for f in fields(value) if f.name != "seconds" for x in numbers(getattr(value, f.name), f"{name}.{f.name}")
        )
    elif isinstance(value, dict):
        yield from (x for key, inner in value.items() for x in numbers(inner, f"{name}.{key}"))
    elif isinstance(value, list | tuple):
        yield from (x for i, inner in enumerate(value) for x in numbers(inner, f"{name}.{i}"))
    elif isinstance(value, torch.Tensor):
        yield name, value
    elif hasattr(value, "items"):
        yield from numbers(dict(value.items()), name)
    else:
        yield name, value


def assert_equal(one: Any, many: Any, within: float) -> None:
    first, second = dict(numbers(one)), dict(numbers(many))
    assert first.keys() == second.keys()
    assert len(first) > 3
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            scale = max(1.0, float(value.nan_to_num().abs().max()) if value.numel() else 1.0)
            difference = (value.double() - second[name].double()).nan_to_num().abs()
            assert not difference.numel() or float(difference.max()) <= within * scale, name
        elif isinstance(value, float):
            assert second[name] == pytest.approx(value, abs=within, rel=within, nan_ok=True), name
        else:
            assert second[name] == value, name


def alone(tokenizer: Any, work: str, *arguments: str) -> Any:
    """What one process finds that nobody started as a rank: this one."""
    return getattr(rank_work, work)(tokenizer, *arguments)


def found(count: int, reader: Reader, folder: Path, *work: str, **environment: str) -> Any:
    out = folder / f"{count}.pickle"
    ended = reader.started(count, out, *work, **environment)
    assert ended == [(0, "")] * count
    return pickle.loads(out.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize(("count", "windows"), [(2, "130"), (3, "70")], ids=["many batches", "a rank without any"])
def test_several_ranks_measure_what_one_measures(
    count: int, windows: str, reader: Reader, tokenizer: Any, tmp_path: Path
) -> None:
    one = alone(tokenizer, "pair", windows)
    assert one[0].rows.dropped > 0
    assert_equal(one, found(count, reader, tmp_path, "pair", windows), 1e-5)


@pytest.mark.slow
def test_several_ranks_stop_reading_where_one_stops(reader: Reader, tokenizer: Any, tmp_path: Path) -> None:
    one = alone(tokenizer, "grown", "500")
    read = one[0].read
    assert read.portions > 1, "sums of several portions are what may go wrong"
    assert one[0].rows.dropped > 0
    assert_equal(one, found(3, reader, tmp_path, "grown", "500"), 1e-5)


@pytest.mark.slow
def test_the_first_rank_keeps_the_cache_for_all(reader: Reader, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = found(2, reader, tmp_path, "pair", "70", CACHE=cache)
    kept = {p: p.stat().st_mtime_ns for p in Path(cache).rglob("*") if p.is_file()}
    assert kept
    assert not [p for p in kept if p.suffix == ".partial"]
    assert_equal(first, found(2, reader, tmp_path, "pair", "70", CACHE=cache), 1e-6)
    assert {p: p.stat().st_mtime_ns for p in Path(cache).rglob("*") if p.is_file()} == kept


@pytest.mark.slow
def test_gradients_are_those_of_all_ranks(reader: Reader, tokenizer: Any, tmp_path: Path) -> None:
    assert_equal(alone(tokenizer, "gradients"), found(3, reader, tmp_path, "gradients"), 1e-5)


@pytest.mark.slow
def test_ranks_train_the_dictionary_that_one_trains(reader: Reader, tokenizer: Any, tmp_path: Path) -> None:
    one = alone(tokenizer, "dictionary", "130")
    assert_equal(one, found(2, reader, tmp_path, "dictionary", "130"), 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_a_model_split_between_two_ranks_computes_the_same(
    family: str, reader: Reader, tokenizer: Any, tmp_path: Path
) -> None:
    folder = str(tiny.save(family, tokenizer, tmp_path / "model"))
    assert_equal(alone(tokenizer, "split", folder), found(2, reader, tmp_path, "split", folder), 1e-5)


@pytest.mark.slow
def test_a_model_that_cannot_be_split_is_refused_in_one_line(reader: Reader, tokenizer: Any, tmp_path: Path) -> None:
    folder = str(tiny.save("gpt2", tokenizer, tmp_path / "model"))
    ended = reader.started(2, tmp_path / "out", "split", folder)
    assert [code for code, _ in ended] == [2, 2]
    said = "".join(said for _, said in ended)
    assert said.count("\n") == 1
    assert "without --split-models" in said


@pytest.mark.slow
@pytest.mark.parametrize("which", ["0", "1", "2"])
def test_one_rank_that_fails_speaks_for_all(which: str, reader: Reader, tmp_path: Path) -> None:
    ended = reader.started(3, tmp_path / "out", "dies", "failed", which)
    assert [code for code, _ in ended] == [2, 2, 2]
    assert "".join(said for _, said in ended) == "error: only this rank fails\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_others_with_one_line(reader: Reader, tmp_path: Path) -> None:
    ended = reader.started(3, tmp_path / "out", "dies", "killed")
    assert [code for code, _ in ended] == [2, 2, -9]
    said = "".join(said for _, said in ended)
    assert said.count("\n") == 1
    assert said.startswith("error: another process of this run ended before its work was done")
    assert not (tmp_path / "out").exists()
