"""Sparse dictionaries of the residual stream (SAEs): encode, decode, save and load in SAELens' on-disk format."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.errors import InputError

ARCHITECTURES = ("topk", "standard")
SAELENS_VERSION = "6.54.12"
"""The format that is written; SAELens drops the metadata of a file without a version of 6 or later."""

_WEIGHTS, _CONFIG = "sae_weights.safetensors", "cfg.json"


@dataclass(frozen=True)
class SAE:
    """A dictionary: x ≈ a @ W_dec + b_dec with a = act((x − b_dec) @ W_enc + b_enc); act is TopK∘ReLU or ReLU."""

    architecture: str
    """"topk" (the k largest pre-activations, then ReLU) or "standard" (ReLU)."""
    k: int | None
    """Features kept for each row; None for ReLU."""
    W_enc: Float[Tensor, "d f"]
    """Encoder, one column for each feature."""
    b_enc: Float[Tensor, " f"]
    """Encoder bias."""
    W_dec: Float[Tensor, "f d"]
    """Decoder, one row (direction) for each feature, of unit norm."""
    b_dec: Float[Tensor, " d"]
    """Decoder bias, subtracted from the input too."""
    site: str = ""
    """Name of the site whose rows it reads."""

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise InputError(
                f"dictionary architecture '{self.architecture}' is not supported: {', '.join(ARCHITECTURES)}"
            )
        if (self.architecture == "topk") != (self.k is not None):
            raise InputError(f"a {self.architecture} dictionary with k = {self.k}: k belongs to topk, and only to it")

    @property
    def d_in(self) -> int:
        """Width of the residual stream that it reads."""
        return self.W_enc.shape[0]

    @property
    def n_features(self) -> int:
        """Number of dictionary features."""
        return self.W_enc.shape[1]

    def encode(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n f"]:
        """Feature activations of residual rows."""
        before = (x - self.b_dec) @ self.W_enc + self.b_enc
        if self.k is None:
            return before.relu()
        values, index = before.topk(self.k, dim=-1, sorted=False)
        return torch.zeros_like(before).scatter_(-1, index, values.relu())

    def decode(self, activations: Float[Tensor, "*n f"]) -> Float[Tensor, "*n d"]:
        """Residual rows rebuilt from feature activations."""
        return activations @ self.W_dec + self.b_dec

    def __call__(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """decode(encode(x))."""
        return self.decode(self.encode(x))

    def rotated_for_target(
        self, rotation: Float[Tensor, "d d"], mean_source: Float[Tensor, " d"], mean_target: Float[Tensor, " d"]
    ) -> SAE:
        """The dictionary for the target: SAE_B(x) = f⁻¹(SAE_A(f(x))) with f(x) = (x − mean_target) R + mean_source.

        W_enc′ = R W_enc, W_dec′ = W_dec Rᵀ, b_dec′ = (b_dec − μ_A) Rᵀ + μ_B;
        b_enc stays, as b_dec is subtracted on input.
        """
        return replace(
            self,
            W_enc=rotation @ self.W_enc,
            W_dec=self.W_dec @ rotation.T,
            b_dec=(self.b_dec - mean_source) @ rotation.T + mean_target,
        )


def save_sae(sae: SAE, folder: Path, model_name: str, context: int, dtype: torch.dtype = torch.float16) -> None:
    """Write a SAELens folder (cfg.json, sae_weights.safetensors) into place by one rename."""
    from safetensors.torch import save_file

    config: dict[str, Any] = {
        "d_in": sae.d_in,
        "d_sae": sae.n_features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": SAELENS_VERSION,
            "model_name": model_name,
            "hook_name": sae.site,
            "context_size": context,
            "prepend_bos": False,
        },
        "architecture": sae.architecture,
    }
    if sae.k is not None:
        config |= {"k": sae.k, "rescale_acts_by_decoder_norm": False}
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / _CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tensors = {
        name: getattr(sae, name).detach().to(dtype).contiguous() for name in ("W_enc", "b_enc", "W_dec", "b_dec")
    }
    save_file(tensors, partial / _WEIGHTS)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load_sae(folder: Path) -> SAE:
    """A dictionary from a SAELens folder, float32. The architecture is read from its config, never guessed.

    Raises InputError for a missing or broken file, another architecture, or input normalisation that cannot be rotated.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        tensors = {k: v.float() for k, v in load_file(folder / _WEIGHTS).items()}
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"'{folder}' is no readable SAELens folder ({_CONFIG}, {_WEIGHTS}): {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"'{folder}' is no readable SAELens folder: {_CONFIG} holds no settings")
    if (config.get("normalize_activations") or "none") != "none":
        raise InputError(
            f"'{folder}' normalises its input ({config['normalize_activations']}): such a dictionary is not "
            "rotation-equivariant and cannot be carried to another model"
        )
    architecture, k = _architecture(config)
    if missing := [n for n in ("W_enc", "b_enc", "W_dec", "b_dec") if n not in tensors]:
        raise InputError(f"'{folder}' lacks {', '.join(missing)}: export it again")
    if architecture == "topk" and not isinstance(k, int):
        raise InputError(f"'{folder}' is a topk dictionary without k in {_CONFIG}: export it again")
    if config.get("rescale_acts_by_decoder_norm"):
        norm = tensors["W_dec"].norm(dim=1)
        tensors |= {"W_enc": tensors["W_enc"] * norm, "b_enc": tensors["b_enc"] * norm}
        tensors["W_dec"] = tensors["W_dec"] / norm[:, None]
    if not config.get("apply_b_dec_to_input", True):
        tensors["b_enc"] = tensors["b_enc"] + tensors["b_dec"] @ tensors["W_enc"]
    if not all(torch.isfinite(t).all() for t in tensors.values()):
        raise InputError(f"'{folder}' has non-finite weights: export it again")
    site = (config.get("metadata") or {}).get("hook_name") or ""
    return SAE(architecture, k, tensors["W_enc"], tensors["b_enc"], tensors["W_dec"], tensors["b_dec"], site)


def _architecture(config: dict[str, Any]) -> tuple[str, int | None]:
    """Architecture and k. Before version 6, SAELens wrote TopK as standard with another activation function."""
    architecture = config.get("architecture", "")
    activation = config.get("activation_fn_str") or config.get("activation_fn") or "relu"
    if architecture == "standard" and activation != "relu":
        return activation, (config.get("activation_fn_kwargs") or {}).get("k")
    return architecture, config.get("k") if architecture == "topk" else None
