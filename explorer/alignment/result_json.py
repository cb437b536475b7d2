"""A pair's numbers as JSON. Rungs and seams lie flat beside the other fields of the ladder and of the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import msgspec

from explorer.alignment.map_results import Ladder, StitchScores
from explorer.alignment.results import PairResult
from explorer.files import encode


def encode_result(result: PairResult) -> bytes:
    """A result as indented JSON."""
    plain = msgspec.to_builtins(result)
    for place, kind in _places(plain):
        inner = place.pop(_named(kind))
        rest = dict(place)
        place.clear()
        place |= inner | rest
    return encode(plain)


def decode_result(data: bytes) -> PairResult:
    """A result from its JSON. Raises msgspec.DecodeError for what is none."""
    plain = msgspec.json.decode(data)
    try:
        for place, kind in _places(plain):
            own = {f.name for f in fields(kind)}
            place[_named(kind)] = {name: place.pop(name) for name in list(place) if name not in own}
    except (AttributeError, KeyError, TypeError) as error:
        raise msgspec.DecodeError(f"no result of a pair ({error!r})") from error
    return msgspec.convert(plain, PairResult)


def _places(plain: Any) -> Iterator[tuple[dict[str, Any], type[Ladder] | type[StitchScores]]]:
    """The objects that hold values by map, and what they are."""
    for site in plain["sites"]:
        yield site["ladder"], Ladder
        if site.get("stitch") is not None:
            for way in ("source_to_target", "target_to_source"):
                yield site["stitch"][way], StitchScores


def _named(kind: type[Ladder] | type[StitchScores]) -> str:
    """The field that holds the values by map: the first."""
    return fields(kind)[0].name
