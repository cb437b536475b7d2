"""The loss half way between the weights of two models: as they are, matched, turned by R, and with R of shuffled pairs.

Two models that compute one function in other coordinates lie far apart in weight space, and what lies between them
knows nothing. Whether that barrier goes when the target is written in the source's coordinates says whether a rotation,
and the order of neurons and heads, is all that tells them apart. Of families whose norms allow every rotation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.orthogonal import orthogonal_factor
from explorer.alignment.stitching import batch_size
from explorer.alignment.twin import symmetry_of, turned_model, untied_network
from explorer.alignment.twin_anatomy import ANATOMY, Norm
from explorer.alignment.weight_match import match_parts, matches_heads
from explorer.alignment.weight_space_results import PATHS, PathName, WeightPath, WeightSpace
from explorer.models import LanguageModel, find_blocks
from explorer.progress import Report, counted, silent
from explorer.text import Chunks, sample

SHARES = tuple(i / 10 for i in range(11))
TOKENS = 2048
"""Test tokens on which each mixture is judged."""
ROUNDS = 20
"""Rounds of R and matches from the weights, in turn; it ends earlier where neither changes."""
STEP = "loss between the weights"


def has_weight_space(source: LanguageModel, target: LanguageModel) -> bool:
    """Whether weights of both can be mixed and turned: one RMSNorm family, one shape."""
    kinds = [model.network.config.model_type for model in (source, target)]
    shapes = [{n: w.shape for n, w in model.network.state_dict().items()} for model in (source, target)]
    return kinds[0] == kinds[1] and kinds[0] in ANATOMY and symmetry_of(kinds[0]) == "rotation" and _like(*shapes)


def _like(a: Mapping[str, torch.Size], b: Mapping[str, torch.Size]) -> bool:
    return all(shape == b.get(name, shape) for name, shape in a.items())


def one_rotation(rotations: Sequence[Float[Tensor, "d d"]]) -> tuple[Float[Tensor, "d d"], float]:
    """The rotation nearest to several, and how far they lie from it on average, ‖R_site − R‖_F / √(2d)."""
    whole = torch.stack([r.double() for r in rotations])
    r = orthogonal_factor(whole.sum(0))
    return r, float(torch.linalg.matrix_norm(whole - r).mean()) / (2 * len(r)) ** 0.5


@torch.inference_mode()
def measure_weight_space(
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    rotations: Sequence[Float[Tensor, "d d"]],
    shuffled: Sequence[Float[Tensor, "d d"]],
    report: Report = silent,
) -> WeightSpace:
    """The loss at 11 points between A and B on at most 2,048 test tokens; R of every site, of true and shuffled pairs.

    Raises ValueError where `has_weight_space` says no.
    """
    if not has_weight_space(source, target):
        raise ValueError("the weights of these two cannot be mixed, or not be turned")
    (r, spread), (wrong, _) = one_rotation(rotations), one_rotation(shuffled)
    eye = torch.eye(source.d_model, dtype=torch.float64)
    text = sample(chunks.split("test"), TOKENS).by_length()
    read = counted(report, STEP, 2 + len(PATHS) * (len(SHARES) - 2))
    read(0)
    ends = [_loss(model, text) for model in (source, target)]
    read(2)
    folded = turned_model(source, eye, "A")
    paths: dict[PathName, WeightPath] = {}
    written = {
        "plain": lambda: (_copy(source), _copy(target)),
        "permuted": lambda: (_copy(source), _matched(source, _copy(target))),
        "rotated": lambda: (folded, _matched(folded, turned_model(target, r, "B"))),
        "refined": lambda: (folded, _refined(folded, turned_model(target, r, "B"))),
        "shuffled": lambda: (folded, _matched(folded, turned_model(target, wrong, "B"))),
    }
    for name in PATHS:
        a, b = written[name]()
        losses = [ends[0]]
        for share in SHARES[1:-1]:
            losses.append(_loss(_mixed(a, b, share), text))
            read(1)
        paths[name] = WeightPath((*losses, ends[1]), _apart(a, b))
    heads = matches_heads(source)
    return WeightSpace(SHARES, paths, math.log(source.vocabulary), int(text.predicted.sum()), heads, spread)


def _loss(model: LanguageModel, text: Chunks) -> float:
    """Nats per token."""
    total, count = 0.0, 0
    for batch in text.batches(min(16, batch_size(model, text))):
        here = batch.to(model.device)
        logits = model.logits(batch.ids)[:, :-1][here.predicted]
        total += float(torch.nn.functional.cross_entropy(logits, here.ids[:, 1:][here.predicted], reduction="sum"))
        count += len(logits)
    return total / count


def _copy(model: LanguageModel) -> LanguageModel:
    network = untied_network(model)
    return LanguageModel(model.name, network, model.tokenizer, find_blocks(network), model.begin)


def _mixed(a: LanguageModel, b: LanguageModel, share: float) -> LanguageModel:
    """The model whose weights are (1 − share) of A's and share of B's."""
    made, others = _copy(a), b.weights
    for name, weight in made.weights.items():
        weight.lerp_(others[name].to(weight), share)
    return made


def _apart(a: LanguageModel, b: LanguageModel) -> float:
    x, y = ({n: w.double() for n, w in model.weights.items()} for model in (a, b))
    off = sum(float((x[n] - y[n]).square().sum()) for n in x)
    return math.sqrt(off / sum(float(w.square().sum()) for w in (*x.values(), *y.values())))


def _matched(a: LanguageModel, b: LanguageModel) -> LanguageModel:
    match_parts(a, b)
    return b


def _refined(a: LanguageModel, b: LanguageModel) -> LanguageModel:
    """B in A's coordinates, as near in weights as turning the stream and matching parts in turn can bring it."""
    b, reached = _matched(a, b), math.inf
    for _ in range(ROUNDS):
        better = _matched(a, turned_model(b, weight_rotation(a, b), "B"))
        now = _apart(a, better)
        if now > reached - 1e-5:
            break
        b, reached = better, now
    return b


def weight_rotation(a: LanguageModel, b: LanguageModel) -> Float[Tensor, "d d"]:
    """The rotation of B's stream that brings its weights nearest to A's, neurons and heads left as they are."""
    return orthogonal_factor(torch.cat(_streams(b)).T @ torch.cat(_streams(a)))


def _streams(model: LanguageModel) -> list[Tensor]:
    """Everything that reads or writes the stream, double precision, a column for each of its coordinates."""
    family: Any = ANATOMY[model.network.config.model_type]
    network: Any = model.network
    parts = [family.block(block) for block in model.blocks]
    norms = [n for part in parts for n in part.norms] + [Norm(family.final(network.base_model), (network.lm_head,))]
    writers = [w.weight.T for part in parts for w in part.writers] + [
        w.bias[None] for part in parts for w in part.writers if w.bias is not None
    ]
    read = [r.weight for n in norms for r in n.readers] + [e.weight for e in family.embeddings(network.base_model)]
    return [m.double() for m in (*writers, *read)]
