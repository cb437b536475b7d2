"""SAELens: cfg.json and sae_weights.safetensors; what this project writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explorer.errors import InputError
from explorer.files import replacing, write_json, write_tensors
from explorer.sae.formats.stored_sae import StoredSAE, folder_format
from explorer.sae.sae import SAE

VERSION = "6.54.12"
"""The format that is written; SAELens drops the metadata of a file without a version of 6 or later."""
SETTINGS, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_NORMALISED = {
    "layer_norm": "layer-normalises its input: it is not rotation-equivariant and cannot be carried to another model",
    "constant_norm_rescale": "rescales every row to one norm, which the map's translation changes: it is not "
    "equivariant and cannot be carried to another model",
    "expected_average_only_in": "scales its input by a number that the folder does not hold: fold it into the weights "
    "first (SAELens: fold_activation_norm_scaling_factor) and save it again",
    "covariance_whitening": "whitens its input with a matrix that the folder does not hold: fold it into the weights "
    "first (SAELens: fold_activation_whitening) and save it again",
}


def save_sae(
    sae: SAE, folder: Path, model_name: str, context: int, dtype: torch.dtype = torch.float16, bos: bool = False
) -> None:
    """Write a SAELens folder (cfg.json, sae_weights.safetensors) into place by one rename.

    It was trained on windows of `context` tokens, with a BOS before each document where `bos` says so. `dtype` is that
    of its matrices; its vectors are small and kept in float16 at least.
    """
    config: dict[str, Any] = {
        "d_in": sae.d_in,
        "d_sae": sae.n_features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": VERSION,
            "model_name": model_name,
            "hook_name": sae.site,
            "context_size": context,
            "prepend_bos": bos,
        },
        "architecture": sae.architecture,
    }
    if sae.k is not None:
        config |= {"k": sae.k, "rescale_acts_by_decoder_norm": False}
    names = ("W_enc", "b_enc", "W_dec", "b_dec", *(("threshold",) if sae.threshold is not None else ()))
    tensors: dict[str, Tensor] = {}
    for name in names:
        tensor = getattr(sae, name).detach()
        tensors[name] = tensor.to(dtype if tensor.ndim == 2 else max(dtype, torch.float16, key=lambda d: d.itemsize))
    with replacing(folder) as partial:
        write_json(partial / SETTINGS, config)
        write_tensors(partial / WEIGHTS, tensors)


def _read(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> StoredSAE:
    normalised = settings.get("normalize_activations") or "none"
    if normalised is True:  # of version 1
        normalised = "expected_average_only_in"
    if normalised != "none":
        raise InputError(f"'{folder}' {_NORMALISED.get(normalised, f'normalises its input ({normalised})')}")
    if (settings.get("reshape_activations") or "none") != "none" or settings.get("finetuning_scaling_factor"):
        raise InputError(f"'{folder}' reshapes or rescales what it reads: only dictionaries of plain rows can be used")
    # Before version 6 (no metadata) a dictionary without architecture is a ReLU one: there was no other.
    first = "standard" if {"hook_point", "hook_name"} & settings.keys() and "k" not in settings else ""
    architecture, k = settings.get("architecture") or first, settings.get("k")
    activation = settings.get("activation_fn_str") or settings.get("activation_fn") or "relu"
    if architecture == "standard" and activation != "relu":
        # Before version 6, SAELens wrote TopK as standard with another activation function.
        architecture, k = activation, (settings.get("activation_fn_kwargs") or {}).get("k")
    if architecture == "batchtopk" and "topk_threshold" in tensors:
        # A checkpoint of training; SAELens itself uses it as JumpReLU with this one threshold.
        tensors = {**tensors, "threshold": tensors["topk_threshold"].expand(len(tensors["b_enc"]))}
        architecture = "jumprelu"
    metadata = settings.get("metadata") or {}
    site = metadata.get("hook_name") or settings.get("hook_name") or settings.get("hook_point") or ""
    return StoredSAE(
        architecture,
        k,
        tensors,
        site,
        centred=bool(settings.get("apply_b_dec_to_input", True)),
        rescaled=bool(settings.get("rescale_acts_by_decoder_norm")),
    )


FORMAT = folder_format("SAELens", SETTINGS, WEIGHTS, _read)
