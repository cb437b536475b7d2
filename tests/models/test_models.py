"""Models load in float32, and what cannot be used is refused in one helpful line."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from stand_in import go_away, serving
from transformers import AutoModelForCausalLM
from transformers.models.auto import CONFIG_MAPPING

from explorer.errors import InputError
from explorer.models.hooks import residuals
from explorer.models.hub import digest
from explorer.models.language_model import load_model
from explorer.models.sites import all_sites, parse_site, parse_sites
from explorer.models.tokens import same_ids
from explorer.steering.decoding import Batch
from explorer.text.windows import TextReading, read_windows


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    return tiny.save("llama", tokenizer, tmp_path / "model")


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


NONE = torch.zeros(0, 1, 24)


def refusal(source: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(source)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(str(source)).name in message
    return message


def test_half_precision_files_are_read_as_float32(folder: Path) -> None:
    rewrite(folder, lambda t: t.update({k: v.half() for k, v in t.items()}))
    model = load_model(folder, name="mine")
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())
    assert (model.name, model.d_model, model.n_layers) == ("mine", 24, 3)
    assert [s.name for s in model.sites] == [
        *(f"blocks.{i}.hook_resid_pre" for i in range(3)),
        "blocks.2.hook_resid_post",
    ]


def test_missing_folders(tmp_path: Path) -> None:
    for where in (tmp_path / "nowhere", "./nowhere", "nowhere", "~/nowhere", "a/b/nowhere"):
        assert "there is no folder" in refusal(where)


def test_folder_without_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "holds no config.json" in refusal(folder)


def test_other_weights_are_not_read(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "model.pt")
    (folder / "model.safetensors").unlink()
    assert "holds no weights: neither .safetensors nor pytorch_model.bin" in refusal(folder)


def test_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{not json")
    refusal(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-family"}))
    refusal(folder)
    (folder / "config.json").write_text("[]")
    refusal(folder)


def test_truncated_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    for size in (0, 5, 200, len(data) - 100):
        (folder / "model.safetensors").write_bytes(data[:size])
        refusal(folder)


def test_weights_of_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    refusal(folder)


def test_missing_tensors_are_not_made_up(folder: Path) -> None:
    rewrite(folder, lambda t: t.pop("model.layers.1.mlp.up_proj.weight"))  # type: ignore[arg-type, return-value]
    assert "model.layers.1.mlp.up_proj.weight" in refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights(folder: Path, value: float) -> None:
    rewrite(folder, lambda t: t["model.layers.1.mlp.up_proj.weight"].view(-1)[3:4].fill_(value))  # type: ignore[arg-type, return-value]
    assert "non-finite weights in model.layers.1.mlp.up_proj.weight" in refusal(folder)


QUANTISED = {
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False},
    "awq": {"quant_method": "awq", "bits": 4, "version": "gemm", "zero_point": True},
    "bitsandbytes": {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "fp8": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "quantization_config in config.json": {"load_in_8bit": True},
}


@pytest.mark.parametrize("method", QUANTISED)
@pytest.mark.parametrize("inner", [False, True])
def test_quantised_weights_are_refused_before_loading(method: str, inner: bool, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    more: dict[str, Any] = {"quantization_config": QUANTISED[method]}
    (folder / "config.json").write_text(json.dumps({**config, **({"text_config": more} if inner else more)}))
    (folder / "model.safetensors").write_bytes(b"never read")
    assert f"holds quantised weights ({method})" in refusal(folder)


def test_settings_that_transformers_stumbles_over_are_one_line(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for wrong in ({"num_attention_heads": 0}, {"hidden_size": "wide"}, {"hidden_act": "nothing"}, {"vocab_size": -3}):
        (folder / "config.json").write_text(json.dumps({**config, **wrong}))
        said = refusal(folder)
        assert "config.json' is damaged: " in said and "export the model again" in said, said


def test_ids_that_the_embedding_lacks_are_named(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tiny.save("gpt2", tokenizer, tmp_path / "model")
    longer = AutoTokenizer.from_pretrained(tmp_path / "model")
    longer.add_tokens(["fox"])
    longer.save_pretrained(tmp_path / "model")
    model = load_model(tmp_path / "model")
    known, unknown = (
        read_windows([f"Once there was a {word}."], model.tokenizer, TextReading(128)).ids for word in ("ship", "fox")
    )
    assert model.logits(known).shape[-1] == tiny.VOCABULARY
    site = model.sites[0]
    for read in (
        model.logits,
        lambda ids: residuals(model, ids, [site]),
        lambda ids: Batch(model, [], ids, NONE).logits(),
    ):
        with pytest.raises(InputError, match=r"makes token 320 \('fox'\) of the text, but .* has 320 rows"):
            read(unknown)


def test_missing_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()
    assert "no tokenizer in" in refusal(folder)


def test_models_without_a_residual_stream_are_refused(tokenizer: Any, tmp_path: Path) -> None:
    opt = tiny.save("opt", tokenizer, tmp_path / "opt")
    config = json.loads((opt / "config.json").read_text(encoding="utf-8"))
    (opt / "config.json").write_text(json.dumps({**config, "do_layer_norm_before": False}))
    assert "normalises after each block" in refusal(opt)
    projected = tiny.network("opt", word_embed_proj_dim=8)
    projected.save_pretrained(tmp_path / "projected")
    tokenizer.save_pretrained(tmp_path / "projected")
    assert "projects its embedding from 8 to 24 dimensions" in refusal(tmp_path / "projected")
    bert = CONFIG_MAPPING["bert"](**{**tiny.SHAPE, "intermediate_size": 40, "is_decoder": True})
    AutoModelForCausalLM.from_config(bert).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    assert "has no final norm" in refusal(tmp_path / "bert")


def test_tied_models_lack_nothing(tokenizer: Any, tmp_path: Path) -> None:
    made = tiny.network("qwen2", tied=True)
    made.save_pretrained(tmp_path / "tied")
    tokenizer.save_pretrained(tmp_path / "tied")
    assert "lm_head.weight" not in load_file(tmp_path / "tied" / "model.safetensors")
    ids = tiny.chunks(1).ids
    with torch.no_grad():
        theirs = load_model(tmp_path / "tied").network(input_ids=ids).logits
        assert torch.allclose(theirs, made(input_ids=ids).logits, atol=1e-5)


def test_a_hub_id_offline_is_refused_without_asking() -> None:
    assert "HF_HUB_OFFLINE is set" in refusal("nobody-at-all/no-such-model")


def test_a_hub_id_without_network_fails_fast(tmp_path: Path) -> None:
    with serving({}, tmp_path / "home") as hub:
        go_away(hub)
        began = time.monotonic()
        message = refusal("nobody-at-all/no-such-model")
        assert "a hub id needs a network" in message
        assert time.monotonic() - began < 20


def test_the_digest_follows_weights_and_config(folder: Path) -> None:
    first = digest(folder)
    assert digest(Path(shutil.copytree(folder, folder.with_name("copy")))) == first
    rewrite(folder, lambda t: t["model.norm.weight"].add_(1))  # type: ignore[arg-type, return-value]
    assert digest(folder) != first


def test_same_ids_compares_what_is_read_not_files(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from explorer.training.tokenizer import train_tokenizer

    train_tokenizer(["zebra zebra zoo"] * 9, 262, tmp_path / "zoo")
    a = tiny.model("llama", tokenizer)
    text = ["a", "Once there was a fox."]
    assert same_ids(a, tiny.model("llama", tokenizer, seed=1), text)
    other = tiny.model("llama", AutoTokenizer.from_pretrained(tmp_path / "zoo"))
    assert same_ids(a, other, text[:1]), "both begin with the bytes"
    assert not same_ids(a, other, text)
    begins = tiny.model("llama", tiny.with_bos(tokenizer, tmp_path / "begins"))
    assert begins.tokenizer("fox")["input_ids"] == [0, *tokenizer("fox", add_special_tokens=False)["input_ids"]]
    assert same_ids(a, begins, text)


def test_sites_are_found_by_index_and_name() -> None:
    sites = all_sites(3)
    assert [s.label for s in sites] == ["input", "after 1", "after 2", "end"]
    for site in sites:
        assert parse_site(str(site.index), 3) == parse_site(f" {site.name} ", 3) == site
    assert parse_sites("all", 3) == sites
    assert parse_sites("3, blocks.0.hook_resid_pre,3", 3) == [sites[0], sites[3]]
    with pytest.raises(InputError, match=r"no site '4': this model has 0 \(blocks.0.hook_resid_pre\)"):
        parse_site("4", 3)
