"""Tokens with one label each, of some classes: from a file, or from what a corpus knows of its own text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
from jaxtyping import Int
from torch import Tensor

from explorer.errors import InputError
from explorer.files import user_path
from explorer.intake import decode_json, read_bytes
from explorer.models import check_characters, tokenised
from explorer.text.labels import label_tokens
from explorer.text.windows import Chunks, Split, TextReading, read_windows, split_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from explorer.text.corpus import Corpus

REMEDY = 'write a document a line: {"text": …, "label": …}, or "labels" with one for each token and null for none'
LEAST_TOKENS, LEAST_DOCUMENTS = 20, 2
"""Labelled tokens of a class in the fit split, and documents of the fit and of the test split that hold them."""
MOST_CLASSES = 100
OTHERS = "all others"
"""The first of two classes where one value of a label is told from its others."""

Label = str | int | bool | None


class _Line(msgspec.Struct, forbid_unknown_fields=False):
    text: str
    label: Label = None
    labels: list[Label] | None = None


@dataclass(frozen=True)
class LabelledTokens:
    """Windows of text whose tokens carry at most one label each."""

    name: str
    """What the labels are: a key of the corpus, one of its values, or the name of a file."""
    classes: tuple[str, ...]
    """Their values, in order."""
    chunks: Chunks
    """The text."""
    index: Int[Tensor, "n t"]
    """Which class each token is of; −1 for none."""

    def split(self, name: Split) -> LabelledTokens:
        """The windows of one split."""
        held = torch.tensor([split_of(int(d)) == name for d in self.chunks.document], dtype=torch.bool)
        return self._at(torch.nonzero(held).squeeze(1))

    def sample(self, rows: int) -> LabelledTokens:
        """Random windows that hold about so many labelled tokens, or all of them; windows without any are left out."""
        labelled = self.labelled.sum(1)
        order = torch.randperm(len(labelled), generator=torch.Generator().manual_seed(0))
        order = order[labelled[order] > 0]
        return self._at(order[: int((labelled[order].cumsum(0) < rows).sum()) + 1])

    @property
    def labelled(self) -> Tensor:
        """Tokens that are scored and carry a label."""
        return self.chunks.scored & (self.index >= 0)

    def _at(self, rows: Tensor) -> LabelledTokens:
        return replace(self, chunks=self.chunks[rows], index=self.index[rows])

    def rare(self) -> list[str]:
        """Classes with too few tokens to fit on, or documents to fit or test on."""
        seen: dict[int, Counter[Split]] = {c: Counter() for c in range(len(self.classes))}
        tokens = torch.zeros(len(self.classes), dtype=torch.long)
        documents: set[tuple[int, int]] = set()
        for row, document in enumerate(self.chunks.document.tolist()):
            found = self.index[row][self.chunks.scored[row]]
            counts = torch.bincount(found[found >= 0], minlength=len(self.classes))
            split = split_of(document)
            tokens += counts * (split == "fit")
            for c in torch.nonzero(counts).squeeze(1).tolist():
                if (c, document) not in documents:
                    documents.add((c, document))
                    seen[c][split] += 1
        few = {c for c, n in seen.items() if min(n["fit"], n["test"]) < LEAST_DOCUMENTS or n["validation"] < 1}
        return [name for c, name in enumerate(self.classes) if c in few or tokens[c] < LEAST_TOKENS]

    def without(self, classes: Sequence[str]) -> LabelledTokens:
        """The same, tokens of these classes without a label."""
        kept = [name for name in self.classes if name not in classes]
        moved = torch.tensor([kept.index(n) if n in kept else -1 for n in self.classes] + [-1])
        return replace(self, classes=tuple(kept), index=moved[self.index])


def read_labelled(path: str, tokenizer: PreTrainedTokenizerBase, reading: TextReading) -> LabelledTokens:
    """Labelled text from a jsonl file: a label for each document, or for each token.

    Raises InputError for a file that cannot be read, and for too few or too many classes.
    """
    place = user_path(path)
    if not place.is_file():
        raise InputError(f"the labels '{path}' are no file: {REMEDY}")
    data = read_bytes(place, REMEDY)
    lines = [
        (number, decode_json(line, _Line, f"line {number} of {place.name}", REMEDY))
        for number, line in enumerate(data.splitlines(), 1)
        if line.strip()
    ]
    for number, line in lines:
        check_characters(line.text, f"line {number} of '{path}'")
    if not lines:
        raise InputError(f"the labels '{path}' hold no documents: {REMEDY}")
    per_token = [_per_token(line, f"line {number} of '{path}'", tokenizer) for number, line in lines]
    chunks = read_windows([line.text for _, line in lines], tokenizer, reading)
    return _checked(_laid_out(Path(path).name, per_token, chunks), path)


def _per_token(line: _Line, where: str, tokenizer: PreTrainedTokenizerBase) -> list[Label]:
    """A label for each token of a document."""
    count = len(tokenised(tokenizer, line.text).offsets)
    if line.labels is None:
        return [line.label] * count
    if len(line.labels) != count:
        raise InputError(
            f"{where} has {len(line.labels)} labels, and its text has {count} tokens in this study's tokenizer: give "
            "as many, null for a token without one"
        )
    return line.labels


def _laid_out(name: str, per_token: Sequence[Sequence[Label]], chunks: Chunks) -> LabelledTokens:
    classes = sorted({_said(label) for labels in per_token for label in labels if label is not None})
    number = {value: i for i, value in enumerate(classes)}
    index = torch.full(chunks.ids.shape, -1)
    for row, (document, offset) in enumerate(zip(chunks.document.tolist(), chunks.offset.tolist(), strict=True)):
        labels = per_token[document]
        for position in range(max(0, -offset), int(chunks.valid[row].sum())):
            if (label := labels[offset + position]) is not None:
                index[row, position] = number[_said(label)]
    return LabelledTokens(name, tuple(classes), chunks, index)


def _said(label: Label) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _checked(found: LabelledTokens, path: str) -> LabelledTokens:
    if not 2 <= len(found.classes) <= MOST_CLASSES:
        raise InputError(f"the labels '{path}' are of {len(found.classes)} classes: give 2 to {MOST_CLASSES}")
    if rare := found.rare():
        raise InputError(
            f"the label '{rare[0][:60]}' of '{path}' is too rare: {LEAST_TOKENS} tokens are needed to fit on, and "
            f"{LEAST_DOCUMENTS} documents each to fit and to test on, 60 and 20 % of all; give more text"
        )
    return found


def corpus_labels(corpus: Corpus, asked: str, chunks: Chunks, tokenizer: PreTrainedTokenizerBase) -> LabelledTokens:
    """The classes of one label of a corpus, e.g. genre, or one value of it against all others, e.g. slot=people.

    Rare values have no class. Raises InputError for a corpus without labels and for one that it does not know.
    """
    if not corpus.has_labels:
        raise InputError(f"--labels '{asked[:60]}': this study's text has no labels of its own; give a jsonl file")
    key, _, value = asked.partition("=")
    matrix = label_tokens(corpus.documents(), chunks, tokenizer)
    own = [(i, name.partition("=")[2]) for i, name in enumerate(matrix.names) if name.partition("=")[0] == key]
    if not own or (value and value not in [v for _, v in own]):
        keys = ", ".join(sorted({name.partition("=")[0] for name in matrix.names}))
        values = ", ".join(v for _, v in own)[:200]
        there = f"'{key}' has the values {values}" if own else f"the text's labels are {keys}"
        raise InputError(f"--labels '{asked[:60]}': there is no such label; {there}; or give a jsonl file")
    index = torch.full(chunks.ids.shape, -1)
    if value:
        index[chunks.valid] = 0
        index[matrix.matrix[:, :, next(i for i, v in own if v == value)]] = 1
        found = LabelledTokens(asked, (OTHERS, value), chunks, index)
    else:
        for c, (i, _) in enumerate(own):
            index[matrix.matrix[:, :, i]] = c
        found = LabelledTokens(asked, tuple(v for _, v in own), chunks, index)
    found = found.without(found.rare())
    if len(found.classes) < 2:
        raise InputError(f"--labels '{asked[:60]}': too rare in this study's text; take another, or give a jsonl file")
    return found
