"""Dictionaries as public libraries and repositories store them, by folder, by file and by their name on the hub.

Each is compared with the formula that its library computes, written out here, or with SAELens itself.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from stand_in import Repository, serving
from torch import Tensor

from explorer.errors import InputError
from explorer.models.sites import residual_index
from explorer.sae.formats.registry import load_sae, load_saes

D, F, K = 12, 40, 5


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def arrays() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    sizes = {"W_enc": (D, F), "b_enc": (F,), "W_dec": (F, D), "b_dec": (D,)}
    return {name: torch.randn(*size, generator=generator) for name, size in sizes.items()}


def put(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor], names: tuple[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(json.dumps(settings))
    save_file({n: t.clone().contiguous() for n, t in tensors.items()}, folder / names[1])
    return folder


SAELENS, SPARSIFY = ("cfg.json", "sae_weights.safetensors"), ("cfg.json", "sae.safetensors")
OLD = {
    "d_in": D, "d_sae": F, "apply_b_dec_to_input": True, "finetuning_scaling_factor": False, "context_size": 128,
    "model_name": "pythia-70m-deduped", "hook_head_index": None, "prepend_bos": True, "normalize_activations": "none",
    "dtype": "torch.float32", "device": "cuda", "dataset_path": "x",
}  # fmt: skip
VERSIONS: dict[str, dict[str, Any]] = {
    "1": {"hook_point": "blocks.2.hook_resid_pre", "hook_point_layer": 2, "expansion_factor": 4},
    "3": {"hook_name": "blocks.1.hook_resid_post", "architecture": "standard", "activation_fn_str": "relu"},
    "topk": {
        "hook_name": "blocks.1.hook_resid_post", "architecture": "standard", "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": K},
    },
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_settings_of_old_versions_of_saelens(version: str, arrays: dict[str, Tensor], tmp_path: Path) -> None:
    folder = put(tmp_path / "sae", {**OLD, **VERSIONS[version]}, arrays, SAELENS)
    (folder / "sparsity.safetensors").write_bytes(b"")
    ours = load_sae(folder)
    assert residual_index(ours.site) == 2
    x = torch.randn(60, D)
    before = torch.relu((x - arrays["b_dec"]) @ arrays["W_enc"] + arrays["b_enc"])
    if version == "topk":
        values, index = before.topk(K, dim=-1)
        before = torch.zeros_like(before).scatter(1, index, values)
    torch.testing.assert_close(ours(x), before @ arrays["W_dec"] + arrays["b_dec"], atol=1e-4, rtol=0)


@pytest.mark.saelens
@pytest.mark.parametrize("version", VERSIONS)
def test_saelens_reads_its_old_settings_the_same_way(version: str, arrays: dict[str, Tensor], tmp_path: Path) -> None:
    from sae_lens import SAE as Theirs

    folder = put(tmp_path / "sae", {**OLD, **VERSIONS[version]}, arrays, SAELENS)
    ours, theirs, x = load_sae(folder), Theirs.load_from_disk(folder, device="cpu"), torch.randn(60, D)
    assert ours.architecture == theirs.cfg.architecture()
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-4, rtol=0)


def test_a_newer_file_without_an_architecture_is_never_guessed(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    for settings in ({"metadata": {"hook_name": "blocks.1.hook_resid_post"}}, {"hook_name": "layers.1", "k": 3}):
        with pytest.raises(InputError, match="architecture '' is not supported"):
            load_sae(put(tmp_path / "sae", settings, arrays, SAELENS))


def test_a_repository_of_sparsify_gives_its_residual_dictionaries(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    theirs = {"encoder.weight": arrays["W_enc"].T, "encoder.bias": arrays["b_enc"], "W_dec": arrays["W_dec"]}
    for name in ("embed_in", "layers.0", "layers.0.attention", "layers.1", "layers.1.mlp"):
        put(tmp_path / name, {"k": K, "d_in": D, "signed": False}, {**theirs, "b_dec": arrays["b_dec"]}, SPARSIFY)
    found = load_saes(tmp_path)
    assert [residual_index(sae.site) for sae in found.saes] == [0, 1, 2]
    assert [line.partition(":")[0] for line in found.skipped] == ["layers.0.attention", "layers.1.mlp"]
    assert all("no site of the residual stream" in line for line in found.skipped)
    for name in ("embed_in", "layers.0", "layers.1"):
        (tmp_path / name / "cfg.json").unlink()
        (tmp_path / name / "sae.safetensors").unlink()
    with pytest.raises(InputError, match=r"reads 'layers.0.attention', which is no site"):
        load_saes(tmp_path)


def jumprelu(arrays: dict[str, Tensor], threshold: Tensor) -> Callable[[Tensor], Tensor]:
    """Gemma Scope's own formula: b_dec is not subtracted, and a feature at its threshold is silent."""

    def rebuilt(x: Tensor) -> Tensor:
        before = x @ arrays["W_enc"] + arrays["b_enc"]
        return (before.relu() * (before > threshold)) @ arrays["W_dec"] + arrays["b_dec"]

    return rebuilt


def test_gemma_scope_is_read_without_pickles(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    threshold, x = torch.rand(F) * 2, torch.randn(200, D)
    plain = {name: t.numpy() for name, t in {**arrays, "threshold": threshold}.items()}
    folder = tmp_path / "gemma-scope-2b-pt-res" / "layer_2" / "width_16k" / "average_l0_71"
    folder.mkdir(parents=True)
    np.savez(folder / "params.npz", **plain)
    ours = load_sae(folder)
    assert (ours.architecture, residual_index(ours.site)) == ("jumprelu", 3)
    torch.testing.assert_close(ours(x), jumprelu(arrays, threshold)(x), atol=1e-4, rtol=0)
    np.savez(folder / "params.npz", **{**plain, "b_dec": np.array([{}] * D, dtype=object)})
    with pytest.raises(InputError, match=r"no .npz file of plain arrays"):
        load_sae(folder)
    (folder / "params.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"no .npz file"):
        load_sae(folder)
    other = tmp_path / "gemma-scope-2b-pt-mlp" / "layer_2" / "width_16k" / "average_l0_71"
    other.mkdir(parents=True)
    np.savez(other / "params.npz", **plain)
    with pytest.raises(InputError, match="no site of the residual stream"):
        load_sae(other)
    first = tmp_path / "gemma-scope-2b-pt-res" / "embedding" / "width_4k" / "average_l0_6"
    first.mkdir(parents=True)
    np.savez(first / "params.npz", **plain)
    assert residual_index(load_sae(first).site) == 0


def test_several_widths_of_one_layer_are_named(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    plain = {name: t.numpy() for name, t in {**arrays, "threshold": torch.zeros(F)}.items()}
    for layer, width in ((2, "16k"), (2, "65k"), (3, "16k")):
        folder = tmp_path / f"layer_{layer}" / f"width_{width}" / "average_l0_71"
        folder.mkdir(parents=True)
        np.savez(folder / "params.npz", **plain)
    with pytest.raises(InputError, match=r"several dictionaries of one site .*width_16k.*width_65k"):
        load_saes(tmp_path)
    assert [residual_index(sae.site) for sae in load_saes(tmp_path / "layer_3").saes] == [4]


def test_gemma_scope_2(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    threshold, x = torch.rand(F) * 2, torch.randn(200, D)
    theirs = {"w_enc": arrays["W_enc"], "w_dec": arrays["W_dec"], "b_enc": arrays["b_enc"], "b_dec": arrays["b_dec"]}
    settings = {"architecture": "jump_relu", "type": "sae", "hf_hook_point_in": "model.layers.9.output"}
    names = ("config.json", "params.safetensors")
    place = tmp_path / "resid_post" / "layer_9_width_16k_l0_medium"
    ours = load_sae(put(place, settings, {**theirs, "threshold": threshold}, names))
    assert residual_index(ours.site) == 10
    torch.testing.assert_close(ours(x), jumprelu(arrays, threshold)(x), atol=1e-4, rtol=0)
    place = tmp_path / "mlp_out" / "layer_9_width_16k_l0_medium"
    with pytest.raises(InputError, match="no site of the residual stream"):
        load_sae(put(place, settings, {**theirs, "threshold": threshold}, names))
    with pytest.raises(InputError, match="predicts something else"):
        load_sae(put(place, {**settings, "type": "transcoder"}, theirs, names))


def papers(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "pre_bias": arrays["b_dec"], "W_enc": arrays["W_enc"].T.contiguous(), "b_enc": arrays["b_enc"],
        "W_dec": arrays["W_dec"].T.contiguous(),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["pt", "safetensors", "metadata"])
def test_the_papers_own_dictionaries(kind: str, arrays: dict[str, Tensor], tmp_path: Path) -> None:
    state, x = papers(arrays), torch.randn(60, D)
    if kind == "pt":
        path = tmp_path / "sae_layer1_resid_post_x8.pt"
        torch.save({"state": state, "config": {"d_in": D, "expansion": 8, "lr": 5e-4}, "metrics": {"l0": 3.0}}, path)
    else:
        path = tmp_path / ("layer1_resid_post.safetensors" if kind == "safetensors" else "state.safetensors")
        save_file(state, path, {"hook_name": "layer1_resid_post"} if kind == "metadata" else None)
    ours = load_sae(path)
    assert (ours.architecture, residual_index(ours.site)) == ("standard", 2)
    code = torch.relu((x - state["pre_bias"]) @ state["W_enc"].T + state["b_enc"])
    torch.testing.assert_close(ours(x), code @ state["W_dec"].T + state["pre_bias"], atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.encode(x), code, atol=1e-4, rtol=0)


def test_a_folder_of_the_papers_dictionaries(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    for site in ("layer0_resid_pre", "layer1_resid_post"):
        torch.save({"state": papers(arrays)}, tmp_path / f"sae_{site}_x8.pt")
    assert [residual_index(sae.site) for sae in load_saes(tmp_path).saes] == [0, 2]


def test_a_pickle_of_dictionary_learning_is_converted(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    state = {
        "encoder.weight": arrays["W_enc"].T, "encoder.bias": arrays["b_enc"], "decoder.weight": arrays["W_dec"].T,
        "b_dec": arrays["b_dec"], "k": torch.tensor(K), "threshold": torch.tensor(0.3),
    }  # fmt: skip
    trainer = {"dict_class": "AutoEncoderTopK", "k": K, "submodule_name": "resid_post_layer_1"}
    (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer}))
    torch.save(state, tmp_path / "ae.pt")
    ours, x = load_sae(tmp_path), torch.randn(60, D)
    values, index = torch.relu((x - state["b_dec"]) @ state["encoder.weight"].T + state["encoder.bias"]).topk(K)
    code = torch.zeros(60, F).scatter(1, index, values)
    torch.testing.assert_close(ours(x), code @ arrays["W_dec"] + arrays["b_dec"], atol=1e-4, rtol=0)
    assert (ours.k, residual_index(ours.site)) == (K, 2)
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {**trainer, "dict_class": "GatedAutoEncoder"}}))
    with pytest.raises(InputError, match="gated is not supported"):
        load_sae(tmp_path)


def test_gated_and_layer_normed_dictionaries_say_so(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    gated = {"W_enc": arrays["W_enc"], "W_dec": arrays["W_dec"], "b_dec": arrays["b_dec"]}
    gated |= {"b_gate": arrays["b_enc"], "b_mag": arrays["b_enc"], "r_mag": arrays["b_enc"]}
    for architecture in ("gated", "standard"):
        settings = {**OLD, "hook_name": "blocks.1.hook_resid_post", "architecture": architecture}
        with pytest.raises(InputError, match="gated is not supported"):
            load_sae(put(tmp_path / "sae", settings, gated, SAELENS))
    settings = {**OLD, **VERSIONS["topk"], "normalize_activations": "layer_norm"}
    with pytest.raises(InputError, match="layer-normalises its input: it is not rotation-equivariant"):
        load_sae(put(tmp_path / "sae", settings, arrays, SAELENS))


def test_dictionaries_come_from_the_hub_by_folder(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    theirs = {"encoder.weight": arrays["W_enc"].T, "encoder.bias": arrays["b_enc"], "W_dec": arrays["W_dec"]}
    for name in ("layers.0", "layers.3", "layers.3.mlp"):
        put(tmp_path / "it" / name, {"k": K, "d_in": D}, {**theirs, "b_dec": arrays["b_dec"]}, SPARSIFY)
    for layer in range(40):
        put(tmp_path / "many" / f"layers.{layer}", {"k": K}, {"b_dec": arrays["b_dec"]}, SPARSIFY)
    (tmp_path / "it" / "README.md").write_text("# Dictionaries")
    repositories = {
        "us/saes": Repository({"main": tmp_path / "it", "old": tmp_path / "it"}),
        "us/many": Repository({"main": tmp_path / "many"}),
        "us/disabled": Repository(status=403, message="Access to this resource is disabled."),
    }
    with serving(repositories, tmp_path / "home") as server:
        one = load_sae("us/saes/layers.3@old")
        assert (one.k, residual_index(one.site)) == (K, 4)
        assert [n for n in server.asked if n.endswith("safetensors")][-1].endswith("/layers.3/sae.safetensors")
        whole = load_saes("us/saes")
        assert [residual_index(sae.site) for sae in whole.saes] == [1, 4]
        assert not any(n.endswith("layers.3.mlp/sae.safetensors") for n in server.asked)
        for text, message in (
            ("us/saes/layers.7", "holds no dictionary in 'layers.7': there are layers.0, layers.3"),
            ("us/many", "holds 40 dictionaries, at most 32"),
            ("us/disabled", "disabled access"),
            ("us/none", "none of that name"),
        ):
            with pytest.raises(InputError, match=message):
                load_saes(text)
