"""Dyck-3: the text of the paper's toy, three kinds of brackets nested at most eight deep, with its latent labels.

A document is the start mark and 2 … 62 brackets: a walk that opens with probability 0.55 and otherwise closes the
bracket on top. Where nothing is open or a bracket was just opened, a wrong closer comes with probability 0.03, and
every bracket after it is drawn uniformly. Validity is sticky: after its first bad bracket a document is broken.

The paper's invalid documents are uniform from their first bracket; here they begin with a valid part, so that broken
tokens are found at every place and depth. Its depth label stays as it was when a document broke; here a broken document
has none: a network of two layers counts exactly, but forgets where it stopped counting.

DyckDocument `index` of a split is a function of (split, index) alone, and its probability is known exactly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int

START = "•"
"""Token 0: before every document, after it, and on what is padding."""
BRACKETS = "()[]{}"
"""Tokens 1 … 6; a closing bracket follows its opening one."""
MAX_DEPTH = 8
SHORTEST, LONGEST = 2, 62
CONTEXT = 64
"""Tokens in a row: the start mark, the longest document, and the mark after it."""
OPEN = 0.55
"""Probability that a valid walk opens a bracket where it may also close one."""
BREAK = 0.03
"""Probability of a wrong closer where the bracket before shows that it is wrong."""
BLOCK = 1024
"""Documents that are drawn together."""


@dataclass(frozen=True)
class Labels:
    """What is true after each token of some rows."""

    depth: Int[np.ndarray, "n t"]
    """Open brackets, 0 … 8; in a broken document as many as when it broke."""
    broken: Bool[np.ndarray, "n t"]
    """Whether a bad bracket has come: a wrong closer, a closer of nothing, or a ninth open bracket."""
    top: Int[np.ndarray, "n t"]
    """Kind of the innermost open bracket, 0 … 2, and −1 for none."""


def label(tokens: Int[np.ndarray, "n t"]) -> Labels:
    """The labels of rows of token ids; the start mark changes nothing."""
    n, length = tokens.shape
    rows = np.arange(n)
    stack = np.full((n, MAX_DEPTH + 1), -1)
    height, bad = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    depth, broken, top = np.zeros((n, length), np.int64), np.zeros((n, length), bool), np.full((n, length), -1)
    for t in range(length):
        token = tokens[:, t]
        kind, opens, closes = (token - 1) // 2, (token > 0) & (token % 2 == 1), (token > 0) & (token % 2 == 0)
        bad |= (opens & (height == MAX_DEPTH)) | (closes & (stack[rows, height] != kind))
        pushed, popped = opens & ~bad, closes & ~bad
        height = height + pushed - popped
        stack[rows[pushed], height[pushed]] = kind[pushed]
        depth[:, t], broken[:, t], top[:, t] = height, bad, stack[rows, height]
    return Labels(depth, broken, top)


def sample(rng: np.random.Generator, count: int) -> Int[np.ndarray, "n 64"]:
    """Rows of token ids: the start mark, a document, and start marks to the end."""
    rows = np.arange(count)
    length = rng.integers(SHORTEST, LONGEST + 1, count)
    out = np.zeros((count, CONTEXT), dtype=np.int64)
    stack, height = np.full((count, MAX_DEPTH + 1), -1), np.zeros(count, dtype=np.int64)
    broken, opened = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    for t in range(LONGEST):
        top, drawn = stack[rows, height], rng.integers(0, 3, count)
        breaks = ~broken & (opened | (height == 0)) & (rng.random(count) < BREAK)
        wrong = np.where(top < 0, drawn, (top + 1 + rng.integers(0, 2, count)) % 3)
        opens = ((rng.random(count) < OPEN) | (height == 0)) & (height < MAX_DEPTH)
        walked = np.where(opens, 2 * drawn + 1, 2 * top + 2)
        uniform = rng.integers(1, len(BRACKETS) + 1, count)
        chosen = np.where(broken, uniform, np.where(breaks, 2 * wrong + 2, walked))
        out[:, t + 1] = np.where(t < length, chosen, 0)
        broken |= breaks
        pushed, popped = opens & ~broken, ~opens & ~broken
        height = height + pushed - popped
        stack[rows[pushed], height[pushed]] = drawn[pushed]
        opened = opens
    return out


@dataclass(frozen=True)
class DyckDocument:
    """A document, beginning with the start mark."""

    text: str

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """Labels of each token (tokens are single characters); the start mark has none."""
        tokens = encode(self.text)
        found = label(tokens[None])
        out: list[dict[str, str]] = []
        for start, _ in offsets:
            token, depth, top = tokens[start], int(found.depth[0, start]), int(found.top[0, start])
            if token == 0:
                out.append({})
                continue
            own = {"bracket": BRACKETS[token - 1], "role": "opener" if token % 2 else "closer"}
            if found.broken[0, start]:
                own |= {"validity": "broken"}
            else:
                own |= {"validity": "valid", "depth": str(depth), "top": BRACKETS[2 * top] if top >= 0 else "none"}
            out.append(own)
        return out


def encode(text: str) -> Int[np.ndarray, " t"]:
    """Token ids of a text of brackets and start marks."""
    return np.array([(START + BRACKETS).index(c) for c in text])


def decode(tokens: Int[np.ndarray, " t"]) -> str:
    """The document of a row of `sample`, without its padding."""
    body = "".join(BRACKETS[i - 1] for i in tokens[1:] if i)
    return START + body


@lru_cache(maxsize=64)
def _block(split: str, number: int) -> Int[np.ndarray, "n 64"]:
    seed = int.from_bytes(hashlib.blake2b(f"dyck3:{split}:{number}".encode(), digest_size=8).digest(), "big")
    return sample(np.random.default_rng(seed), BLOCK)


def rows(split: str, count: int, start: int = 0) -> Int[np.ndarray, "n 64"]:
    """Token ids of documents `start` … `start + count − 1` of a split."""
    first, last = start // BLOCK, (start + count - 1) // BLOCK
    return np.concatenate([_block(split, b) for b in range(first, last + 1)])[start - first * BLOCK :][:count]


def documents(split: str, count: int, start: int = 0) -> Iterator[DyckDocument]:
    """The same as documents."""
    for row in rows(split, count, start):
        yield DyckDocument(decode(row))


def log_probability(text: str) -> float:
    """log P(document), nats, given that it begins with the start mark; −inf for what cannot be one."""
    body = text.removeprefix(START)
    if not SHORTEST <= len(body) <= LONGEST or set(body) - set(BRACKETS):
        return -math.inf
    return -math.log(LONGEST - SHORTEST + 1) + log_probability_of_length(body)


def log_probability_of_length(body: str) -> float:
    """log P(brackets | their number), nats."""
    stack: list[int] = []
    total, opened = 0.0, True
    for place, c in enumerate(body):
        kind, opens = BRACKETS.index(c) // 2, BRACKETS.index(c) % 2 == 0
        may_break = BREAK if opened or not stack else 0.0
        if not opens and (not stack or stack[-1] != kind):
            if not may_break:
                return -math.inf
            return total + math.log(may_break / (2 if stack else 3)) - math.log(len(BRACKETS)) * (len(body) - place - 1)
        share = 1.0 if not stack else 0.0 if len(stack) == MAX_DEPTH else OPEN
        step = (1 - may_break) * (share / 3 if opens else 1 - share)
        if not step:
            return -math.inf
        total += math.log(step)
        stack = [*stack, kind] if opens else stack[:-1]
        opened = opens
    return total


def entropy(texts: Sequence[str]) -> float:
    """Mean of −log P(text), nats per document: no model's loss can be below it on these texts (exact)."""
    return -math.fsum(log_probability(text) for text in texts) / len(texts)
