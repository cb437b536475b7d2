"""Named groups of tokens: what a room recognises when it sees where a model keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Bool
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from explorer.text.corpus import TextDocument
    from explorer.text.windows import Chunks


@dataclass(frozen=True)
class TokenGroup:
    """Tokens that have a name in common."""

    name: str
    """What a person calls them."""
    labels: tuple[str, ...] = ()
    """Latent labels, any of which puts a token in the group."""
    words: tuple[str, ...] = ()
    """Words that are one token, any of which puts it in the group."""
    spans: bool = True
    """Whether a label marks words that belong together: only the last token of a run counts, which has read all."""


def group_tokens(
    groups: Sequence[TokenGroup],
    documents: Sequence[TextDocument],
    chunks: Chunks,
    tokenizer: PreTrainedTokenizerBase,
) -> Bool[Tensor, "n t g"]:
    """Which scored token of some chunks belongs to which group; `documents` are those that the chunks were cut from."""
    import torch

    from explorer.text.labels import label_tokens

    labelled = label_tokens(documents, chunks, tokenizer)
    index = {name: i for i, name in enumerate(labelled.names)}
    found = torch.zeros(*chunks.ids.shape, len(groups), dtype=torch.bool)
    for g, group in enumerate(groups):
        own = [index[label] for label in group.labels if label in index]
        marked = labelled.matrix[:, :, own].any(-1)
        if group.spans:
            marked[:, :-1] &= ~marked[:, 1:]
        for i in chunks.ids.unique().tolist() if group.words else ():
            if tokenizer.decode([i]).strip().lower() in group.words:
                marked |= chunks.ids == i
        found[:, :, g] = marked & chunks.scored
    return found
