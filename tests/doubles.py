"""A test double of the activation source: a target that computes what the source does, in other coordinates."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from explorer.alignment import pairing as paired_rows, stitching as stitch
from explorer.models import hooks as activations
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site


@contextmanager
def in_coordinates(name: str, matrix: Tensor, ignores: bool = False, noise: float = 0.0) -> Iterator[None]:
    """While open, the model of that name shows its residual stream x as x·matrix (plus seeded noise).

    Edits are undone into its own coordinates before it goes on; one that `ignores` them goes on from scrambled rows, as
    a model would whose stream at the site is a copy that it does not read.
    """
    back = torch.linalg.inv(matrix.double()).float()
    scramble = torch.linalg.qr(torch.randn(len(matrix), len(matrix), generator=torch.Generator().manual_seed(5))).Q
    true_residuals, true_start = activations.residuals, activations.start_at

    def residuals(model: LanguageModel, ids: Tensor, sites: Sequence[Site]) -> dict[Site, Tensor]:
        found = true_residuals(model, ids, sites)
        if model.name != name:
            return found
        generator = torch.Generator().manual_seed(int(ids.sum()))
        return {s: x @ matrix + noise * torch.randn(x.shape, generator=generator) for s, x in found.items()}

    def start_at(model: LanguageModel, site: Site, hidden: Tensor) -> Any:
        if model.name == name:
            hidden = hidden @ back @ (scramble if ignores else torch.eye(len(back)))
        return true_start(model, site, hidden)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired_rows, "residuals", residuals)
        patch.setattr(stitch, "start_at", start_at)
        yield
