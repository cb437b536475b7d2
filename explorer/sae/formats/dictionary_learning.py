"""dictionary_learning: config.json and ae.safetensors, or ae.pt, which is converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from explorer.errors import InputError
from explorer.sae.formats.stored_sae import GATED, StoredSAE, folder_format


def _read(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> StoredSAE:
    trainer = settings.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    kind = trainer.get("dict_class", "")
    architectures = {
        "AutoEncoder": "standard",
        "AutoEncoderNew": "standard",
        "AutoEncoderTopK": "topk",
        "BatchTopKSAE": "jumprelu",
        "MatryoshkaBatchTopKSAE": "jumprelu",
        "JumpReluAutoEncoder": "jumprelu",
    }
    if kind in GATED:
        return StoredSAE(kind, None, tensors, "")
    if kind not in architectures:
        raise InputError(
            f"'{folder}': dict_class '{kind}' in config.json is not supported: {', '.join(architectures)} are"
        )
    named = {"encoder.bias": "b_enc", "bias": "b_dec", "decoder.bias": "b_dec"}
    found = {named.get(name, name): t for name, t in tensors.items()}
    for theirs, ours in (("encoder.weight", "W_enc"), ("decoder.weight", "W_dec")):
        if theirs in tensors:
            found[ours] = tensors[theirs].T
    if "threshold" in found and "b_enc" in found:
        found["threshold"] = found["threshold"].expand(len(found["b_enc"]))
    if kind == "JumpReluAutoEncoder" and {"threshold", "W_dec"} <= found.keys():
        # Chosen before the activations are multiplied by the decoder's norms, where the others choose after.
        found["threshold"] = found["threshold"] * found["W_dec"].norm(dim=1)
    if architectures[kind] == "jumprelu" and kind != "JumpReluAutoEncoder":
        threshold = found.get("threshold")
        if threshold is not None and float(threshold.min()) < 0:
            raise InputError(f"'{folder}': its threshold was never set in training, so it cannot read single rows")
    uncentred = kind in ("AutoEncoderNew", "JumpReluAutoEncoder")
    site = trainer.get("submodule_name") or ""
    return StoredSAE(
        architectures[kind],
        trainer.get("k"),
        found,
        site,
        centred=not uncentred,
        rescaled=kind == "JumpReluAutoEncoder",
    )


FORMAT = folder_format("dictionary_learning", "config.json", "ae.safetensors", _read, "ae.pt")
