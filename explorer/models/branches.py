"""Many small edits of one window at the cost of a token each: every edit branches off the untouched text."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer import metrics
from explorer.errors import InputError
from explorer.models.hooks import start_at
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site

TOGETHER = 256
"""Branches that go through the blocks beside one window."""
SLACK = 1e-3
"""Nats, KL, by which the predictions of a branch that changes nothing may differ from the window's own."""


class BranchEffects(NamedTuple):
    """What edits do to the prediction of the next token, each edit by itself."""

    loss: Float[Tensor, " m"]
    """−log P of the token that comes, after minus before."""
    kl: Float[Tensor, " m"]
    """KL(before‖after): the same in the mean over the tokens that the untouched model itself expects."""


@torch.inference_mode()
def branch_effects(
    model: LanguageModel,
    site: Site,
    ids: Int[Tensor, " t"],
    rows: Float[Tensor, "t d"],
    at: Int[Tensor, " m"],
    change: Float[Tensor, "m d"],
) -> BranchEffects:
    """What `change`, added to the row at position `at`, does to the prediction there, an edit at a time; nats.

    `rows` are the window's own at the site. A branch is one more token with the position of the one that it replaces:
    it sees the untouched rows before it and itself, and nothing sees it. So each effect is that of a pass with this one
    edit. Raises InputError for an architecture whose attention takes no such mask.
    """
    found: list[Tensor] = []
    for places, changes in zip(at.split(TOGETHER), change.split(TOGETHER), strict=True):
        if not len(places):
            continue
        # The first branch changes nothing, and must predict what the window itself does.
        places, changes = torch.cat([places[:1], places]), torch.cat([torch.zeros_like(changes[:1]), changes])
        try:
            own, branch = _logits(model, site, ids, rows, places, changes)
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise _refused(model) from error
        truth = ids.to(own.device)[places.to(own.device) + 1]
        loss = [torch.nn.functional.cross_entropy(logits, truth, reduction="none") for logits in (own, branch)]
        kl = metrics.kl_divergence(own, branch)
        if not float(kl[0]) <= SLACK:
            raise _refused(model)
        found.append((loss[1] - loss[0])[1:])
        found.append(kl[1:].clamp_min(0))
    none = change.new_zeros(0)
    return BranchEffects(torch.cat([none, *found[::2]]).cpu(), torch.cat([none, *found[1::2]]).cpu())


def _refused(model: LanguageModel) -> InputError:
    kind = model.network.config.model_type
    return InputError(f"{model.name} ('{kind}') reads no window with branches: its attention takes no mask of its own")


def _logits(
    model: LanguageModel, site: Site, ids: Tensor, rows: Tensor, at: Tensor, change: Tensor
) -> tuple[Float[Tensor, "m v"], Float[Tensor, "m v"]]:
    """At each place those of the window itself, and those of the branch."""
    device, length, count = model.device, len(ids), len(at)
    ids, rows, at, change = (t.to(device) for t in (ids, rows, at, change))
    position = torch.arange(length, device=device)
    hidden = torch.cat([rows, rows[at] + change])[None]
    places = torch.cat([position, at])
    sees = torch.eye(length + count, dtype=torch.bool, device=device)
    sees[:, :length] |= position < places[:, None]
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=device)
    mask.masked_fill_(~sees, torch.finfo(model.dtype).min)
    given = {"input_ids": ids[places][None], "attention_mask": mask[None, None], "position_ids": places[None]}
    # A large vocabulary costs more than the blocks: only what is asked for is unembedded, where a model can do so.
    wanted = torch.cat([at, torch.arange(length, length + count, device=device)])
    if len(wanted) == length + count:
        wanted = torch.cat([wanted, wanted[:1]])
    with start_at(model, site, hidden):
        logits = model.network(**given, use_cache=False, logits_to_keep=wanted).logits[0]
    kept = (logits if len(logits) == len(wanted) else logits[wanted]).float()
    return kept[:count], kept[count : 2 * count]
