"""The tensors of a measured pair on disk: fitted maps and clouds, as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from explorer import maps
from explorer.files import write_tensors
from explorer.maps import MapKind, ResidualMap

if TYPE_CHECKING:
    from explorer.site_maps import SiteMaps
    from explorer.tally import Cloud


def save_tensors(folder: Path, fitted: Mapping[str, SiteMaps], clouds: Mapping[str, Cloud]) -> None:
    """Write maps.safetensors and clouds.safetensors (float32 for R, float16 where three digits do)."""
    tensors: dict[str, Tensor] = {}
    for site, m in fitted.items():
        tensors[f"{site}.R"] = m.rotated.matrix
        tensors[f"{site}.mean_source"], tensors[f"{site}.mean_target"] = m.rotated.mean_source, m.rotated.mean_target
        if not torch.equal(m.special.matrix, m.rotated.matrix):
            tensors[f"{site}.R_special"] = m.special.matrix
        tensors[f"{site}.shuffled"] = m.shuffled.matrix
        if not torch.equal(m.shuffled_special.matrix, m.shuffled.matrix):
            tensors[f"{site}.shuffled_special"] = m.shuffled_special.matrix
        tensors[f"{site}.affine"] = m.affine.matrix.half()
        tensors[f"{site}.affine_forward"] = m.affine.forward.half()
    write_tensors(folder / "maps.safetensors", tensors)
    points = {f"{s}.{side}": getattr(c, side).half() for s, c in clouds.items() for side in ("source", "target")}
    write_tensors(folder / "clouds.safetensors", points)


def load_maps(path: Path, random_seed: int = 0) -> dict[str, SiteMaps]:
    """The maps that `save_tensors` wrote, by site name; the random one is drawn again from its seed."""
    from safetensors.torch import load_file

    from explorer.site_maps import SiteMaps

    found = load_file(path)
    out: dict[str, SiteMaps] = {}
    for site in [key.removesuffix(".R") for key in found if key.endswith(".R")]:
        a, b = found[f"{site}.mean_source"], found[f"{site}.mean_target"]
        d = len(a)

        def linear(
            kind: str, matrix: Tensor, forward: Float[Tensor, "d d"] | None = None, a: Tensor = a, b: Tensor = b
        ) -> ResidualMap:
            matrix = matrix.float()
            return ResidualMap(kind, matrix, a, b, (matrix.T if forward is None else forward.float()).contiguous())

        rotation, shuffled = found[f"{site}.R"], found[f"{site}.shuffled"]
        zero, eye = torch.zeros(d), torch.eye(d)
        out[site] = SiteMaps(
            raw=ResidualMap(MapKind.RAW, eye, zero, zero, eye),
            translated=linear(MapKind.TRANSLATED, eye),
            rotated=linear(MapKind.ROTATED, rotation),
            special=linear(MapKind.ROTATED, found.get(f"{site}.R_special", rotation)),
            affine=linear(MapKind.AFFINE, found[f"{site}.affine"], found[f"{site}.affine_forward"]),
            shuffled=linear(MapKind.SHUFFLED, shuffled),
            shuffled_special=linear(MapKind.SHUFFLED, found.get(f"{site}.shuffled_special", shuffled)),
            random=linear(MapKind.RANDOM, maps.haar(d, random_seed)),
        )
    return out
