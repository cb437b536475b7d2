"""Vectors from files: every format round-trips, layers are chosen by site, and nothing is unpickled."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from explorer.errors import InputError
from explorer.steering.vector_file import load_vector, read_vector
from explorer.steering.vectors import unit

D = 16


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def gguf(vectors: dict[str, np.ndarray], kind: int = 0) -> bytes:
    """A control vector as repeng writes it: metadata of every sort, then the tensors, aligned to 32 bytes."""

    def text(s: str) -> bytes:
        return struct.pack("<Q", len(s.encode())) + s.encode()

    facts = [
        text("general.architecture") + struct.pack("<I", 8) + text("controlvector"),
        text("controlvector.layer_count") + struct.pack("<II", 4, len(vectors)),
        text("some.list") + struct.pack("<IIQ3h", 9, 3, 3, 1, 2, 3),
    ]
    table, body = b"", b""
    for name, vector in vectors.items():
        body += b"\0" * (-len(body) % 32)
        table += text(name) + struct.pack("<IQIQ", 1, len(vector), kind, len(body))
        body += vector.astype("<f2" if kind else "<f4").tobytes()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(vectors), len(facts)) + b"".join(facts) + table
    return head + b"\0" * (-len(head) % 32) + body


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".gguf", ".GGUF"])
def test_one_vector_comes_back_with_length_one(suffix: str, tmp_path: Path) -> None:
    v = torch.randn(D)
    data = {
        ".npy": lambda: npy(v.numpy().astype(np.float64)),
        ".safetensors": lambda: save({"v": v.reshape(1, D)}),
        ".gguf": lambda: gguf({"direction.3": v.numpy()}),
    }[suffix.lower()]()
    np.testing.assert_allclose(read_vector(data, f"v{suffix}", D), unit(v), atol=1e-6)
    (tmp_path / f"v{suffix}").write_bytes(data)
    np.testing.assert_allclose(load_vector(tmp_path / f"v{suffix}", D), unit(v), atol=1e-6)


def test_the_site_chooses_the_layer_before_it() -> None:
    vectors = {f"direction.{i}": np.random.randn(D) for i in (1, 2, 3)}
    for data, name in ((gguf(vectors), "v.gguf"), (gguf(vectors, kind=1), "v.gguf")):
        found = read_vector(data, name, D, site=3)
        np.testing.assert_allclose(found, unit(torch.tensor(vectors["direction.2"]).float()), atol=1e-3)
    tensors = {f"layer{i}": torch.tensor(v) for i, v in enumerate(vectors.values())}
    np.testing.assert_allclose(
        read_vector(save(tensors), "v.safetensors", D, site=1), unit(tensors["layer0"].float()), atol=1e-6
    )
    rows = np.stack(list(vectors.values()))
    np.testing.assert_allclose(
        read_vector(npy(rows), "v.npy", D, site=2), unit(torch.tensor(rows[1]).float()), atol=1e-6
    )
    with pytest.raises(InputError, match=r"holds 3 vectors, of the layers \[1, 2, 3\]: choose a site"):
        read_vector(gguf(vectors), "v.gguf", D)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (npy(np.array([{"a": 1}], dtype=object)), "v.npy", "cannot be read as .npy"),
        (npy(np.array(["x"] * D)), "v.npy", "holds <U1"),
        (b"\x80\x04K\x01.", "v.npy", "cannot be read as .npy"),
        (b"\x80\x04K\x01.", "v.pt", "of no kind that is read"),
        (npy(np.zeros(D)), "v.npy", "zero or not finite"),
        (npy(np.full(D, np.nan)), "v.npy", "zero or not finite"),
        (npy(np.ones(D + 1)), "v.npy", "holds 17 numbers: these models need 16"),
        (save({"a": torch.ones(D), "b": torch.ones(D)}), "v.safetensors", "name no layers"),
        (save({}), "v.safetensors", "holds no tensor"),
        (b"GGUF" + b"\xff" * 60, "v.gguf", "version 4294967295"),
        (b"GGUF\x03\0\0\0", "v.gguf", "cannot be read as .gguf"),
        (b"no", "v.gguf", "does not begin"),
        (gguf({"direction.1": np.ones(D)}, kind=0).replace(b"GGUF", b"GGUF")[:-8], "v.gguf", "cannot be read"),
    ],
)
def test_what_cannot_be_a_vector_is_refused(data: bytes, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_vector(data, name, D)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_vector(tmp_path / "none.npy", D)
