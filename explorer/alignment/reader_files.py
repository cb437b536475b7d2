"""Files of probes and lenses: safetensors, read strictly, written under the names that they came with.

A probe is `weight` (d numbers, or a row for each class) with `bias`, as torch.nn.Linear has them, or `coef_` with
`intercept_`, as scikit-learn has them. A lens is `NAME.weight` (d × d, out × in, as torch.nn.Linear has it:
y = x Wᵀ + b) with or without `NAME.bias`, or the matrix alone under NAME; NAME is a site's index, name or label, or
what another library calls the hook. An index is the input of that block, as in tuned-lens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.lens import Lens
from explorer.alignment.probe import Probe
from explorer.errors import InputError
from explorer.files import user_path, write_tensors
from explorer.intake import need_shapes, read_tensors, tensor_claims
from explorer.models import Site, all_sites, residual_index

PROBE_REMEDY = "give a safetensors file with weight and bias, or coef_ and intercept_, of a linear probe"
LENS_REMEDY = "give a safetensors file with a d × d matrix NAME.weight, and NAME.bias if there is one, for each layer"
PROBE_NAMES = (("weight", "bias"), ("coef_", "intercept_"))
LARGEST = 8 << 30
"""Bytes of the largest file that is read."""
LensForm = Literal["affine", "residual"]
"""What a file's W and b make of a row: x Wᵀ + b, or, as tuned-lens stores it, x + x Wᵀ + b."""


@dataclass(frozen=True)
class ProbeFile:
    """A probe as it was stored."""

    probe: Probe
    """The probe."""
    names: tuple[str, str]
    """What its weights and bias are called."""
    flat: bool
    """Whether its weights are one vector, without a dimension for classes."""

    def write(self, path: Path, probe: Probe) -> None:
        """Write another probe in the same way."""
        weight, bias = probe.weight.cpu(), probe.bias.cpu()
        tensors = (weight[0], bias[0]) if self.flat else (weight, bias)
        write_tensors(path, {name: t.clone() for name, t in zip(self.names, tensors, strict=True)})


def as_torch(probe: Probe) -> ProbeFile:
    """How a probe of our own is stored."""
    return ProbeFile(probe, PROBE_NAMES[0], False)


def read_probe(given: str, width: int) -> ProbeFile:
    """The probe in a file. Raises InputError for what is missing, of another width, or not finite."""
    tensors = _tensors(given, PROBE_REMEDY)
    names = next((names for names in PROBE_NAMES if names[0] in tensors), None)
    if names is None:
        raise InputError(f"'{given}' holds {_listed(tensors)}, and no probe: {PROBE_REMEDY}")
    weight = tensors[names[0]]
    flat, classes = weight.ndim == 1, 1 if weight.ndim == 1 else len(weight)
    need_shapes(tensors, {names[0]: (width,) if flat else (None, width)}, given, _of_width(width))
    bias = tensors.get(names[1], torch.zeros(classes))
    if bias.numel() != classes:
        raise InputError(
            f"'{given}' is damaged: {names[1]} has {bias.numel()} numbers for {classes} rows of {names[0]}"
        )
    need_shapes({names[1]: bias.reshape(-1)}, {names[1]: (classes,)}, given, PROBE_REMEDY)
    return ProbeFile(Probe(weight.reshape(classes, width).float(), bias.reshape(-1).float()), names, flat)


@dataclass(frozen=True)
class LensFile:
    """Lenses as they were stored."""

    lenses: Mapping[Site, Lens]
    """The lenses by site."""
    names: Mapping[Site, tuple[str, str | None]]
    """What the matrix and the bias of each are called; None for a lens without a bias."""
    form: LensForm
    """What W and b make of a row."""

    def write(self, path: Path, lenses: Mapping[Site, Lens]) -> None:
        """Write other lenses of the same sites in the same way; a bias is added where there was none."""
        tensors = {}
        for site, lens in lenses.items():
            name, bias = self.names[site]
            tensors[name] = _stored(lens.matrix, self.form)
            tensors[bias or f"{name.removesuffix('.weight')}.bias"] = lens.bias.cpu().clone()
        write_tensors(path, tensors)


def as_affine(lenses: Mapping[Site, Lens]) -> LensFile:
    """How lenses of our own are stored."""
    names = {site: (f"{site.name}.weight", f"{site.name}.bias") for site in lenses}
    return LensFile(lenses, names, "affine")


def _stored(matrix: Float[Tensor, "d d"], form: LensForm) -> Tensor:
    eye = torch.eye(len(matrix), device=matrix.device)
    return (matrix - eye if form == "residual" else matrix).T.cpu().contiguous()


def read_lenses(given: str, width: int, n_layers: int, form: LensForm = "affine") -> LensFile:
    """The lenses in a file. Raises InputError for what is missing, of another width or depth, or not finite."""
    tensors = _tensors(given, LENS_REMEDY)
    matrices = {name: site for name in tensors if (site := _site(name, n_layers)) is not None}
    if not matrices:
        raise InputError(f"'{given}' holds {_listed(tensors)}, and no layer of {n_layers} blocks: {LENS_REMEDY}")
    need_shapes(tensors, dict.fromkeys(matrices, (width, width)), given, _of_width(width))
    lenses: dict[Site, Lens] = {}
    names: dict[Site, tuple[str, str | None]] = {}
    for name, site in sorted(matrices.items(), key=lambda item: item[1]):
        if site in lenses:
            raise InputError(f"'{given}' has two lenses of {site.name}, '{names[site][0]}' and '{name}': keep one")
        bias = f"{name.removesuffix('.weight')}.bias"
        if bias in tensors:
            need_shapes(tensors, {bias: (width,)}, given, _of_width(width))
        matrix = tensors[name].float().T + (torch.eye(width) if form == "residual" else 0)
        lenses[site] = Lens(matrix.contiguous(), tensors.get(bias, torch.zeros(width)).float())
        names[site] = (name, bias if bias in tensors else None)
    return LensFile(lenses, names, form)


def _site(name: str, n_layers: int) -> Site | None:
    """The site that a matrix is of; None for a bias and for what is none."""
    if name.endswith(".bias"):
        return None
    layer = name.removesuffix(".weight")
    sites = all_sites(n_layers)
    for site in sites:
        if layer in (str(site.index), site.name, site.label):
            return site
    found = re.fullmatch(r"(?:\w+\.)*layer_translators\.(\d+)", layer)
    index = int(found[1]) if found else residual_index(layer)
    return sites[index] if index is not None and index < len(sites) else None


def _tensors(given: str, remedy: str) -> dict[str, Tensor]:
    path = user_path(given)
    if not path.is_file():
        raise InputError(f"'{given}' is no file: {remedy}")
    if path.stat().st_size > LARGEST:
        raise InputError(
            f"'{given}' has {path.stat().st_size >> 20:,} MiB, at most {LARGEST >> 20:,} are read: {remedy}"
        )
    tensor_claims(path, remedy)
    found = read_tensors(path, remedy)
    if strange := [name for name, tensor in found.items() if not tensor.is_floating_point()]:
        raise InputError(f"'{given}' holds {found[strange[0]].dtype} in '{strange[0][:60]}': {remedy}")
    return found


def _listed(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"'{name[:40]}'" for name in sorted(tensors)[:4]) or "no tensors"


def _of_width(width: int) -> str:
    return f"these models are of width {width}; give one that was made for the source"
