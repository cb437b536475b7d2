"""What study.json holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from explorer.errors import InputError
from explorer.intake import MOST_LAYERS, Layers, Name, Place, Width
from explorer.sae import Architecture
from explorer.text import TextEntry

SCHEMA = 1
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""Of random numbers."""
ModelKind = Literal["seed", "early", "untrained", "twin"]
"""A trained model; one stopped early; one not trained at all; one rotated by a known Q."""


@dataclass(frozen=True)
class ModelEntry:
    """One model of a study."""

    name: Name
    """What the study calls it, e.g. seed1."""
    kind: ModelKind
    """What it is to the others."""
    title: str
    """A short phrase for people."""
    path: Place
    """Folder, relative to the study or absolute; for a twin, the folder of the model that it rotates."""
    sha256: str
    """Hash of the folder's config and weights."""
    seed: Seed
    """Seed of the initial weights and of the order of the text; for a twin, the seed of its rotation."""
    loss: float
    """Loss on the held-out documents, nats per token."""
    cohort: str = ""
    """The models that were made alike have the same; empty where no others stand beside them."""


@dataclass(frozen=True)
class DictionaryEntry:
    """One dictionary (SAE) of a study."""

    model: Name
    """Name of the model whose rows it reads."""
    site: str
    """Name of the site."""
    path: Place
    """SAELens folder, relative to the study."""
    ev: float
    """EV on its own model's test rows."""
    l0: float
    """Mean number of active features on test rows."""
    alive: float
    """Share of features that fire at least once on the test rows."""
    architecture: Architecture = "topk"
    """Which activation it has. A site may have both: the first listed is the one that pages show."""


@dataclass(frozen=True)
class PairEntry:
    """A measured pair."""

    source: Name
    """Name of the source model."""
    target: Name
    """Name of the target model."""


@dataclass(frozen=True)
class StudyFile:
    """What study.json holds."""

    schema: int
    """Version of this format."""
    name: str
    """Short name."""
    title: str
    """One line for people."""
    d_model: Width
    """Width of every model's residual stream."""
    n_layers: Layers
    """Blocks of every model."""
    models: Annotated[tuple[ModelEntry, ...], msgspec.Meta(min_length=1)]
    """The models."""
    dictionaries: tuple[DictionaryEntry, ...]
    """Their dictionaries."""
    text: TextEntry
    """The text."""
    pairs: tuple[PairEntry, ...]
    """The pairs measured."""
    recipe: dict[str, object]
    """Everything that decided how it was made."""
    versions: dict[str, str]
    """Versions of the libraries that made it."""
    sites: tuple[Annotated[int, msgspec.Meta(ge=0, le=MOST_LAYERS)], ...] | None = None
    """Indices of the sites measured; None means all."""

    def check(self) -> None:
        """Raise InputError for entries that do not fit together."""
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise InputError("two models have one name")
        named = [d.model for d in self.dictionaries] + [n for pair in self.pairs for n in (pair.source, pair.target)]
        if unknown := [name for name in named if name not in names]:
            raise InputError(f"it names a model '{unknown[0][:60]}', and has {', '.join(names)[:200]}")
        if self.sites is not None and not (self.sites and max(self.sites) <= self.n_layers):
            raise InputError(f"its sites {self.sites[:9]} are not those of {self.n_layers} blocks")
