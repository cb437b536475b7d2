"""Vectors from files: every format round-trips, layers are chosen by site, and nothing is unpickled."""

import io
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save

from explorer.errors import InputError
from explorer.models.sites import Site
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
        found = read_vector(data, name, D, Site(3, 4))
        np.testing.assert_allclose(found, unit(torch.tensor(vectors["direction.2"]).float()), atol=1e-3)
    tensors = {f"layer{i}": torch.tensor(v) for i, v in enumerate(vectors.values())}
    np.testing.assert_allclose(
        read_vector(save(tensors), "v.safetensors", D, Site(1, 3)), unit(tensors["layer0"].float()), atol=1e-6
    )
    rows = np.stack(list(vectors.values()))
    planted = [unit(torch.tensor(row).float()) for row in rows]
    for data, name in ((npy(rows), "v.npy"), (save({"all": torch.tensor(rows)}), "v.safetensors")):
        # As many rows as blocks: their outputs. One more: a row for each site.
        np.testing.assert_allclose(read_vector(data, name, D, Site(2, 3)), planted[1], atol=1e-6)
        np.testing.assert_allclose(read_vector(data, name, D, Site(2, 2)), planted[2], atol=1e-6)
        np.testing.assert_allclose(read_vector(data, name, D, Site(0, 2)), planted[0], atol=1e-6)
        with pytest.raises(InputError, match="choose a site from 1 to 3"):
            read_vector(data, name, D, Site(0, 3))
        with pytest.raises(InputError, match="holds 3 rows without names: a model of 5 blocks needs 5"):
            read_vector(data, name, D, Site(1, 5))
    with pytest.raises(InputError, match=r"holds 3 vectors, of the layers \[1, 2, 3\]: .* choose the site 2, 3, 4"):
        read_vector(gguf(vectors), "v.gguf", D)
    with pytest.raises(InputError, match="choose the site 2, 3, 4, not 1"):
        read_vector(gguf(vectors), "v.gguf", D, Site(1, 4))


def test_one_named_layer_is_of_one_site() -> None:
    v = np.random.randn(D)
    for data, name in (
        (gguf({"direction.2": v}), "v.gguf"),
        (save({"layer2": torch.tensor(v)}), "v.safetensors"),
        (torch_saved({2: torch.tensor(v)}), "v.pt"),
    ):
        np.testing.assert_allclose(read_vector(data, name, D, Site(3, 4)), unit(torch.tensor(v).float()), atol=1e-5)
        with pytest.raises(InputError, match=r"holds the layer 2: .* choose the site 3, not 2"):
            read_vector(data, name, D, Site(2, 4))


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_what_the_gguf_package_writes(kind: str, tmp_path: Path) -> None:
    import gguf as theirs

    rows, path = np.random.randn(3, D).astype(np.float32), tmp_path / "v.gguf"
    writer = theirs.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 3)
    quantised = theirs.GGMLQuantizationType[kind]
    for i, row in enumerate(rows, 1):
        stored = theirs.quants.quantize(row, quantised)
        writer.add_tensor(f"direction.{i}", stored, raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for i, row in enumerate(rows, 1):
        found = load_vector(path, D, Site(i + 1, 4))
        np.testing.assert_allclose(found, unit(torch.tensor(row)), atol=1e-2 if kind == "BF16" else 1e-3)


class SteeringVector:
    """Named and built as the class of steering-vectors, which a person's file refers to."""

    def __init__(self, layer_activations: dict[int, torch.Tensor], layer_type: str = "decoder_block") -> None:
        self.layer_activations, self.layer_type = layer_activations, layer_type


def torch_saved(what: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer)
    return buffer.getvalue()


def test_files_of_steering_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("steering_vectors.steering_vector")
    module.SteeringVector = SteeringVector  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "steering_vectors", ModuleType("steering_vectors"))
    monkeypatch.setitem(sys.modules, "steering_vectors.steering_vector", module)
    monkeypatch.setattr(SteeringVector, "__module__", "steering_vectors.steering_vector")
    layers = {i: torch.randn(D) for i in (1, 2)}
    files = [torch_saved(SteeringVector(layers)), torch_saved(layers), torch_saved({"layer_activations": layers})]
    other = torch_saved(SteeringVector(layers, "mlp"))
    monkeypatch.delitem(sys.modules, "steering_vectors.steering_vector")
    for data in files:
        np.testing.assert_allclose(read_vector(data, "v.pt", D, Site(2, 3)), unit(layers[1]), atol=1e-6)
    with pytest.raises(InputError, match="of 'mlp': only those of decoder_block"):
        read_vector(other, "v.pt", D, Site(2, 3))


def test_a_damaged_list_ends_the_reading() -> None:
    name = struct.pack("<Q", 9) + b"some.list"
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + name + struct.pack("<IIQ", 9, 3, 2**62)
    with pytest.raises(InputError, match="longer than it is"):
        read_vector(data, "v.gguf", D)
    with pytest.raises(InputError, match="it is a model, no control vector"):
        read_vector(gguf({"token_embd.weight": np.ones(D)}), "v.gguf", D)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (npy(np.array([{"a": 1}], dtype=object)), "v.npy", "cannot be read as .npy"),
        (npy(np.array(["x"] * D)), "v.npy", "holds <U1"),
        (b"\x80\x04K\x01.", "v.npy", "cannot be read as .npy"),
        (b"\x80\x04K\x01.", "v.pkl", "of no kind that is read"),
        (b"\x80\x04K\x01.", "v.pt", "before torch 1.6, or damaged"),
        (npy(np.zeros(D)), "v.npy", "zero or not finite"),
        (npy(np.full(D, np.nan)), "v.npy", "zero or not finite"),
        (npy(np.ones(D + 1)), "v.npy", "holds 17 numbers: these models need 16"),
        (save({"a": torch.ones(D), "b": torch.ones(D)}), "v.safetensors", "name no layers"),
        (save({}), "v.safetensors", "holds no tensor"),
        (b"GGUF" + b"\xff" * 60, "v.gguf", "cannot be read as .gguf"),
        (b"GGUF\x03\0\0\0", "v.gguf", "longer than it is"),
        (b"no", "v.gguf", "does not begin"),
        (gguf({"direction.1": np.ones(D)}, kind=0).replace(b"GGUF", b"GGUF")[:-8], "v.gguf", "longer than it is"),
    ],
)
def test_what_cannot_be_a_vector_is_refused(data: bytes, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_vector(data, name, D)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_vector(tmp_path / "none.npy", D)
