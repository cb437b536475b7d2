"""The paper's own dictionaries: pre_bias, W_enc f×d, W_dec d×f, ReLU; `sae_layer2_resid_post_x8.pt`."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from explorer.sae.formats.stored_sae import StoredSAE

_SITE = re.compile(r"layer(\d+)_(resid_pre|resid_post)")


def is_papers(tensors: dict[str, Tensor]) -> bool:
    """Whether arrays are named as the paper's code names them."""
    return {"pre_bias", "W_enc", "b_enc", "W_dec"} <= tensors.keys()


def papers_sae(tensors: dict[str, Tensor], path: Path, site: str = "") -> StoredSAE:
    """Such a dictionary: the bias is subtracted from the input and added to the output. Its file's name, or `site`,
    says where it reads.
    """
    named = _SITE.search(site) or _SITE.search(path.stem)
    where = f"blocks.{named[1]}.hook_{named[2]}" if named else site
    ours = {"W_enc": tensors["W_enc"].T, "b_enc": tensors["b_enc"], "W_dec": tensors["W_dec"].T}
    return StoredSAE("standard", None, {**ours, "b_dec": tensors["pre_bias"]}, where)
