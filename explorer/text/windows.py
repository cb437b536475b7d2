"""Text as token rows: documents read in windows, split by document, with what is scored marked.

No token is scored whose left context was cut: a document is read from its start, a longer one in windows that overlap,
and what was scored in the window before is only read again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from explorer.errors import InputError
from explorer.models import moved, token_ids, token_pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Split = Literal["fit", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_SHARES = (0.6, 0.8, 1.0)

OVERLAP = 64
"""Tokens of left context that a window in mid-document reads again: by then the effect of a cut has faded."""
BLOCK = 1024
"""Tokens of a block: what is split and drawn where documents are few."""

MOST_BLOCKS = 999_983
"""Blocks of a document: its number times this, and the block's, is a block's number. Odd: half of all are even."""


@dataclass(frozen=True)
class TextReading:
    """How documents are read."""

    context: int
    """Tokens of a window, a token before the document counted."""
    bos: int | None = None
    """Id of the token that stands before every document, and before no window in its middle; None for none."""
    blocks: bool = False
    """Whether each block of 1,024 tokens counts as a document of its own where the text is split."""
    cut: bool = False
    """Whether windows do not overlap, so that those in mid-document lack their left context; for old studies."""

    @property
    def overlap(self) -> int:
        """Tokens that a window in mid-document shares with the one before."""
        return 0 if self.cut else min(OVERLAP, self.context // 2)


@dataclass(frozen=True)
class Chunks:
    """Windows of tokenised documents, padded on the right."""

    ids: Int[Tensor, "n t"]
    """Token ids; what is not `valid` is padding."""
    valid: Bool[Tensor, "n t"]
    """Which positions hold a token."""
    document: Int[Tensor, " n"]
    """Number of the document that each window was read from."""
    offset: Int[Tensor, " n"]
    """Position in its document of each window's first token; −1 where a token stands before the document."""
    first: Int[Tensor, " n"]
    """Position in each window of the first token that is its own: what stands before it is left context."""
    in_blocks: bool = False
    """Whether `document` numbers blocks of 1,024 tokens, which take the documents' place where these are few."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def own(self) -> Bool[Tensor, "n t"]:
        """The text's tokens, each marked in exactly one window."""
        position = torch.arange(self.ids.shape[1], device=self.ids.device)
        return self.valid & (position >= self.first[:, None])

    @property
    def scored(self) -> Bool[Tensor, "n t"]:
        """Positions whose rows are fitted and scored: a window's own tokens, without position 0."""
        scored = self.own
        scored[:, :1] = False
        return scored

    @property
    def predicted(self) -> Bool[Tensor, "n t_1"]:
        """Which tokens, from position 1 on, a model predicts for a loss: a window's own."""
        return self.own[:, 1:]

    def pieces(self, row: int, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """Text of each token of a window; joined they are the text: what stands before a document has none."""
        pieces = token_pieces(tokenizer, self.ids[row][self.valid[row]].tolist())
        return ["", *pieces[1:]] if self.offset[row] < 0 else pieces

    def batches(self, size: int) -> Iterator[Chunks]:
        """Consecutive batches of at most `size` windows, each as wide as its longest."""
        for i in range(0, len(self), size):
            yield self[i : i + size].trimmed()

    def trimmed(self) -> Chunks:
        """The same without columns that are padding in every window."""
        width = max(1, int(self.valid.any(0).sum()))
        return replace(self, ids=self.ids[:, :width], valid=self.valid[:, :width])

    def by_length(self) -> Chunks:
        """The same windows, shortest first: batches of them hold little padding."""
        return self[self.valid.sum(1).argsort(stable=True)]

    def to(self, device: torch.device) -> Chunks:
        """The same windows on a device."""
        ids, valid, document, offset, first = (
            moved(t, device) for t in (self.ids, self.valid, self.document, self.offset, self.first)
        )
        return Chunks(ids, valid, document, offset, first, self.in_blocks)

    def __getitem__(self, rows: slice | Int[Tensor, " m"]) -> Chunks:
        ids, valid, document, offset, first = (
            t[rows] for t in (self.ids, self.valid, self.document, self.offset, self.first)
        )
        return Chunks(ids, valid, document, offset, first, self.in_blocks)

    def split(self, name: Split) -> Chunks:
        """The windows of one split (fit, validation or test; 60/20/20 by document)."""
        chosen = torch.tensor([split_of(int(d)) == name for d in self.document], dtype=torch.bool)
        return self[torch.nonzero(chosen).squeeze(1)]


def split_of(document: int) -> Split:
    """The split of a document: a fixed hash of its number, 60 % fit, 20 % validation, 20 % test."""
    share = int.from_bytes(hashlib.blake2b(str(document).encode(), digest_size=4).digest(), "big") / 2**32
    return SPLITS[next(i for i, limit in enumerate(_SHARES) if share < limit)]


def read_windows(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, reading: TextReading, max_tokens: int | None = None
) -> Chunks:
    """Read documents in windows. Documents after `max_tokens` are left out. Raises InputError if there is no text."""
    encoded: list[list[int]] = []
    total = 0
    for ids in token_ids(tokenizer, texts) if texts else []:
        encoded.append(list(ids))
        total += len(ids)
        if max_tokens is not None and total >= max_tokens:
            break
    before = [] if reading.bos is None else [reading.bos]
    pieces = []
    for number, ids in enumerate(encoded):
        if ids:
            whole = before + ids
            for start, own in _windows(len(whole), len(before), reading):
                pieces.append((number, start - len(before), own, whole[start : start + reading.context]))
    if not pieces:
        raise InputError("the text is empty: give at least one document with words in it")
    width = max(len(ids) for *_, ids in pieces)
    out = np.zeros((len(pieces), width), dtype=np.int64)
    valid = np.zeros((len(pieces), width), dtype=bool)
    for row, (*_, ids) in enumerate(pieces):
        out[row, : len(ids)] = ids
        valid[row, : len(ids)] = True
    document, offset, first = (torch.tensor([p[i] for p in pieces]) for i in range(3))
    if reading.blocks:
        document = document * MOST_BLOCKS + (offset + first) // BLOCK
    return Chunks(torch.from_numpy(out), torch.from_numpy(valid), document, offset, first, reading.blocks)


def _windows(length: int, before: int, reading: TextReading) -> Iterator[tuple[int, int]]:
    """(start, first own position) of each window of a document with what stands before it."""
    start, first = 0, before
    while True:
        yield start, first
        if start + reading.context >= length:
            return
        start, first = start + reading.context - reading.overlap, reading.overlap


def sample(chunks: Chunks, rows: int) -> Chunks:
    """Random windows that hold about `rows` rows, or all of them."""
    per_window = max(1.0, float(chunks.scored.sum()) / max(1, len(chunks)))
    return shuffle(chunks)[: math.ceil(rows / per_window)]


def shuffle(chunks: Chunks, seed: int = 0) -> Chunks:
    """The same windows in a random order."""
    return chunks[torch.randperm(len(chunks), generator=torch.Generator().manual_seed(seed))]
