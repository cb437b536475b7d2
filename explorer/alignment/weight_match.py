"""Matches the parts of two models by their weights (Ainsworth et al. 2023): what a target's function does not notice.

Rewrites the target's neurons (order, and the sign that `up` and `down` share), its heads (order), and the coordinates
within each head: values are turned as its outputs are, queries and keys in the planes that the positions turn anyway.
All of these leave the logits as they are, and bring the weights as near to the source's as they can.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explorer.alignment.orthogonal import orthogonal_factor
from explorer.models import LanguageModel

PROJECTIONS = ("q_proj", "k_proj", "v_proj")


@torch.no_grad()
def match_parts(source: LanguageModel, target: LanguageModel) -> bool:
    """Rewrite the target in place, block by block; whether heads were matched, too, and not neurons alone.

    Both of one shape and of a family that `turned_model` turns by every rotation.
    """
    heads = matches_heads(source)
    for a, b in zip(source.blocks, target.blocks, strict=True):
        _match_neurons(a.mlp, b.mlp)
        if heads:
            _match_heads(a.self_attn, b.self_attn, _head_width(source))
    return heads


def matches_heads(model: LanguageModel) -> bool:
    """Whether each head has a key of its own and no norm within, so that heads can change places and turn."""
    config = model.network.config
    own = getattr(config, "num_key_value_heads", None) in (None, config.num_attention_heads)
    return own and not any(hasattr(block.self_attn, "q_norm") for block in model.blocks)


def _head_width(model: LanguageModel) -> int:
    config: Any = model.network.config
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _with_bias(layer: Any) -> Float[Tensor, "out in_"]:
    """The weights with the bias as one more input, in double precision: what moves with the output."""
    weight = layer.weight.double()
    return weight if layer.bias is None else torch.cat([weight, layer.bias.double()[:, None]], 1)


def _set_with_bias(layer: Any, whole: Tensor) -> None:
    layer.weight.copy_(whole[:, : layer.weight.shape[1]])
    if layer.bias is not None:
        layer.bias.copy_(whole[:, -1])


def _assignment(gain: Float[Tensor, "n n"]) -> Int[Tensor, " n"]:
    """Which of the target's parts goes to each place of the source's, so that the sum of gains is largest."""
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(-gain.cpu().numpy())[1]).to(gain.device)


def _match_neurons(a: Any, b: Any) -> None:
    up, down = _with_bias(b.up_proj), b.down_proj.weight.double()
    signed = _with_bias(a.up_proj) @ up.T + a.down_proj.weight.double().T @ down
    order = _assignment(_with_bias(a.gate_proj) @ _with_bias(b.gate_proj).T + signed.abs())
    sign = torch.where(signed.gather(1, order[:, None])[:, 0] < 0, -1.0, 1.0).to(up)
    _set_with_bias(b.gate_proj, _with_bias(b.gate_proj)[order])
    _set_with_bias(b.up_proj, sign[:, None] * up[order])
    b.down_proj.weight.copy_(down[:, order] * sign)


def _match_heads(a: Any, b: Any, width: int) -> None:
    (qa, ka, va, oa), (qb, kb, vb, ob) = _parts(a, width), _parts(b, width)
    # Planes in which positions turn: coordinate i with i + width/2, as one complex number.
    planes = _plane_products(qa, qb) + _plane_products(ka, kb)
    values = torch.einsum("hif,gjf->hgij", va, vb) + torch.einsum("hif,gjf->hgij", oa, ob)
    order = _assignment(planes.abs().sum(-1) + torch.linalg.svdvals(values).sum(-1))
    own = torch.arange(len(order), device=order.device)
    phase = planes[own, order]
    phase = torch.where(phase.abs() > 0, phase / phase.abs().clamp_min(1e-300), torch.ones_like(phase))[..., None]
    turn = torch.stack([orthogonal_factor(m) for m in values[own, order]])
    for name, whole in (("q_proj", qb), ("k_proj", kb)):
        _set_with_bias(getattr(b, name), _real(phase * _complex(whole[order])).flatten(0, 1))
    _set_with_bias(b.v_proj, (turn @ vb[order]).flatten(0, 1))
    b.o_proj.weight.copy_((turn @ ob[order]).flatten(0, 1).T)


def _parts(attention: Any, width: int) -> tuple[Tensor, ...]:
    """Queries, keys, values and outputs as (heads, width of a head, what each coordinate reads or writes)."""
    read = [_with_bias(getattr(attention, name)) for name in PROJECTIONS]
    return tuple(m.reshape(-1, width, m.shape[1]) for m in (*read, attention.o_proj.weight.double().T))


def _complex(rows: Float[Tensor, "h w f"]) -> Tensor:
    first, second = rows.chunk(2, 1)
    return torch.complex(first, second)


def _real(rows: Tensor) -> Float[Tensor, "h w f"]:
    return torch.cat([rows.real, rows.imag], 1)


def _plane_products(a: Float[Tensor, "h w f"], b: Float[Tensor, "h w f"]) -> Tensor:
    """For every two heads and each plane, the number whose phase turns b best onto a and whose size says how well."""
    return torch.einsum("hpf,gpf->hgp", _complex(a), _complex(b).conj())
