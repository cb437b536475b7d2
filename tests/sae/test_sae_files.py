"""Dictionaries from disk, against second implementations: SAELens itself, and the other libraries' own formulas."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_sae import random_sae
from torch import Tensor

from explorer.errors import InputError
from explorer.models.sites import Site, residual_index
from explorer.sae.formats import registry
from explorer.sae.formats.registry import at_site, load_sae, load_saes
from explorer.sae.formats.saelens import save_sae
from explorer.sae.formats.stored_sae import StoredSAE, folder_format

D, F = 12, 40


@pytest.mark.saelens
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_we_read_what_saelens_writes(centred: bool, rescale: bool, tmp_path: Path) -> None:
    from sae_lens import JumpReLUSAE, JumpReLUSAEConfig, StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig

    options: dict[str, Any] = {"d_in": D, "d_sae": F, "apply_b_dec_to_input": centred, "dtype": "float32"}
    topk = TopKSAE(TopKSAEConfig(k=5, rescale_acts_by_decoder_norm=rescale, **options))
    x = torch.randn(200, D)
    for theirs in (topk, StandardSAE(StandardSAEConfig(**options)), JumpReLUSAE(JumpReLUSAEConfig(**options))):
        with torch.no_grad():
            for p in theirs.parameters():
                p.normal_()
        theirs.save_model(tmp_path / theirs.cfg.architecture())
        ours = load_sae(tmp_path / theirs.cfg.architecture())
        assert ours.architecture == theirs.cfg.architecture()
        with torch.no_grad():
            np.testing.assert_allclose(ours(x), theirs(x), atol=1e-3)
            np.testing.assert_allclose(ours.encode(x), theirs.encode(x), atol=1e-3)


@pytest.mark.saelens
@pytest.mark.parametrize("rescale", [False, True])
def test_batchtopk_is_read_as_saelens_uses_it(rescale: bool, tmp_path: Path) -> None:
    from sae_lens import SAE as Theirs, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig

    settings = BatchTopKTrainingSAEConfig(d_in=D, d_sae=F, k=4, dtype="float32", rescale_acts_by_decoder_norm=rescale)
    training = BatchTopKTrainingSAE(settings)
    with torch.no_grad():
        for p in training.parameters():
            p.normal_()
        training.topk_threshold.fill_(1.5)
    training.save_model(tmp_path / "training")
    training.save_inference_model(tmp_path / "inference")
    theirs = Theirs.load_from_disk(tmp_path / "inference", device="cpu")
    x = torch.randn(200, D)
    for name in ("training", "inference"):
        ours = load_sae(tmp_path / name)
        assert ours.architecture == "jumprelu"
        with torch.no_grad():
            np.testing.assert_allclose(ours(x), theirs(x), atol=1e-3)
            np.testing.assert_allclose(ours.encode(x), theirs.encode(x), atol=1e-3)


def write(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor], names: tuple[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(json.dumps(settings))
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / names[1])
    return folder


SPARSIFY = ("cfg.json", "sae.safetensors")


def sparsify_tensors() -> dict[str, Tensor]:
    return {
        "encoder.weight": torch.randn(F, D),
        "encoder.bias": torch.randn(F),
        "W_dec": torch.randn(F, D),
        "b_dec": torch.randn(D),
    }


def test_sparsify_folders(tmp_path: Path) -> None:
    t = sparsify_tensors()
    settings = {"activation": "topk", "expansion_factor": 32, "num_latents": F, "k": 6, "d_in": D, "transcode": False}
    ours = load_sae(write(tmp_path / "layers.3", settings, t, SPARSIFY))
    assert (ours.architecture, ours.k, residual_index(ours.site)) == ("topk", 6, 4)
    x = torch.randn(100, D)
    before = torch.relu((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    values, index = before.topk(6, dim=-1)
    np.testing.assert_allclose(ours.encode(x), torch.zeros(100, F).scatter(1, index, values), atol=1e-5)
    rebuilt = torch.einsum("nk,nkd->nd", values, t["W_dec"][index]) + t["b_dec"]
    np.testing.assert_allclose(ours(x), rebuilt, atol=1e-4)
    assert load_sae(write(tmp_path / "mine", settings, t, SPARSIFY)).site == ""
    older = {name: value for name, value in settings.items() if name not in ("activation", "transcode")}
    assert load_sae(write(tmp_path / "older", older, t, SPARSIFY)).architecture == "topk"


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"activation": "groupmax"}, "layers.3", "architecture 'groupmax' is not supported"),
        ({"transcode": True}, "layers.3", "has transcode"),
        ({"skip_connection": True}, "layers.3", "has skip_connection"),
        ({"signed": True}, "layers.3", "signed activations"),
        ({"k": None}, "layers.3", "without k"),
        ({}, "layers.3.mlp", "reads 'layers.3.mlp', which is no site of the residual stream"),
    ],
)
def test_sparsify_folders_that_are_refused(changes: dict[str, Any], where: str, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path / where, {"k": 6, "d_in": D, **changes}, sparsify_tensors(), SPARSIFY)
    with pytest.raises(InputError, match=message):
        load_sae(folder)


LEARNED = ("config.json", "ae.safetensors")


def learned(kind: str, folder: Path) -> tuple[dict[str, Tensor], Path]:
    """A dictionary of saprmarks/dictionary_learning, whose ae.pt a person saved as safetensors."""
    linear = {"encoder.weight": torch.randn(F, D), "encoder.bias": torch.randn(F), "decoder.weight": torch.randn(D, F)}
    named = {"W_enc": torch.randn(D, F), "b_enc": torch.randn(F), "W_dec": torch.randn(F, D), "b_dec": torch.randn(D)}
    scalar = {"k": torch.tensor(5), "threshold": torch.tensor(1.25)}
    tensors = {
        "AutoEncoder": {**linear, "bias": torch.randn(D)},
        "AutoEncoderNew": {**linear, "decoder.bias": torch.randn(D)},
        "AutoEncoderTopK": {**linear, "b_dec": torch.randn(D), **scalar},
        "BatchTopKSAE": {**linear, "b_dec": torch.randn(D), **scalar},
        "MatryoshkaBatchTopKSAE": {**named, **scalar},
        "JumpReluAutoEncoder": {**named, "threshold": torch.rand(F)},
        "GatedAutoEncoder": {**linear, "decoder_bias": torch.randn(D), "gate_bias": torch.randn(F)},
    }[kind]
    trainer = {"dict_class": kind, "layer": 3, "submodule_name": "resid_post_layer_3", "k": 5}
    return tensors, write(folder, {"trainer": trainer, "buffer": {}}, tensors, LEARNED)


def by_their_formula(kind: str, t: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Activations and reconstruction as dictionary_learning's own class computes them."""
    w_enc = t["W_enc"] if "W_enc" in t else t["encoder.weight"].T
    w_dec = t["W_dec"] if "W_dec" in t else t["decoder.weight"].T
    b_enc = t["b_enc"] if "b_enc" in t else t["encoder.bias"]
    b_dec = next(t[name] for name in ("b_dec", "bias", "decoder.bias") if name in t)
    centred = kind not in ("AutoEncoderNew", "JumpReluAutoEncoder")
    before = (x - b_dec if centred else x) @ w_enc + b_enc
    a = before.relu()
    if kind == "AutoEncoderTopK":
        values, index = a.topk(5, dim=-1)
        a = torch.zeros_like(a).scatter(1, index, values)
    elif "threshold" in t:
        a = a * (before > t["threshold"])
    rebuilt = a @ w_dec + b_dec
    return (a * w_dec.norm(dim=1) if kind == "JumpReluAutoEncoder" else a), rebuilt


@pytest.mark.parametrize(
    "kind",
    [
        "AutoEncoder",
        "AutoEncoderNew",
        "AutoEncoderTopK",
        "BatchTopKSAE",
        "MatryoshkaBatchTopKSAE",
        "JumpReluAutoEncoder",
    ],
)
def test_dictionary_learning_folders(kind: str, tmp_path: Path) -> None:
    t, folder = learned(kind, tmp_path / kind)
    ours, x = load_sae(folder), torch.randn(100, D)
    activations, rebuilt = by_their_formula(kind, t, x)
    np.testing.assert_allclose(ours.encode(x), activations, atol=1e-4)
    np.testing.assert_allclose(ours(x), rebuilt, atol=1e-4)
    assert residual_index(ours.site) == 4


def test_dictionary_learning_folders_that_are_refused(tmp_path: Path) -> None:
    _, folder = learned("GatedAutoEncoder", tmp_path / "gated")
    with pytest.raises(InputError, match="gated is not supported"):
        load_sae(folder)
    tensors, folder = learned("BatchTopKSAE", tmp_path / "untrained")
    save_file({**{k: v.contiguous() for k, v in tensors.items()}, "threshold": torch.tensor(-1.0)}, folder / LEARNED[1])
    with pytest.raises(InputError, match="threshold was never set"):
        load_sae(folder)
    (folder / LEARNED[1]).rename(folder / "ae.pt")
    with pytest.raises(InputError, match=r"cannot be read as weights and nothing else"):
        load_sae(folder)


def plain(path: Path, metadata: dict[str, str], **changes: Tensor) -> Path:
    sae = random_sae("topk", 5, D, F)
    arrays = {"W_enc": sae.W_enc, "b_enc": sae.b_enc, "W_dec": sae.W_dec, "b_dec": sae.b_dec}
    save_file({**arrays, **changes}, path, metadata=metadata)
    return path


def test_plain_safetensors_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    for metadata, expected in (
        ({"k": "5"}, ("topk", 5)),
        ({"architecture": "topk", "k": "5"}, ("topk", 5)),
        ({"architecture": "standard"}, ("standard", None)),
    ):
        ours = load_sae(plain(path, metadata))
        assert (ours.architecture, ours.k) == expected
    with_threshold = load_sae(plain(path, {"architecture": "jumprelu"}, threshold=torch.ones(F)))
    assert with_threshold.threshold is not None
    assert load_sae(plain(path, {"k": "5", "hook_name": "blocks.2.hook_resid_post"})).site == "blocks.2.hook_resid_post"
    arrays = load_file(plain(path, {"k": "5", "apply_b_dec_to_input": "False"}))
    x = torch.randn(30, D)
    before = x @ arrays["W_enc"] + arrays["b_enc"]
    np.testing.assert_allclose(load_sae(path).encode(x).amax(1), before.amax(1).relu(), atol=1e-4)


@pytest.mark.parametrize(
    ("metadata", "changes", "message"),
    [
        ({}, {}, "does not say its architecture: write it into the file's metadata"),
        ({"architecture": "topk"}, {}, "topk dictionary without k"),
        ({"architecture": "topk", "k": "many"}, {}, "topk dictionary without k"),
        ({"architecture": "jumprelu"}, {}, "without a threshold"),
        ({"k": "5"}, {"W_enc": torch.zeros(F, D)}, r"W_enc has shape \(40, 12\), expected \(12, 40\)"),
        ({"k": "5"}, {"b_enc": torch.full((F,), torch.nan)}, "non-finite"),
        ({"k": "5", "hook_name": "blocks.3.hook_mlp_out"}, {}, "no site of the residual stream"),
    ],
)
def test_plain_safetensors_that_are_refused(
    metadata: dict[str, str], changes: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        load_sae(plain(tmp_path / "mine.safetensors", metadata, **changes))


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, message in (("ae.pt", "cannot be read as weights and nothing else"), ("x.safetensors", "no readable")):
        (tmp_path / name).write_bytes(b"\x80\x04nothing")
        with pytest.raises(InputError, match=message):
            load_sae(tmp_path / name)


def test_a_dictionary_must_fit_its_site(tmp_path: Path) -> None:
    sae = random_sae("topk", 5)
    assert at_site(sae, Site(1, 3), 12, "here").site == "blocks.1.hook_resid_pre"
    with pytest.raises(InputError, match=r"'here' was trained at blocks.1.hook_resid_pre \(site 1\), not at blocks.2"):
        at_site(sae, Site(2, 3), 12, "here")
    with pytest.raises(InputError, match="'here' reads rows of width 12, the model's residual stream has width 16"):
        at_site(sae, Site(1, 3), 16, "here")


def test_a_folder_of_dictionaries(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        sae = replace(random_sae("topk", 5), site=f"blocks.{i}.hook_resid_pre")
        save_sae(sae, tmp_path / "all" / name, "A", 128)
    (tmp_path / "all" / "notes").mkdir()
    assert len(load_saes(tmp_path / "all").saes) == 2
    assert len(load_saes(tmp_path / "all" / "a").saes) == 1


def test_names_of_sites_in_other_libraries() -> None:
    known = {"blocks.3.hook_resid_pre": 3, "blocks.3.hook_resid_post": 4, "layers.3": 4, "transformer.h.11": 12}
    known |= {"gpt_neox.layers.0": 1, "resid_post_layer_8": 9, "embed_in": 0, "model.embed_tokens": 0}
    assert {name: residual_index(name) for name in known} == known
    for other in ("blocks.3.hook_mlp_out", "layers.3.mlp", "blocks.3.attn.hook_z", "blocks.3.hook_resid_mid", "3", ""):
        assert residual_index(other) is None


def edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps({k: v for k, v in {**config, **changes}.items() if v is not ...}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gated"}, "gated is not supported .*: topk, standard, jumprelu"),
        ({"architecture": "jumprelu"}, "a jumprelu dictionary without a threshold"),
        ({"architecture": ...}, "architecture '' is not supported"),
        ({"normalize_activations": "layer_norm"}, "not rotation-equivariant"),
        ({"normalize_activations": "expected_average_only_in"}, "a number that the folder does not hold"),
        ({"normalize_activations": "constant_norm_rescale"}, "rescales every row to one norm"),
        ({"normalize_activations": "covariance_whitening"}, "whitens its input"),
        ({"normalize_activations": "tanh"}, r"normalises its input \(tanh\)"),
        ({"reshape_activations": "hook_z"}, "only dictionaries of plain rows"),
        ({"metadata": {"hook_name": "blocks.1.hook_mlp_out"}}, "no site of the residual stream"),
        ({"k": ...}, "a topk dictionary without k"),
        ({"architecture": "standard", "activation_fn_str": "tanh-relu"}, "architecture 'tanh-relu' is not supported"),
    ],
)
def test_dictionaries_that_cannot_be_read_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_sae(random_sae("topk", 5), tmp_path / "s", "A", 128)
    edit(tmp_path / "s", **changes)
    with pytest.raises(InputError, match=message):
        load_sae(tmp_path / "s")


def test_broken_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no dictionary"):
        load_sae(tmp_path / "nowhere")
    folder = tmp_path / "s"
    save_sae(random_sae("topk", 5), folder, "A", 128)
    tensors = load_file(folder / "sae_weights.safetensors")
    for change, message in (({"b_dec": None}, "lacks b_dec"), ({"b_enc": tensors["b_enc"] * torch.nan}, "non-finite")):
        save_file({k: v for k, v in {**tensors, **change}.items() if v is not None}, folder / "sae_weights.safetensors")
        with pytest.raises(InputError, match=message):
            load_sae(folder)
    save_file(tensors, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text("[1]")
    with pytest.raises(InputError, match="holds no settings"):
        load_sae(folder)
    (folder / "cfg.json").write_text("{}")
    (folder / "sae_weights.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(InputError, match="no readable safetensors file"):
        load_sae(folder)


def test_the_old_way_of_writing_topk_is_understood(tmp_path: Path) -> None:
    sae = random_sae("topk", 5)
    save_sae(sae, tmp_path / "s", "A", 128, torch.float32)
    edit(tmp_path / "s", architecture="standard", activation_fn_str="topk", activation_fn_kwargs={"k": 5}, k=...)
    x = torch.randn(50, sae.d_in)
    assert torch.equal(load_sae(tmp_path / "s")(x), sae(x))


def test_a_new_format_is_one_module_and_its_place_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> StoredSAE:
        tied = tensors["rows"]
        found = {"W_enc": tied.T, "W_dec": tied, "b_enc": tensors["push"], "b_dec": torch.zeros(D)}
        return StoredSAE("standard", None, found, settings["where"])

    names = ("toy.json", "toy.safetensors")
    rows, push, x = torch.randn(F, D), torch.randn(F), torch.randn(50, D)
    folder = write(tmp_path / "toy", {"where": "blocks.1.hook_resid_post"}, {"rows": rows, "push": push}, names)
    with pytest.raises(InputError, match="no dictionary folder"):
        load_sae(folder)
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, folder_format("toy", *names, read)))
    ours = load_sae(folder)
    np.testing.assert_allclose(ours(x), torch.relu(x @ rows.T + push) @ rows, atol=1e-4)
    assert at_site(ours, Site(2, 3), D, folder).site == Site(2, 3).name
    assert [s.architecture for s in load_saes(folder).saes] == ["standard"]
    with pytest.raises(InputError, match=r"toy\.json with toy\.safetensors \(toy\)"):
        load_sae(tmp_path)
