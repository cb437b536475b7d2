"""The tensors of a measured pair on disk: fitted maps and clouds, as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import MAPS, CrossMoments, FitMoments, Moments, ResidualMap
from explorer.errors import InputError
from explorer.files import write_tensors
from explorer.intake import need_shapes, read_tensors
from explorer.study.feature_tables import REMEASURE

if TYPE_CHECKING:
    from explorer.alignment import Cloud, SiteMaps


SCALE, LARGEST = ".scale", 127
"""How the scales of a matrix in one byte are called, and its largest number."""
STEPS = 4
"""Of Newton's iteration, which doubles the right digits in each: two of them are right after rounding."""


def save_tensors(folder: Path, fitted: Mapping[str, SiteMaps], clouds: Mapping[str, Cloud]) -> None:
    """Write maps.safetensors and clouds.safetensors (float32 for R, float16 where its three digits and range do)."""
    tensors: dict[str, Tensor] = {}
    for site, fitted_here in fitted.items():
        rotated = fitted_here["rotated"]
        tensors[f"{site}.mean_source"], tensors[f"{site}.mean_target"] = rotated.mean_source, rotated.mean_target
        for entry in MAPS.values():
            if entry.tensor is None:
                continue
            m = fitted_here[entry.name]
            if entry.is_orthogonal:
                tensors[f"{site}.{entry.tensor}"] = m.matrix
            else:
                tensors[f"{site}.{entry.tensor}"] = _short(m.matrix)
                tensors[f"{site}.{entry.tensor}_forward"] = _short(m.forward)
    write_tensors(folder / "maps.safetensors", tensors)
    points = {f"{s}.{side}": _short(getattr(c, side)) for s, c in clouds.items() for side in ("source", "target")}
    write_tensors(folder / "clouds.safetensors", points)


def _short(tensor: Tensor) -> Tensor:
    """As float16; as it is where that would make a number infinite."""
    half = tensor.half()
    return half if half.isfinite().all() else tensor


def shrink_maps(path: Path) -> bool:
    """Keep the maps of a file in a third of the space: R in two bytes a number, others in one, with a scale a column.

    Those that no page reads are left out; orthogonal ones are made orthogonal again where they are read. What is lost
    is 2e-8 of the energy of R, 5e-5 of another map's. False for a file that is small already.
    """
    found = read_tensors(path, REMEASURE)
    if any(tensor.dtype == torch.int8 for tensor in found.values()):
        return False
    kept: dict[str, Tensor] = {}
    stored = {entry.tensor for entry in MAPS.values()}
    for name, tensor in found.items():
        what = name.rpartition(".")[2]
        if what.removesuffix("_forward") not in stored and tensor.ndim > 1:
            continue
        if tensor.ndim < 2:
            kept[name] = tensor
        elif what == "R":
            kept[name] = tensor.half()
        else:
            scale = tensor.float().abs().amax(0).clamp_min(1e-30) / LARGEST
            kept[name], kept[f"{name}{SCALE}"] = (tensor.float() / scale).round().to(torch.int8), scale
    write_tensors(path, kept)
    return True


def _whole(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as numbers, those in one byte multiplied by their scales."""
    whole = {name: tensor for name, tensor in found.items() if not name.endswith(SCALE)}
    return {n: t.float() * found[n + SCALE] if t.dtype == torch.int8 else t for n, t in whole.items()}


def _nearest_orthogonal(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """As it is in float32; what was rounded is made orthogonal again by Newton's iteration for the polar factor."""
    if matrix.dtype == torch.float32 and torch.allclose(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-4):
        return matrix
    x = matrix.double()
    for _ in range(STEPS):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x.float()


def load_maps(path: Path, d_model: int | None = None) -> dict[str, SiteMaps]:
    """The maps that `save_tensors` wrote, by site name; the drawn ones are made again; of one width if it is given.

    Raises InputError.
    """
    from explorer.alignment import SiteMaps

    stored = read_tensors(path, REMEASURE)
    found = _whole({name: stored[name] for name in _checked(stored, d_model, path)})
    out: dict[str, SiteMaps] = {}
    for site in [key.removesuffix(".R") for key in found if key.endswith(".R")]:
        means = found[f"{site}.mean_source"], found[f"{site}.mean_target"]
        given = _means_only(*means)
        by_name: dict[str, ResidualMap] = {}
        for name, entry in MAPS.items():
            matrix = found.get(f"{site}.{entry.tensor}")
            if entry.is_drawn:
                by_name[name] = entry.fit(given)
            elif matrix is not None:
                matrix = _nearest_orthogonal(matrix) if entry.is_orthogonal else matrix.float()
                forward = matrix.T if entry.is_orthogonal else found[f"{site}.{entry.tensor}_forward"]
                by_name[name] = ResidualMap(matrix, *means, forward.float().contiguous())
        out[site] = SiteMaps(by_name)
    return out


def _checked(stored: Mapping[str, Tensor], d: int | None, path: Path) -> list[str]:
    """Names of the tensors that maps are made of.

    Raises InputError unless every site has its means, and every matrix its width, scale and way back.
    """
    wanted: dict[str, tuple[int | None, ...]] = {}
    for site in [key.removesuffix(".R") for key in stored if key.endswith(".R")]:
        d = len(stored[f"{site}.R"]) if d is None and stored[f"{site}.R"].ndim else d
        wanted |= {f"{site}.mean_source": (d,), f"{site}.mean_target": (d,), f"{site}.R": (d, d)}
        for entry in MAPS.values():
            if f"{site}.{entry.tensor}" in stored and entry.tensor is not None:
                wanted[f"{site}.{entry.tensor}"] = (d, d)
                if not entry.is_orthogonal:
                    wanted[f"{site}.{entry.tensor}_forward"] = (d, d)
    wanted |= {n + SCALE: (d,) for n in wanted if n in stored and stored[n].dtype == torch.int8}
    if not wanted:
        raise InputError(f"'{path}' holds no maps: {REMEASURE}")
    need_shapes(stored, wanted, path, REMEASURE)
    if strange := [n for n in wanted if not (stored[n].is_floating_point() or stored[n].dtype == torch.int8)]:
        raise InputError(f"'{path}' is damaged: '{strange[0]}' holds {stored[strange[0]].dtype}; {REMEASURE}")
    return list(wanted)


def _means_only(source: Float[Tensor, " d"], target: Float[Tensor, " d"]) -> FitMoments:
    """One row that is the means: all that a drawn map is made of."""
    d = len(source)
    nothing = torch.zeros(1, 1, dtype=torch.float64).expand(d, d)
    one = Moments(1, source.double(), target.double(), nothing, nothing, nothing)
    return FitMoments(one, one, CrossMoments(0, source, target, nothing))
