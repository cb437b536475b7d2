"""What a check is told: two checkpoints, a text and options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explorer import MAX_SEED
from explorer.errors import InputError
from explorer.files import user_path
from explorer.models import Begin

Precision = Literal["float32", "bfloat16"]

MOST_ASKED = 1_000_000_000
"""Tokens of the largest text: no fit gains from more."""
MOST_READ = 65_536
"""Tokens that are read at the most where their number is not given."""
LEAST_CONTEXT = 16
"""Tokens: with fewer, the rows are hardly those of a text."""


@dataclass(frozen=True)
class Checkpoint:
    """A model that a person named."""

    place: str
    """Folder or hub id."""
    revision: str | None = None
    """Revision of a hub id."""

    @classmethod
    def named(cls, text: str, revision: str | None = None) -> Checkpoint:
        """What a person means: a folder, or a repository of the hub by name or address. Raises InputError."""
        from explorer.models import named_on_hub

        name = None if user_path(text).exists() else named_on_hub(text, revision)
        return cls(text, revision) if name is None else cls(name.repository, name.revision)


@dataclass(frozen=True)
class CheckOptions:
    """Everything that decides what a check measures."""

    text: str | None = None
    """File or hf:// address; None reads held-out Tales."""
    sites: str = "all"
    """all, or indices or names separated by commas."""
    sae: str = "train"
    """train, none, or a path to dictionaries of the source."""
    sae_target: str = "none"
    """The same for the target: only decoder cosines and correspondences of features need them."""
    tokens: int | None = None
    """Tokens of text, all splits together. None: as many as the verdict needs, at most `MOST_READ`."""
    context: int | None = None
    """Tokens of a window; EV depends on it. None: what the models read, at most 512."""
    bos: Begin = "auto"
    """Whether a BOS stands before every document; auto does as the source's tokenizer does."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    dtype: Precision = "float32"
    """What the models compute in; rows and sums are float32 and float64 in any case."""
    seed: int = 0
    """Of the dictionaries."""
    copy_models: bool = False
    """Whether the study holds the models themselves."""
    pairs: Literal["text", "none"] = "text"
    """none: R is also found without pairs, from rows of different documents."""
    keep_massive: bool = False
    """Whether rows of more than 10 × the median norm are measured like any other."""
    insisted: bool = False
    """Whether held-out Tales were asked for by name, so that they are read by models that do not know them, too."""
    force: bool = False
    """Whether a check begins that this machine has no room for by the estimate."""

    @property
    def budget(self) -> int:
        """Tokens of text at the most."""
        return MOST_READ if self.tokens is None else self.tokens

    @property
    def massive(self) -> float:
        """How many times the median norm a row may have."""
        from explorer.models import MASSIVE

        return float("inf") if self.keep_massive else MASSIVE

    def __post_init__(self) -> None:
        if self.tokens is not None and not 1 <= self.tokens <= MOST_ASKED:
            raise InputError(f"--tokens {self.tokens}: give 1 to {MOST_ASKED}")
        if self.context is not None and self.context < LEAST_CONTEXT:
            raise InputError(f"--context {self.context}: give at least {LEAST_CONTEXT} tokens, or auto")
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"--seed {self.seed}: give 0 to {MAX_SEED}")
