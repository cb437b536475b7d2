"""What a corpus is: documents, and whatever is known about their tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, runtime_checkable

from explorer.text.contrast import Contrast, ReadyContrast, find_contrast

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from explorer.text.token_groups import TokenGroup

HELD_OUT = "held-out"
"""The split of a generated corpus that no model is trained on: studies are measured on it."""


@runtime_checkable
class TextDocument(Protocol):
    """A document with the latent labels of its tokens."""

    @property
    def text(self) -> str:
        """What the models read."""

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """Labels of each token, given the tokens' (start, end) character offsets."""


class LabelHead(NamedTuple):
    """What a label head of a model should say of each token of some prompts."""

    first: int
    """First token id of the head's labels."""
    last: int
    """One past its last."""
    ids: Int[Tensor, "n t"]
    """The right label's token id at each position; −1 where none counts."""


@dataclass(frozen=True)
class Corpus(ABC):
    """Some documents of one language. A new language is one subclass and its place in `explorer.text.corpora`.

    Only documents and prompts are needed: what a subclass does not define (contrasts, groups, label heads)
    its studies do without.
    """

    kind: ClassVar[str]
    """What study.json calls it."""
    has_labels: ClassVar[bool] = False
    """Whether its tokens carry latent labels: then features can be checked."""
    probe_labels: ClassVar[tuple[str, ...]] = ()
    """Labels on which probes are carried: of whole documents, and of single tokens."""
    prompt_tokens: ClassVar[int] = 16
    """Tokens of a prompt on which steering is judged."""
    example: ClassVar[str] = (
        "Once upon a time a little fox lived near the old mill. One morning she found a silver key."
    )
    """A text on which features can be tried."""

    split: str
    """Split of the grammar that writes it; for a file its path, relative to the study's folder."""
    size: int
    """Number of documents."""
    folder: Path
    """Folder of the study."""

    @abstractmethod
    def documents(self, count: int | None = None) -> list[TextDocument]:
        """The documents, or the first `count` of them. Raises InputError where they cannot be read."""

    @property
    def in_blocks(self) -> bool:
        """Whether documents are so few that blocks of 1,024 tokens take their place where the text is split."""
        return False

    @abstractmethod
    def prompts(self, held_out: bool = True) -> list[str]:
        """Texts on whose beginnings steering is judged, of which no vector is made; `held_out=False` gives others."""

    def files(self) -> list[str]:
        """Files of the study's folder that hold it, as relative paths; none where a grammar writes it."""
        return []

    @classmethod
    def groups(cls) -> tuple[TokenGroup, ...]:
        """Named groups of its tokens; none where its tokens have no labels."""
        return ()

    @classmethod
    def contrasts(cls) -> tuple[ReadyContrast, ...]:
        """The ready contrasts that its labels make possible."""
        return ()

    @classmethod
    def contrast(cls, name: str) -> Contrast:
        """A ready contrast's texts. Raises InputError."""
        cls.check_contrast(name)
        return cls._contrast(name)

    @classmethod
    def _contrast(cls, name: str) -> Contrast:
        """The texts of a ready contrast that there is."""
        raise NotImplementedError(f"{cls.__name__} lists the contrast {name} and does not write it")

    @classmethod
    def check_contrast(cls, name: str) -> None:
        """Raise InputError with the names there are if there is no such ready contrast."""
        find_contrast(cls.contrasts(), name)

    @classmethod
    def label_heads(cls, ids: Int[Tensor, "n t"]) -> list[LabelHead]:
        """What the label heads of its models should say of some prompts; none where its models have no such heads."""
        return []
