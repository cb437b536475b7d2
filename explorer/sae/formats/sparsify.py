"""EleutherAI's sparsify: cfg.json and sae.safetensors in a folder that is named after the hook point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from explorer.errors import InputError
from explorer.models import residual_index
from explorer.sae.formats.stored_sae import StoredSAE, folder_format


def _read(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> StoredSAE:
    for name in ("transcode", "skip_connection"):
        if settings.get(name):
            raise InputError(f"'{folder}' has {name}: it predicts something else than its input and is no dictionary")
    if settings.get("signed"):
        raise InputError(f"'{folder}' has signed activations, which are not supported: topk, standard or jumprelu are")
    # Its coders were TopK without exception before the setting existed.
    architecture = settings.get("activation", "topk")
    named = {"encoder.bias": "b_enc", "W_dec": "W_dec", "b_dec": "b_dec"}
    found = {ours: tensors[theirs] for theirs, ours in named.items() if theirs in tensors}
    if "encoder.weight" in tensors:
        found["W_enc"] = tensors["encoder.weight"].T
    # The folder is named after the hook point; where a person renamed it, the site stays open.
    hook = folder.resolve().name
    return StoredSAE(architecture, settings.get("k"), found, hook if "." in hook or residual_index(hook) == 0 else "")


FORMAT = folder_format("sparsify", "cfg.json", "sae.safetensors", _read)
