"""The pairs of the shipped studies."""

from __future__ import annotations

from pathlib import Path

from explorer.study.library import SHIPPED
from explorer.text import DEFAULT


def shipped_pair() -> tuple[Path, Path]:
    """Folders of two shipped seeds: a pair that can be checked without a network."""
    models = SHIPPED / DEFAULT.kind / "models"
    return models / "seed0", models / "seed1"
