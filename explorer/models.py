"""Load a causal language model from a folder or a hub id, find its blocks, and refuse what cannot be used."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from explorer.errors import InputError
from explorer.sites import Site, all_sites

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm")


@dataclass
class LanguageModel:
    """A causal language model with its tokenizer. Hold `lock` while hooks are on it: one copy serves many sessions."""

    name: str
    """What the study or the user calls it."""
    network: PreTrainedModel
    """The transformers model, float32, in evaluation mode."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer."""
    blocks: nn.ModuleList
    """The transformer blocks, in order."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    """Guards the hooks."""

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.network.config.hidden_size)

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def sites(self) -> list[Site]:
        """Every site of this model."""
        return all_sites(self.n_layers)

    @property
    def final_norm(self) -> nn.Module:
        """The norm between the last block and the unembedding."""
        for module in (self.network.base_model, getattr(self.network.base_model, "decoder", None)):
            for name in _FINAL_NORMS:
                if isinstance(found := getattr(module, name, None), nn.Module):
                    return found
        raise InputError(f"{self.name}: no final norm found among {', '.join(_FINAL_NORMS)}")


def find_blocks(network: PreTrainedModel) -> nn.ModuleList:
    """The list of transformer blocks: the ModuleList as long as the config's number of layers. Raises InputError."""
    n_layers = network.config.num_hidden_layers
    for module in network.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    raise InputError(f"{type(network).__name__}: found no list of {n_layers} blocks; this architecture cannot be read")


def load_model(
    source: str | Path, revision: str | None = None, name: str | None = None, device: str = "cpu"
) -> LanguageModel:
    """A model in float32 from a folder or a hub id. Only safetensors; no remote code.

    Raises InputError for a missing, incomplete, unreadable or non-finite model, and for a hub that cannot be reached.
    """
    # Read by huggingface_hub when it is first imported.
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "10")
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = _check_folder(source)
    options: dict[str, Any] = (
        {"trust_remote_code": False, "revision": revision} if revision else {"trust_remote_code": False}
    )
    try:
        network, loading = AutoModelForCausalLM.from_pretrained(
            place, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = "" if Path(source).is_dir() else " (a hub id needs a network; a local folder does not)"
        raise InputError(f"cannot load the model '{source}'{hint}: {reason[:300]}") from error
    if missing := sorted(loading["missing_keys"]):
        # transformers would fill them with random numbers.
        raise InputError(f"the model '{source}' lacks {missing[0]} ({len(missing)} tensors in all): export it again")
    bad = [n for n, p in network.named_parameters() if not torch.isfinite(p).all()]
    if bad:
        raise InputError(
            f"the model '{source}' has non-finite weights in {bad[0]} ({len(bad)} tensors): export it again"
        )
    network.eval().requires_grad_(False).to(device)
    return LanguageModel(name or Path(str(source)).name, network, tokenizer, find_blocks(network))


def _check_folder(source: str | Path) -> str:
    folder = Path(source).expanduser()
    if not folder.exists():
        if str(source).startswith((".", "/", "~")) or str(source).count("/") != 1:
            raise InputError(
                f"there is no folder '{source}': give a folder with config.json and safetensors, or a hub id"
            )
        return str(source)
    if not (folder / "config.json").is_file():
        raise InputError(f"'{source}' holds no config.json: it is not a model folder")
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"'{source}' holds no .safetensors file: pickled weights are never loaded; convert them first")
    return str(folder)


def digest(folder: Path) -> str:
    """SHA-256 of a folder's files that decide its outputs (config and safetensors), by name and content."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors"):
            total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def same_ids(a: LanguageModel, b: LanguageModel, text: str) -> bool:
    """Whether two models read a text as the same token ids (files may differ; ids may not)."""
    return list(a.tokenizer(text)["input_ids"]) == list(b.tokenizer(text)["input_ids"])
