"""Files of probes and lenses: what was written comes back, foreign names are known, what is wrong is one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from explorer.alignment.lens import Lens
from explorer.alignment.probe import Probe
from explorer.alignment.reader_files import as_affine, as_torch, read_lenses, read_probe
from explorer.errors import InputError
from explorer.models.sites import all_sites

D, LAYERS = 24, tiny.SHAPE["num_hidden_layers"]
SITES = all_sites(LAYERS)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("tensors", "rows"),
    [
        ({"weight": draw(D), "bias": draw(1)}, 1),
        ({"weight": draw(D), "bias": draw()}, 1),
        ({"weight": draw(1, D), "bias": draw(1)}, 1),
        ({"weight": draw(5, D), "bias": draw(5)}, 5),
        ({"weight": draw(5, D).half()}, 5),
        ({"coef_": draw(3, D).double(), "intercept_": draw(3).double()}, 3),
    ],
)
def test_a_probe_comes_back_under_its_own_names(tensors: dict[str, Any], rows: int, tmp_path: Path) -> None:
    path = tmp_path / "probe.safetensors"
    save_file(tensors, path)
    stored = read_probe(str(path), D)
    weight, *bias = tensors.values()
    np.testing.assert_allclose(stored.probe.weight, weight.reshape(rows, D).float())
    np.testing.assert_allclose(stored.probe.bias, bias[0].reshape(rows).float() if bias else torch.zeros(rows))
    other = Probe(draw(rows, D, seed=3), draw(rows, seed=4))
    stored.write(tmp_path / "out.safetensors", other)
    written = load_file(tmp_path / "out.safetensors")
    assert set(tensors) <= set(written)
    assert written[next(iter(tensors))].shape == weight.shape
    again = read_probe(str(tmp_path / "out.safetensors"), D).probe
    assert torch.equal(again.weight, other.weight) and torch.equal(again.bias, other.bias)
    as_torch(other).write(tmp_path / "own.safetensors", other)
    assert torch.equal(read_probe(str(tmp_path / "own.safetensors"), D).probe.weight, other.weight)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": draw(D + 1)}, r"has the shape \(25,\), expected 24"),
        ({"weight": draw(3, D), "bias": draw(2)}, "bias has 2 numbers for 3 rows of weight"),
        ({"weight": torch.full((D,), float("nan"))}, "not finite"),
        ({"weight": draw(3, D), "bias": torch.tensor([1.0, float("inf"), 0])}, "'bias' holds numbers that are not fin"),
        ({"weight": torch.ones(D, dtype=torch.int64)}, "holds torch.int64"),
        ({"w": draw(D)}, "holds 'w', and no probe"),
        ({"weight": draw(2, 3, D)}, "expected any × 24"),
    ],
)
def test_what_is_no_probe_is_one_sentence(tensors: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "probe.safetensors"
    save_file(tensors, path)
    with pytest.raises(InputError, match=message):
        read_probe(str(path), D)


def test_what_is_no_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"not one" * 9)
    with pytest.raises(InputError, match="is damaged: it is no readable safetensors file"):
        read_probe(str(tmp_path / "a.safetensors"), D)
    with pytest.raises(InputError, match="is no file: give a safetensors file"):
        read_lenses(str(tmp_path / "b.safetensors"), D, LAYERS)


@pytest.mark.parametrize(
    "name",
    ["1.weight", "1", "blocks.1.hook_resid_pre.weight", "after 1.weight", "model.layers.0.weight",
     "blocks.0.hook_resid_post", "layer_translators.1.weight"],
)  # fmt: skip
def test_a_lens_is_known_by_many_names(name: str, tmp_path: Path) -> None:
    path, matrix, bias = tmp_path / "lens.safetensors", draw(D, D), draw(D)
    named = f"{name.removesuffix('.weight')}.bias"
    save_file({name: matrix, named: bias, "unembed.weight": draw(320, D)}, path)
    stored = read_lenses(str(path), D, LAYERS)
    assert list(stored.lenses) == [SITES[1]]
    x = draw(7, D, seed=1)
    np.testing.assert_allclose(stored.lenses[SITES[1]](x), x @ matrix.T + bias, atol=1e-5)
    stored.write(tmp_path / "out.safetensors", stored.lenses)
    written = load_file(tmp_path / "out.safetensors")
    assert set(written) == {name, named}
    torch.testing.assert_close(written[name], matrix)
    residual = read_lenses(str(path), D, LAYERS, "residual")
    np.testing.assert_allclose(residual.lenses[SITES[1]](x), x + x @ matrix.T + bias, atol=1e-5)
    residual.write(tmp_path / "out.safetensors", residual.lenses)
    torch.testing.assert_close(load_file(tmp_path / "out.safetensors")[name], matrix, atol=1e-6, rtol=1e-5)


def test_our_own_lenses_come_back(tmp_path: Path) -> None:
    lenses = {site: Lens(draw(D, D, seed=site.index), draw(D, seed=9)) for site in SITES[:-1]}
    as_affine(lenses).write(tmp_path / "lens.safetensors", lenses)
    again = read_lenses(str(tmp_path / "lens.safetensors"), D, LAYERS).lenses
    assert list(again) == SITES[:-1]
    for site, lens in lenses.items():
        assert torch.equal(again[site].matrix, lens.matrix) and torch.equal(again[site].bias, lens.bias)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"1.weight": draw(D, D + 1)}, r"has the shape \(24, 25\), expected 24 × 24"),
        ({"1.weight": draw(D, D), "1.bias": draw(3)}, r"'1.bias' has the shape \(3,\)"),
        ({"1.weight": draw(D, D), "blocks.1.hook_resid_pre": draw(D, D)}, "two lenses of blocks.1.hook_resid_pre"),
        ({"9.weight": draw(D, D)}, "holds '9.weight', and no layer of 3 blocks"),
        ({"1.weight": torch.full((D, D), float("inf"))}, "not finite"),
    ],
)
def test_what_is_no_lens_is_one_sentence(tensors: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "lens.safetensors"
    save_file(tensors, path)
    with pytest.raises(InputError, match=message):
        read_lenses(str(path), D, LAYERS)
