"""Gemma Scope: `layer_2/width_16k/average_l0_71/params.npz`, read without pickles, and Gemma Scope 2:
`resid_post/layer_9_width_16k_l0_medium/` with config.json and params.safetensors.

Both are JumpReLU; neither subtracts b_dec from the input. Which stream they read stands in the names of the folders.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.errors import InputError
from explorer.intake import explained, of_the_file, read_npy
from explorer.sae.formats.stored_sae import REMEDY, SAEFormat, StoredSAE, folder_format

PARAMETERS = "params.npz"
_NAMES = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
MOST_UNFOLDED = 8
"""How many times its bytes a file may unfold to."""
_LAYER = re.compile(r"layer_(\d+)(?:_|$)")
_ELSEWHERE = re.compile(r"(?:^|[-_/])(att|attn|attn_out|mlp|mlp_out|transcoders?|clt|crosscoder)(?:[-_/]|$)")
_STREAM = "resid_post"


def _site(folder: Path) -> str:
    """The hook that the names of folders say: the last that names a layer, or the embedding."""
    parts = folder.resolve().parts
    layer = next((found for part in reversed(parts) if (found := _LAYER.match(part))), None)
    if layer is None:
        return "hook_embed" if any(part.startswith("embedding") for part in parts[-3:]) else ""
    # Of what lies above only the repository's name counts, and that is among the last eight.
    other = None if _STREAM in parts else _ELSEWHERE.search("/".join(parts[-8:]))
    return f"blocks.{layer[1]}.hook_{'resid_post' if other is None else other[1]}"


def _read_npz(folder: Path) -> StoredSAE:
    path = folder / PARAMETERS
    try:
        tensors = {}
        with zipfile.ZipFile(path) as packed:
            unfolded = sum(info.file_size for info in packed.infolist())
            if unfolded > MOST_UNFOLDED * path.stat().st_size:
                raise ValueError(f"it says that it unfolds to {unfolded:,} bytes, and weights hardly pack")
            for name in _NAMES:
                if (member := f"{name}.npy") in packed.namelist():
                    with packed.open(member) as file:
                        array = read_npy(file, packed.getinfo(member).file_size)
                    tensors[name] = torch.from_numpy(np.array(array))
    except Exception as error:  # zip, zlib and NumPy raise what they like
        if not of_the_file(error):
            raise
        raise InputError(f"'{path}' is no .npz file of plain arrays: {explained(error)}; {REMEDY}") from error
    return StoredSAE("jumprelu", None, tensors, _site(folder), centred=False)


def _read_folder(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> StoredSAE:
    if settings.get("architecture") != "jump_relu":
        raise InputError(f"'{folder}': architecture '{settings.get('architecture')}' is not supported: jump_relu is")
    if settings.get("affine_connection") or settings.get("type", "sae") != "sae":
        raise InputError(
            f"'{folder}' is a {settings.get('type', 'transcoder')}: it predicts something else than its input"
        )
    ours = {"w_enc": "W_enc", "w_dec": "W_dec"}
    return StoredSAE("jumprelu", None, {ours.get(n, n): t for n, t in tensors.items()}, _site(folder), centred=False)


FORMAT = SAEFormat(f"{PARAMETERS} (Gemma Scope)", lambda folder: (folder / PARAMETERS).is_file(), _read_npz)
FORMAT_2 = folder_format("Gemma Scope 2", "config.json", "params.safetensors", _read_folder)
