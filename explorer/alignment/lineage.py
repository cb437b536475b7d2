"""Are two models what they are called? Told from their weights alone, before any text is read.

Tensors are compared by name; the embeddings also by orthogonal Procrustes, for which the vocabulary gives the pairs: a
copy in other coordinates has E_A = E_B R exactly, whatever was folded or untied behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment.orthogonal import orthogonal_factor
from explorer.number_text import number

LineageKind = Literal["same weights", "another precision", "one run", "permuted copy", "rotated copy", "trained apart"]
SPREADS = 6
"""Spreads 1/√n from which the correlation of the entries of two matrices of one name and n entries is none of chance:
independent ones have 0 with that spread, and what starts at the same numbers keeps some of it."""
SHARED = 0.25
"""Share of the matrices from which two models are one run. Of the shipped seeds, independent ones have at most 1 of 30
close (an embedding or unembedding, whose rows are tokens in both); seed0 and its own step at 8 % has 26, that step and
the start 26, start and end 14."""
PRECISIONS = (torch.bfloat16, torch.float16)
"""Types of fewer digits than the models are read in, the fewest first."""
COPY = 0.99
"""EV of R on tokens that it was not fitted on, from which embeddings are the same but for R. An exact copy has 1 up to
rounding, one with noise of 1 % of its spread 0.9999; trainings that start apart share no more than their text."""
PERMUTATION = 1e-2
"""How far R may be from a matrix of 0 and ±1, entry by entry."""
LEAST_TOKENS_PER_DIMENSION = 4
"""Tokens for each dimension of the embedding: half of them fit R, the others score it."""
MOST_TOKENS = 32_768
"""Tokens that are used."""
NULLS = 3
"""Refits with shuffled tokens."""


@dataclass(frozen=True)
class Lineage:
    """How the weights of two models are related."""

    kind: LineageKind
    """The same weights, these in another precision, one run (two steps of it, or one start), a copy in other
    coordinates, or trained apart."""
    equal: int
    """Tensors that are equal to the last bit, by name."""
    close: int
    """Matrices of at least two dimensions whose entries correlate more than by chance, or are equal."""
    matrices: int
    """Matrices that could be compared: of one name and shape."""
    of: int
    """Tensors of the two models, by name."""
    ev: float | None
    """EV of A's embeddings from B's by R, on tokens it was not fitted on; null where the vocabulary is too small."""
    null: float | None
    """The largest EV of the same fit on shuffled tokens."""
    sentence: str
    """What that means for the pair."""


def tell_lineage(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    embedding_a: Float[Tensor, "v d"],
    embedding_b: Float[Tensor, "w e"],
) -> Lineage:
    """How two models are related, by their parameters and their embeddings of tokens."""
    common = [n for n in a if n in b and a[n].shape == b[n].shape]
    same = {n for n in common if torch.equal(a[n], b[n])}
    matrices = [n for n in common if a[n].ndim >= 2]
    close = sum(n in same or is_close(a[n], b[n]) for n in matrices)
    of = len({*a, *b})
    ev = null = None
    shape: LineageKind = "trained apart"
    stored = None
    if len(same) == of:
        shape = "same weights"
    elif len(common) == of and (stored := rounded_to(a, b)) is not None:
        shape = "another precision"
    elif matrices and close >= SHARED * len(matrices):
        shape = "one run"
    if stored is None and shape != "same weights" and (fit := _procrustes(embedding_a, embedding_b)) is not None:
        r, ev, null = fit
        if shape == "trained apart" and ev >= COPY and null < COPY:
            shape = "permuted copy" if is_permutation(r) else "rotated copy"
    if stored is not None:
        sentence = (
            f"A and B are the same weights in another precision: all {of} tensors are those of {stored.whose} but for "
            f"rounding to {stored.name} ({len(same)} are equal to the last bit)"
        )
    else:
        flat = sum(bool((a[n] == a[n].flatten()[0]).all()) for n in same if a[n].numel())
        sentence = _sentence(shape, (len(same), flat, of), (close, len(matrices)), ev, null)
    return Lineage(shape, len(same), close, len(matrices), of, ev, null, sentence)


class Rounded(NamedTuple):
    """Which of two models is the other with fewer digits."""

    whose: str
    """The other: A or B."""
    name: str
    """The type of fewer digits."""


def rounded_to(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Rounded | None:
    """How one model is the other rounded to fewer digits, by tensors of the same names; None where it is not.

    Each tensor must lie within one unit in the last place of the type that only one of them fits into: rounding, of
    either way, leaves no more, and a step of training leaves more at some entry.
    """
    for number_type in PRECISIONS:
        fits_a, fits_b = (all(torch.equal(t.to(number_type).to(t.dtype), t) for t in m.values()) for m in (a, b))
        if fits_a != fits_b and all(_within_rounding(a[n].float(), b[n].float(), number_type) for n in a):
            return Rounded("B" if fits_a else "A", str(number_type).removeprefix("torch."))
    return None


def _within_rounding(x: Tensor, y: Tensor, number_type: torch.dtype) -> bool:
    kind = torch.finfo(number_type)
    return bool(((x - y).abs() <= kind.eps * x.abs().maximum(y.abs()) + kind.tiny * kind.eps).all())


def is_close(a: Tensor, b: Tensor) -> bool:
    """Whether the entries of two matrices correlate more than by chance, column means taken off."""
    x, y = (t.float().flatten(0, -2) for t in (a, b))
    x, y = (t - t.mean(0) for t in (x, y))
    size = float(x.norm() * y.norm())
    if size == 0:
        return False
    return float((x * y).sum()) / size >= SPREADS * a.numel() ** -0.5


def is_permutation(r: Float[Tensor, "d d"]) -> bool:
    """Whether R only names the coordinates anew, signs left free."""
    rounded = r.abs().round()
    return bool((r.abs() - rounded).abs().max() <= PERMUTATION and (rounded.sum(0) == 1).all())


def _procrustes(a: Tensor, b: Tensor) -> tuple[Tensor, float, float] | None:
    """R from every second token, its EV on the others, and the largest EV of shuffled tokens; None for too few."""
    rows = min(len(a), len(b), MOST_TOKENS)
    if a.shape[1] != b.shape[1] or rows < LEAST_TOKENS_PER_DIMENSION * a.shape[1]:
        return None
    x, y = a[:rows].double().cpu(), b[:rows].double().cpu()
    random = torch.Generator().manual_seed(0)
    r, ev = _fit(x, y)
    return r, ev, max(_fit(x, y[torch.randperm(rows, generator=random)])[1] for _ in range(NULLS))


def _fit(x: Tensor, y: Tensor) -> tuple[Tensor, float]:
    mean_x, mean_y = x[::2].mean(0), y[::2].mean(0)
    x, y = x - mean_x, y - mean_y
    r = orthogonal_factor(y[::2].T @ x[::2])
    total = float(x[1::2].square().sum())
    return r, 1 - float((y[1::2] @ r - x[1::2]).square().sum()) / total if total else 0.0


def _sentence(
    kind: LineageKind, tensors: tuple[int, int, int], matrices: tuple[int, int], ev: float | None, null: float | None
) -> str:
    """What is said of a kind: of all tensors some are equal, of these some of one value; some matrices are close."""
    (equal, flat, of), (close, every) = tensors, matrices
    if kind == "same weights":
        return f"A and B are the same weights: all {of} tensors are equal, so that nothing is compared here"
    embeddings = (
        ""
        if ev is None or null is None
        else (f"R of the embeddings has EV {number(ev)} on tokens it was not fitted on, {number(null)} if shuffled")
    )
    if ev is None:
        embeddings = "the embeddings cannot tell a rotated copy"
    untrained = f" ({flat} of them hold one value only, as biases and gains do at the start)" if flat else ""
    counts = f"{equal} of {of} tensors are equal{untrained}, {close} of {every} matrices close, and {embeddings}"
    what = {
        "one run": "A and B are one run at two steps, or two runs from one start",
        "permuted copy": "B is a copy of A with its coordinates permuted",
        "rotated copy": "B is a copy of A in rotated coordinates",
        "trained apart": "A and B were trained apart, or are steps too far from each other to tell",
    }[kind]
    return f"{what}: {counts}"
