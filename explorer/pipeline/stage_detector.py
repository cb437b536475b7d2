"""A detector of the source's dictionary and a sentence on which it shows: both are chosen on the source alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from explorer.pipeline.stage_answer import word_pieces
from explorer.study import Detector

if TYPE_CHECKING:
    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel
    from explorer.sae import SAE
    from explorer.text import Chunks

PREFERRED = 0.6
"""F1 from which the first group's detector is good enough; else the best detector of any group is taken."""
SHORTEST, LONGEST = 7, 18
"""Words of a sentence."""
BRACKETS = 24
"""Tokens of a sentence where the text has no words."""
STOPS = (".", "!", "?", "\n")


@dataclass(frozen=True)
class DetectorRows:
    """Both models' rows of some text at one site, and which token is of which group."""

    chunks: Chunks
    """The text."""
    members: Bool[Tensor, "n t g"]
    """Tokens of each group."""
    source: Float[Tensor, "n t d"]
    """x_A."""
    target: Float[Tensor, "n t d"]
    """x_B."""


def detector(rows: DetectorRows, names: list[str], sae: SAE, fitted: SiteMaps, model: LanguageModel) -> Detector | None:
    """The source's best detector of a named group, on a sentence of the text; None where no sentence has it."""
    scored = rows.chunks.scored
    own = sae.encode(rows.source[scored])
    feature, group, f1 = best_detector(own > 0, rows.members[scored])
    fired = torch.zeros(scored.shape)
    fired[scored] = own[:, feature]
    member = rows.members[..., group]
    place = _sentence(rows.chunks, member, fired > 0, model)
    if place is None:
        return None
    row, start, end = place
    words = [[start + i for i in word] for word in word_pieces(model, rows.chunks.ids[row, start:end].tolist())]
    strongest = float(fired[row, start:end].max())

    def read(name: str) -> Float[Tensor, " n"]:
        return sae.encode(fitted[name](rows.target[scored]))[:, feature]

    def by_word(values: Float[Tensor, " n"]) -> list[float]:
        laid = torch.zeros(scored.shape)
        laid[scored] = values
        return [round(float(laid[row, word].max()) / strongest, 3) for word in words]

    raw, rotated, shuffled = (read(name) for name in ("raw", "rotated", "shuffled"))
    return Detector(
        feature=feature,
        group=names[group],
        f1=round(f1, 3),
        words=[model.tokenizer.decode(rows.chunks.ids[row, word].tolist()).strip() for word in words],
        member=[bool(member[row, word].any()) for word in words],
        own=by_word(own[:, feature]),
        raw=by_word(raw),
        rotated=by_word(rotated),
        shuffled=by_word(shuffled),
        r_raw=_pearson(own[:, feature], raw),
        r_rotated=_pearson(own[:, feature], rotated),
        r_shuffled=_pearson(own[:, feature], shuffled),
    )


def best_detector(fires: Bool[Tensor, "n f"], members: Bool[Tensor, "n g"]) -> tuple[int, int, float]:
    """Feature, group and F1 = 2·hits/(firings + members) of the best detector: of the first group if it has a good one."""
    hits = fires.float().T @ members.float()
    f1 = 2 * hits / (fires.sum(0)[:, None] + members.sum(0)[None]).clamp_min(1)
    first = int(f1[:, 0].argmax())
    if float(f1[first, 0]) >= PREFERRED:
        return first, 0, float(f1[first, 0])
    place = int(f1.argmax())
    feature, group = divmod(place, f1.shape[1])
    return feature, group, float(f1[feature, group])


def _sentence(
    chunks: Chunks, member: Bool[Tensor, "n t"], fires: Bool[Tensor, "n t"], model: LanguageModel
) -> tuple[int, int, int] | None:
    """Window, first token and end of the sentence on which the detector shows best in the source: with at least two
    tokens of the group where there is one, of these the first with the highest F1.
    """
    best: tuple[tuple[bool, float], tuple[int, int, int]] | None = None
    for row in torch.nonzero(member.any(1)).squeeze(1).tolist():
        for start, end in _sentences(chunks, row, model):
            own, said = member[row, start:end], fires[row, start:end]
            if not said.any() or not own.any():
                continue
            score = 2 * float((own & said).sum()) / float(own.sum() + said.sum())
            key = (int(own.sum()) > 1, score)
            if best is None or key > best[0]:
                best = key, (row, start, end)
    return best and best[1]


def _sentences(chunks: Chunks, row: int, model: LanguageModel) -> list[tuple[int, int]]:
    """The whole sentences of a window that are neither too short nor too long for a stage."""
    pieces = chunks.pieces(row, model.tokenizer)
    first = 1 if chunks.offset[row] < 0 else 0
    if not any(piece[:1].isspace() for piece in pieces):
        return [(first, min(len(pieces), first + BRACKETS))] if chunks.offset[row] <= 0 else []
    ends = [i + 1 for i, piece in enumerate(pieces) if piece.rstrip(" ").endswith(STOPS)]
    spans = zip([first, *ends], ends, strict=False) if chunks.offset[row] <= 0 else itertools.pairwise(ends)
    kept = []
    for start, end in spans:
        text = "".join(pieces[start:end]).strip()
        if SHORTEST <= len(text.split()) <= LONGEST and text[-1:] in ".!?" and start < end:
            kept.append((start, end))
    return kept


def _pearson(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> float | None:
    """r; None where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(a.norm() * b.norm())
    return round(float(a @ b) / size, 3) if size > 0 else None
