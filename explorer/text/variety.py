"""How much of a text is different: rows by the tokens that lead to them, and documents by theirs."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import torch

from explorer.text.windows import Chunks

_FACTOR, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)


def different_rows(chunks: Chunks) -> int:
    """How many scored rows differ in their token or in what stands before it in its window.

    A model gives the others the same activations. Counted by 64-bit hashes of these tokens.
    """
    ids, scored = chunks.ids.numpy().astype(np.uint64), chunks.scored.numpy()
    before = np.zeros(len(chunks), np.uint64)
    found = []
    for position in range(ids.shape[1]):
        before = (before ^ (ids[:, position] + np.uint64(1))) * _FACTOR
        before ^= before >> _SHIFT
        found.append(before[scored[:, position]])
    return len(np.unique(np.concatenate(found)))


def number_by_content(chunks: Chunks) -> Chunks:
    """The same, but that documents of the same tokens have one number: that of the first of them."""
    content: dict[int, hashlib.blake2b] = {}
    for row in np.lexsort((chunks.offset.numpy(), chunks.document.numpy())).tolist():
        tokens = chunks.ids[row][chunks.valid[row]].numpy().tobytes()
        content.setdefault(int(chunks.document[row]), hashlib.blake2b()).update(tokens)
    first: dict[bytes, int] = {}
    number = {document: first.setdefault(hashed.digest(), document) for document, hashed in content.items()}
    return replace(chunks, document=torch.tensor([number[d] for d in chunks.document.tolist()], dtype=torch.long))


def different_documents(chunks: Chunks) -> int:
    """How many documents differ in their tokens."""
    return len(number_by_content(chunks).document.unique())
