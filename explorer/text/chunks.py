"""Text as token rows: documents cut into chunks, split by document, with the rows that are scored marked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from explorer.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Split = Literal["fit", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_SHARES = (0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Chunks:
    """Non-overlapping chunks of tokenised documents, padded on the right."""

    ids: Int[Tensor, "n t"]
    """Token ids; what is not `valid` is padding."""
    valid: Bool[Tensor, "n t"]
    """Which positions hold a token of the document."""
    document: Int[Tensor, " n"]
    """Number of the document that each chunk was cut from."""
    offset: Int[Tensor, " n"]
    """Position in its document of each chunk's first token."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def scored(self) -> Bool[Tensor, "n t"]:
        """Positions whose rows are fitted and scored: real tokens, without position 0 of each chunk."""
        scored = self.valid.clone()
        scored[:, 0] = False
        return scored

    def batches(self, size: int) -> Iterator[Chunks]:
        """Consecutive batches of at most `size` chunks."""
        for i in range(0, len(self), size):
            yield self[i : i + size]

    def __getitem__(self, rows: slice | Int[Tensor, " m"]) -> Chunks:
        return Chunks(self.ids[rows], self.valid[rows], self.document[rows], self.offset[rows])

    def split(self, name: Split) -> Chunks:
        """The chunks of one split (fit, validation or test; 60/20/20 by document)."""
        chosen = torch.tensor([split_of(int(d)) == name for d in self.document], dtype=torch.bool)
        return self[torch.nonzero(chosen).squeeze(1)]


def split_of(document: int) -> Split:
    """The split of a document: a fixed hash of its number, 60 % fit, 20 % validation, 20 % test."""
    share = int.from_bytes(hashlib.blake2b(str(document).encode(), digest_size=4).digest(), "big") / 2**32
    return SPLITS[next(i for i, limit in enumerate(_SHARES) if share < limit)]


def chunk_documents(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, context: int = 128, max_tokens: int | None = None
) -> Chunks:
    """Tokenise each document without added special tokens and cut it into chunks of `context`.

    Documents after `max_tokens` are left out. Raises InputError if there is no text.
    """
    encoded: list[list[int]] = []
    total = 0
    for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []:
        encoded.append(list(ids))
        total += len(ids)
        if max_tokens is not None and total >= max_tokens:
            break
    pieces = [(d, i, ids[i : i + context]) for d, ids in enumerate(encoded) for i in range(0, len(ids), context)]
    if not pieces:
        raise InputError("the text is empty: give at least one document with words in it")
    out = np.zeros((len(pieces), context), dtype=np.int64)
    valid = np.zeros((len(pieces), context), dtype=bool)
    for row, (_, _, ids) in enumerate(pieces):
        out[row, : len(ids)] = ids
        valid[row, : len(ids)] = True
    return Chunks(
        torch.from_numpy(out),
        torch.from_numpy(valid),
        torch.tensor([p[0] for p in pieces]),
        torch.tensor([p[1] for p in pieces]),
    )


def sample(chunks: Chunks, rows: int) -> Chunks:
    """Random chunks that hold about `rows` rows, or all of them."""
    per_chunk = max(1.0, float(chunks.scored.sum()) / max(1, len(chunks)))
    return shuffle(chunks)[: math.ceil(rows / per_chunk)]


def shuffle(chunks: Chunks, seed: int = 0) -> Chunks:
    """The same chunks in a random order."""
    return chunks[torch.randperm(len(chunks), generator=torch.Generator().manual_seed(seed))]
