"""The dose responses of a pair, as a study keeps them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from explorer.errors import InputError
from explorer.steering import DoseResponse

RESPONSES = "steering.json"
"""File of a pair's folder that holds them."""


def load_responses(folder: Path) -> list[DoseResponse]:
    """The responses of a pair's folder; none where they were not measured. Raises InputError for a damaged file."""
    path = folder / RESPONSES
    if not path.is_file():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[DoseResponse])
    except msgspec.DecodeError as error:
        raise InputError(f"'{path}' is damaged: {error}; remove it and measure the pair again") from error
