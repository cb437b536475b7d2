"""Starred features with notes: a list that a person keeps, exports and brings back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from explorer.errors import InputError
from explorer.files import encode
from explorer.intake import decode_json

SCHEMA = 1
MOST = 2000
NOTE = 500
"""Characters of a note."""


@dataclass(frozen=True)
class Star:
    """One starred feature."""

    study: str
    """Name of the study."""
    source: str
    """Model whose dictionary it belongs to."""
    site: str
    """Name of the site."""
    feature: int
    """Its number."""
    note: str = ""
    """What the person wrote about it."""
    fires_on: tuple[str, ...] = ()
    """Words at its peaks."""
    label: str = ""
    """The latent label that it detects best, if the study has labels."""

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What tells it from every other star."""
        return self.study, self.source, self.site, self.feature


@dataclass(frozen=True)
class StarList:
    """What an exported file holds."""

    schema: int
    """Version of this format."""
    stars: tuple[Star, ...]
    """The starred features."""


def export_stars(stars: Iterable[Star]) -> bytes:
    """The list as indented JSON."""
    return encode(StarList(SCHEMA, tuple(stars)))


def import_stars(data: bytes) -> tuple[Star, ...]:
    """The stars of an exported list. Raises InputError for anything else."""
    found = decode_json(data, StarList, "list of starred features", "give a file that 'Export' on this page wrote")
    if found.schema != SCHEMA:
        raise InputError(f"this list has schema {found.schema}; this version of the explorer reads schema {SCHEMA}")
    if len(found.stars) > MOST or any(len(s.note) > NOTE for s in found.stars):
        raise InputError(f"this list is too long: at most {MOST} stars, {NOTE} characters a note")
    return found.stars
