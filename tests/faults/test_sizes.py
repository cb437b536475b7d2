"""What a file says of its size is bounded by the file, and by what this program can use, before anything is made of it.

Each file is read in a process whose memory the system bounds: one that believes the file ends with a MemoryError, or is
ended by the limit of its processor time.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.loaders import gguf, small_study

from explorer.study import SHIPPED

PROJECT = Path(__file__).parent.parent.parent
ROOM, SECONDS = 1 << 30, 60
"""Bytes that may be taken beyond the libraries, and seconds of processor time."""

SERVER = """
import json, os, resource, sys, traceback
import torch, transformers, pandas, pyarrow.parquet, safetensors.torch  # the libraries count for nothing
from pathlib import Path
from transformers.models.llama import modeling_llama
from explorer.errors import InputError
from explorer.models import load_model, read_shape
from explorer.sae.formats import load_sae
from explorer.steering import load_vector
from explorer.study import open_study
torch.set_num_threads(1)

def bounded(read, path):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + {room},) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(sum(os.times()[:2])) + {seconds},) * 2)
    try:
        exec(read, {{"path": path}})
        print("read")
    except InputError as error:
        print("refused:", error)

for line in sys.stdin:
    read, path, said = json.loads(line)
    if (child := os.fork()) == 0:
        with open(said, "w") as sys.stdout:
            try:
                bounded(read, Path(path))
            except BaseException:
                traceback.print_exc(file=sys.stdout)
                sys.stdout.flush()
                os._exit(1)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""

Outcome = Callable[[str, Path], str]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """What a bounded process says when it reads a file. Each file has its own, a fork of one that has the libraries."""
    said = tmp_path_factory.mktemp("said") / "said"
    program = SERVER.format(room=ROOM, seconds=SECONDS)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, text=True, bufsize=1, **pipes) as server:
        assert server.stdin is not None and server.stdout is not None
        ask, answers = server.stdin, server.stdout

        def outcome(read: str, path: Path) -> str:
            ask.write(json.dumps([read, str(path), str(said)]) + "\n")
            assert answers.readline() == "0\n", said.read_text()[-600:]
            return said.read_text()

        yield outcome
        server.kill()


@pytest.mark.slow
def test_the_bound_is_one(outcome: Outcome, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="MemoryError"):
        outcome(f"bytearray({2 * ROOM})", tmp_path)
    assert outcome(f"bytearray({ROOM // 2})", tmp_path) == "read\n", "each file has all of it"


VECTOR = (
    "from explorer.steering import load_vector; from explorer.models import Site; load_vector(path, 16, Site(1, 4))"
)
MODEL = "from explorer.models import load_model; load_model(path)"
SHAPE = "from explorer.models import read_shape; print(read_shape(str(path)))"
STUDY = "from explorer.study import open_study; open_study(path).sites"
DICTIONARY = "from explorer.sae.formats import load_sae; load_sae(path)"


def npy(path: Path) -> Path:
    """A file of 128 bytes that says it has ten million rows of nothing."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000, 0), }".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    assert path.stat().st_size == 128
    return path


def one_offset(path: Path) -> Path:
    """A gguf file of 4 MB with 300 tensors of a million numbers, all at one place."""
    path.write_bytes(gguf(dict.fromkeys((f"direction.{i}" for i in range(300)), np.zeros(10**6, np.float32)), 0))
    assert path.stat().st_size < 5 << 20
    return path


def facts(path: Path) -> Path:
    """A gguf file of 20 MB whose one fact is a list of twenty million bytes, which its library reads one by one."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"x"
    path.write_bytes(head + struct.pack("<IIQ", 9, 0, 20_000_000) + bytes(20_000_000))
    return path


def bomb(path: Path) -> Path:
    """A dictionary of 10 MB that unfolds to 8 GB."""
    path.mkdir()
    with zipfile.ZipFile(path / "params.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for name in ("W_enc", "W_dec"):
            with packed.open(f"{name}.npy", "w", force_zip64=True) as file:
                header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1024, 262144), }".ljust(117) + "\n"
                file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
                for _ in range(64):
                    file.write(bytes(16 << 20))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "read"),
    [("v.npy", npy, VECTOR), ("v.gguf", one_offset, VECTOR), ("f.gguf", facts, VECTOR), ("layer_1", bomb, DICTIONARY)],
)
def test_small_files_that_say_they_are_large(
    name: str, make: Callable[[Path], Path], read: str, tmp_path: Path, outcome: Outcome
) -> None:
    said = outcome(read, make(tmp_path / name))
    assert said.startswith("refused:"), said


CLAIMS = {
    "60,000 layers": ({"num_hidden_layers": 60_000}, "num_hidden_layers"),
    "1,000 layers": ({"num_hidden_layers": 1_000}, "describes a network of"),
    "another width": ({"hidden_size": 4096, "head_dim": 64}, "config.json"),
    "a width of a billion": ({"hidden_size": 10**9}, "hidden_size"),
    "a vocabulary of a billion": ({"vocab_size": 10**9}, "vocab_size"),
    "ten million words": ({"vocab_size": 10**7}, "describes a network of"),
    "a wide MLP": ({"intermediate_size": 2**23 - 1}, "describes a network of"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CLAIMS)
def test_a_config_is_held_against_its_weights(kind: str, tmp_path: Path, outcome: Outcome) -> None:
    changes, message = CLAIMS[kind]
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED / "tales" / "models" / "seed0", folder)
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    said = outcome(MODEL, folder)
    assert said.startswith("refused:") and message in said and "config.json" in said, said
    outcome(SHAPE, folder)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("n_layers", {"n_layers": 10**9}), ("d_model", {"d_model": 10**9}), ("sites", {"sites": [10**9]})],
)
def test_a_study_of_a_billion_layers_is_refused(
    name: str, changes: dict[str, object], tmp_path: Path, outcome: Outcome
) -> None:
    path = small_study(tmp_path) / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))
    said = outcome(STUDY, path.parent)
    assert said.startswith("refused:") and name in said, said
