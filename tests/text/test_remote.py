"""Text on the hub: what breaks while it streams is one line. A little hub of our own serves it on this machine."""

import gzip
import io
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from stand_in import Repository, serving

from explorer.errors import InputError
from explorer.pipeline.check_inputs import reading_notes
from explorer.text.remote import PILE
from explorer.text.sources import read_text

ROOT = Path(__file__).resolve().parents[2]
CUT = 1 << 20
"""From this byte on, what should come does not."""


class TextHub(ThreadingHTTPServer):
    """Serves files of the data set us/words; those named cut… break off after `CUT` bytes."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        super().__init__(("127.0.0.1", 0), _TextAnswer)


class _TextAnswer(BaseHTTPRequestHandler):
    server: TextHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def reply(self, code: int, body: bytes, sent: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:sent])
        self.close_connection = sent is not None

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        files = {n: {"type": "file", "path": n, "size": len(b), "oid": "b" * 40} for n, b in self.server.files.items()}
        if path.startswith("/api"):
            body = (
                list(files.values())
                if "/paths-info/" in path or "/tree/" in path
                else {"id": "us/words", "sha": "a" * 40}
            )
            return self.reply(200, json.dumps(body).encode(), Content_Type="application/json")
        name = path.rpartition("/")[2]
        data = self.server.files[name]
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last or len(data)) + 1]
        cut = name.startswith("cut") and int(first) + len(part) > CUT
        sent = max(0, CUT - int(first)) if cut else None
        return self.reply(206, part, sent, ETag='"c"', Content_Range=f"bytes {first}-{last or len(data)}/{len(data)}")


def told(files: dict[str, bytes], home: Path) -> list[str]:
    """What reading each file of the hub gives in a fresh process: its number of characters, or the reason why not."""
    server = TextHub(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = f"""
import time
sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds / 100)  # between two tries
from explorer.errors import InputError
from explorer.text.sources import read_text
for name in {list(files)}:
    try:
        print(sum(map(len, read_text("hf://datasets/us/words/" + name, 3_000_000).documents)))
    except InputError as error:
        print(error)
"""
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(home)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    server.shutdown()
    server.server_close()
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same documents as lines and as a table, and the lines once more, to be cut."""
    documents = [f"{i} " + "a fox came by. " * 100 for i in range(1500)]
    lines = "\n".join(json.dumps({"text": d}) for d in documents).encode()
    path = tmp_path_factory.mktemp("table") / "a.parquet"
    pd.DataFrame({"text": documents}).to_parquet(path, compression=None, row_group_size=500)
    found = {"whole.jsonl": lines, "whole.parquet": path.read_bytes(), "cut.jsonl": lines}
    assert all(len(data) > 2 * CUT for data in found.values())
    return found


@pytest.mark.slow
def test_a_hub_that_breaks_off_is_one_line(files: dict[str, bytes], tmp_path: Path) -> None:
    lines, table, cut = told(files, tmp_path / "home")
    assert lines == table
    assert int(lines) > 2 * CUT
    assert cut.startswith("the text 'hf://datasets/us/words/cut.jsonl' broke off while it was read (")
    assert cut.endswith(" times) did not help: run it again, or fetch the file and give its path")
    assert "asking again (5 times)" in cut, "the hub's library asks five times by itself"


class Breaking(io.BytesIO):
    """A file whose connection breaks after `CUT` bytes: with an error, or with silence."""

    def __init__(self, data: bytes, silent: bool) -> None:
        super().__init__(data)
        self.size, self.silent = len(data), silent

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < CUT:
            return super().read(min(size or 0, CUT - self.tell()))
        if self.silent:
            return b""
        raise ConnectionResetError("reset\nby the peer")


@pytest.mark.parametrize("name", ["whole.jsonl", "whole.parquet"])
@pytest.mark.parametrize("silent", [True, False])
def test_a_read_that_breaks_off_is_one_line(
    name: str, silent: bool, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = SimpleNamespace(open=lambda: Breaking(files[name], silent))
    monkeypatch.setattr("fsspec.open", lambda *_: opened)
    with pytest.raises(InputError) as caught:
        read_text(f"hf://datasets/us/words/{name}", 1_000_000, pause=lambda _seconds: None)
    why = "never came" if silent else "(reset)"
    assert f"the text 'hf://datasets/us/words/{name}' broke off while it was read (" in str(caught.value)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """A data set as the hub stores one: two parquet files of the newer kinds of columns, some without a text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "pile"
    (folder / "data").mkdir(parents=True)
    texts = [["first", None, "second"], ["third", "first"]]
    kinds = (pa.array(texts[0], pa.string_view()), pa.array(texts[1]).dictionary_encode())
    for i, column in enumerate(kinds):
        pq.write_table(pa.table({"text": column}), folder / "data" / f"train-0000{i}-of-00002.parquet")
    pq.write_table(pa.table({"text": ["test"]}), folder / "data" / "test-00000-of-00001.parquet")
    (folder / "README.md").write_text("# A pile")
    return folder


def test_a_data_set_is_read_by_its_name(pile: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "README.md").write_text("nothing")
    repositories = {
        "datasets/NeelNanda/pile-10k": Repository({"main": pile}),
        "datasets/us/empty": Repository({"main": empty}),
        "datasets/us/limited": Repository(status=429, message="We had to rate limit your IP"),
    }
    with serving(repositories, tmp_path / "home"):
        found = read_text(PILE, 1_000)
        assert found.documents == ("first", "second", "third", "first")
        assert (found.nulls, found.title) == (1, "NeelNanda/pile-10k")
        with pytest.raises(InputError, match=r"holds no text that is read: /README.md"):
            read_text("hf://datasets/us/empty", 100)
        with pytest.raises(InputError, match=r"no data set|none of that name"):
            read_text("hf://datasets/us/nothing", 100)


@pytest.mark.parametrize("name", ["whole.jsonl", "whole.parquet"])
def test_a_connection_cut_in_the_middle_is_taken_up_again(
    name: str, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds, sleep=time.sleep: sleep(seconds / 100))
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / name).write_bytes(files[name])
    whole = read_text(str(folder / name), 3_000_000)
    cut = Repository({"main": folder}, breaks=[5_000, 200_000, 70_000])
    told = list[str]()
    with serving({"datasets/us/words": cut}, tmp_path / "home"):
        found = read_text(
            f"hf://datasets/us/words/{name}", 3_000_000, lambda step, _share: told.append(step), time.sleep
        )
    assert cut.breaks == [], "every cut came"
    assert found.documents == whole.documents
    assert found.retries == len(told) == 3, "counted, though the hub's library asked again by itself"
    assert all(step.startswith("the text broke off after byte ") and "\n" not in step for step in told)
    assert reading_notes(found) == ["the text broke off 3 times while it was read, and was taken up where it broke"]


def test_packed_files_and_records_without_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    data = b'{"text": "one"}\n{"text": null}\n{"text": "two"}\n'
    path.write_bytes(gzip.compress(data))
    found = read_text(str(path), 100)
    assert (found.documents, found.nulls) == (("one", "two"), 1)
    path.write_bytes(gzip.compress(data)[:-12])
    with pytest.raises(InputError, match="no whole gzip file"):
        read_text(str(path), 100)
