"""A dictionary as a file has it, in any format; what a format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import torch
from torch import Tensor

from explorer.errors import InputError
from explorer.intake import MOST_WORDS, read_settings, read_tensors, told
from explorer.models import converted_file, residual_index
from explorer.sae.architecture import ARCHITECTURES
from explorer.sae.sae import SAE

REMEDY = "export the dictionary again"
K = Annotated[int, msgspec.Meta(ge=1, le=MOST_WORDS)]
GATED = ("gated", "GatedAutoEncoder")
GATES = {"b_gate", "r_mag", "gate_bias"}
"""Arrays that only gated dictionaries have, by SAELens' and dictionary_learning's names."""


@dataclass(frozen=True)
class StoredSAE:
    """A dictionary as its file has it."""

    architecture: str
    """What the file says that it is: one of `ARCHITECTURES`, or what cannot be carried."""
    k: Any
    """What the file says for k."""
    tensors: dict[str, Tensor]
    """W_enc d×f, b_enc, W_dec f×d, b_dec, and threshold for jumprelu."""
    site: str
    """Where the file says that it reads; may be empty."""
    centred: bool = True
    """Whether b_dec is subtracted from the input."""
    rescaled: bool = False
    """Whether activations are multiplied by the decoder's norms before they are chosen, and divided after."""

    def sae(self, path: Path) -> SAE:
        """The dictionary, float32. Raises InputError, naming the path, for what is missing or cannot be carried.

        b_dec is subtracted on input afterwards; where the file does not, b_enc takes up b_dec @ W_enc:
        the same function.
        """
        if self.architecture in GATED or GATES & self.tensors.keys():
            raise InputError(
                f"'{path}' is a gated dictionary: gated is not supported (a gate of its own decides what fires): "
                f"{', '.join(ARCHITECTURES)} are"
            )
        architecture = next((a for a in ARCHITECTURES if a == self.architecture), None)
        if architecture is None:
            raise InputError(
                f"dictionary architecture '{self.architecture}' is not supported: {', '.join(ARCHITECTURES)}"
            )
        if missing := [n for n in ("W_enc", "b_enc", "W_dec", "b_dec") if n not in self.tensors]:
            raise InputError(f"'{path}' lacks {', '.join(missing)}: export it again")
        if architecture == "topk" and not (type(self.k) is int and self.k > 0):
            raise InputError(f"'{path}' is a topk dictionary without k: add k to its settings, or export it again")
        if architecture == "jumprelu" and "threshold" not in self.tensors:
            raise InputError(f"'{path}' is a jumprelu dictionary without a threshold: export it again")
        _check_kinds(path, self.tensors)
        names = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
        tensors = {name: t.double() for name, t in self.tensors.items() if name in names}
        _check_shapes(path, tensors)
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            raise InputError(f"'{path}' has non-finite weights: export it again")
        if architecture == "topk" and self.k > len(tensors["b_enc"]):
            raise InputError(f"'{path}' says k = {self.k} and has {len(tensors['b_enc'])} features: export it again")
        if self.rescaled:
            norm = tensors["W_dec"].norm(dim=1)
            tensors |= {"W_enc": tensors["W_enc"] * norm, "b_enc": tensors["b_enc"] * norm}
            tensors["W_dec"] = tensors["W_dec"] / norm.clamp_min(1e-12)[:, None]
        if not self.centred:
            tensors["b_enc"] = tensors["b_enc"] + tensors["b_dec"] @ tensors["W_enc"]
        threshold = tensors["threshold"].float() if architecture == "jumprelu" else None
        k = self.k if architecture == "topk" else None
        if self.site and residual_index(self.site) is None:
            raise InputError(
                f"'{path}' reads '{self.site}', which is no site of the residual stream: give a dictionary of "
                "blocks.N.hook_resid_pre or blocks.N.hook_resid_post"
            )
        w_enc, b_enc, w_dec, b_dec = (tensors[n].float() for n in ("W_enc", "b_enc", "W_dec", "b_dec"))
        return SAE(architecture, k, w_enc, b_enc, w_dec, b_dec, self.site, threshold)


class SAEFormat(NamedTuple):
    """One way to keep a dictionary on disk."""

    looks: str
    """What a path holds that has this format, for people."""
    is_at: Callable[[Path], bool]
    """Whether a path has this format."""
    read: Callable[[Path], StoredSAE]
    """Reads it. Raises InputError for what cannot be read or carried."""


def folder_format(
    name: str,
    settings: str,
    weights: str,
    read: Callable[[Path, dict[str, Any], dict[str, Tensor]], StoredSAE],
    pickle: str = "",
) -> SAEFormat:
    """A format that is a folder with a JSON file of settings and a safetensors file of weights, or a pickle of them."""

    def weights_of(folder: Path) -> Path | None:
        return next((folder / n for n in (weights, pickle) if n and (folder / n).is_file()), None)

    def found(folder: Path) -> StoredSAE:
        path = weights_of(folder)
        assert path is not None
        kept = path if path.suffix == ".safetensors" else converted_file(path)
        with told(folder, REMEDY):
            return read(folder, read_dictionary_settings(folder / settings), read_tensors(kept, REMEDY))

    return SAEFormat(
        f"{settings} with {weights} ({name})",
        lambda folder: (folder / settings).is_file() and weights_of(folder) is not None,
        found,
    )


class _Place(msgspec.Struct):
    """Where a dictionary was trained, in the formats that keep it apart."""

    hook_name: str | None = None
    dict_class: str | None = None
    submodule_name: str | None = None
    k: K | None = None


class _Settings(msgspec.Struct):
    """The settings of every format that this program reads, by their names there."""

    architecture: str | None = None
    k: K | None = None
    activation: str | None = None
    activation_fn: str | None = None
    activation_fn_str: str | None = None
    activation_fn_kwargs: _Place | None = None
    apply_b_dec_to_input: bool | None = None
    rescale_acts_by_decoder_norm: bool | None = None
    normalize_activations: str | bool | None = None
    reshape_activations: str | None = None
    hook_name: str | None = None
    hook_point: str | None = None
    metadata: _Place | None = None
    trainer: _Place | None = None
    type: str | None = None
    transcode: bool | None = None
    skip_connection: bool | None = None
    signed: bool | None = None


def read_dictionary_settings(path: Path) -> dict[str, Any]:
    """The settings of a dictionary, of the right kinds. Raises InputError."""
    settings = read_settings(path, object, REMEDY)
    if not isinstance(settings, dict):
        raise InputError(f"'{path}' holds no settings: it must be a JSON object")
    with told(path, REMEDY):
        msgspec.convert(settings, _Settings)
    return settings


def _check_kinds(path: Path, tensors: dict[str, Tensor]) -> None:
    """Raise InputError for arrays that are no matrix, no vector, or no numbers with a point."""
    for name, kinds in (("W_enc", 2), ("W_dec", 2), ("b_enc", 1), ("b_dec", 1), ("threshold", 1)):
        t = tensors.get(name)
        if t is not None and not (t.ndim == kinds and t.numel() and t.dtype.is_floating_point):
            raise InputError(
                f"'{path}': {name} has shape {tuple(t.shape)} of {t.dtype}, expected {kinds} dimensions of "
                "floating-point numbers: export it again"
            )


def _check_shapes(path: Path, tensors: dict[str, Tensor]) -> None:
    d, f = len(tensors["b_dec"]), len(tensors["b_enc"])
    wanted = {"W_enc": (d, f), "b_enc": (f,), "W_dec": (f, d), "b_dec": (d,), "threshold": (f,)}
    for name, shape in wanted.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise InputError(
                f"'{path}': {name} has shape {tuple(tensors[name].shape)}, expected {shape} by its biases "
                "(W_enc is width × features, W_dec features × width)"
            )
