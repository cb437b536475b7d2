"""Fresh initialisations of a model's config, from none of which one of the measured models was trained."""

from __future__ import annotations

import copy
import hashlib
import math
import tempfile
from typing import TYPE_CHECKING

import torch

from explorer import ranks
from explorer.errors import InputError
from explorer.models import LanguageModel, find_blocks, split_settings, whole

if TYPE_CHECKING:
    from transformers.modeling_utils import PreTrainedModel

DEVIATIONS = 6.0
"""Standard deviations of a cosine from which two weights are related; that of n independent entries has 1/√n.

Measured on the shipped models: below 3 for other seeds; for a model's own seed 512 before training, 220 after a ninth
of it and 105 after all of it.
"""
TRIES = 16


def fresh_model(like: LanguageModel, seed: int) -> LanguageModel:
    """A fresh initialisation of a model's config, with its tokenizer; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = copy.deepcopy(like.network.config)
        # Only the residual stream is read: a second embedding would take memory, and random numbers, for nothing.
        config.tie_word_embeddings = True
        # A model of such settings would expect to be split already.
        config.distributed_config = None
        network = type(like.network)(config)
    network.eval().requires_grad_(False)
    if ranks.slices() > 1:
        network = _split(network, like)
    torch.nn.Module.to(network, like.device)
    fresh = LanguageModel(f"{like.name} untrained {seed}", network, like.tokenizer, find_blocks(network), like.begin)
    fresh.lower(like.dtype)
    return fresh


def _split(network: PreTrainedModel, like: LanguageModel) -> PreTrainedModel:
    """The same network, split between the ranks as `like` is: each reads its slice of a file of its own."""
    from safetensors.torch import save_model

    with tempfile.TemporaryDirectory(prefix="polymorphism-explorer-") as folder:
        # save_pretrained writes on the first rank only.
        network.config.save_pretrained(folder)
        save_model(network, f"{folder}/model.safetensors", metadata={"format": "pt"})
        made = type(like.network).from_pretrained(folder, dtype=torch.float32, **split_settings())
    return made.eval().requires_grad_(False)


def untrained_target(
    source: LanguageModel, target: LanguageModel, digests: tuple[str, str], number: int
) -> LanguageModel:
    """Fresh initialisation `number` of the target's config: what the pair is compared with.

    Its seed is derived from the digests of both models, since people train from seeds such as 0, 1 and 2, and is drawn
    again where its weights are related to one of theirs: it would then be where that model began. Raises InputError
    where every draw is, because the config's initial weights are not random.
    """
    for attempt in range(TRIES):
        found = fresh_model(target, _seed(digests, number, attempt))
        if not any(related(found, model) for model in (source, target)):
            return found
    raise InputError(
        f"not assessable: every fresh initialisation of {target.name}'s settings correlates with the weights that are "
        "given, so that there is no untrained model to compare with"
    )


def _seed(digests: tuple[str, str], number: int, attempt: int) -> int:
    text = "\0".join((*digests, str(number), str(attempt)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def related(fresh: LanguageModel, other: LanguageModel) -> bool:
    """Whether a matrix of a fresh model correlates with the same one of another: |cosine| > `DEVIATIONS` / √entries.

    Of embeddings of different length the rows of the shorter one are compared.
    """
    theirs = dict(other.network.named_parameters())
    for name, weight in fresh.network.named_parameters():
        same = theirs.get(name)
        if weight.ndim < 2 or same is None or weight.shape[1:] != same.shape[1:]:
            continue
        rows = min(len(weight), len(same))
        a, b = (whole(w)[:rows].float().flatten() for w in (weight, same))
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=0)
        if abs(float(cosine)) > DEVIATIONS / math.sqrt(len(a)):
            return True
    return False


def weights_digest(model: LanguageModel) -> str:
    """SHA-256 of a model's settings and weights: what stands for the digest of its files where it has none."""
    total = hashlib.sha256(model.network.config.to_json_string().encode())
    for name, weight in model.network.named_parameters():
        total.update(name.encode() + b"\0" + weight.detach().float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
