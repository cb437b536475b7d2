"""A pair's numbers as JSON. Rungs and seams lie flat beside the other fields of the ladder and of the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import msgspec

from explorer.alignment.map_results import Ladder, StitchScores
from explorer.alignment.results import PairResult, SiteResult
from explorer.files import encode

RUNGS = ("identity", "translation", "orthogonal", "orthogonal_scale", "affine")
"""Rungs without which no page can tell of a site."""
SCORED = ("ceiling", "raw", "rotated", "shuffled")
"""Scores of a dictionary without which no page can tell of it."""


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
    """A result from its JSON. Raises msgspec.DecodeError for what is none, or does not fit together."""
    plain = msgspec.json.decode(data)
    try:
        for place, kind in _places(plain):
            own = {f.name for f in fields(kind)}
            place[_named(kind)] = {name: place.pop(name) for name in list(place) if name not in own}
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise msgspec.DecodeError(f"no result of a pair ({error!r})") from error
    result = msgspec.convert(plain, PairResult)
    for where, fits in _facts(result):
        if not fits:
            raise msgspec.DecodeError(f"{where} does not fit the rest")
    return result


def _facts(result: PairResult) -> Iterator[tuple[str, bool]]:
    """What must hold in a whole result, by where it stands."""
    n = len(result.sites)
    yield "sites", n > 0 and len({s.site for s in result.sites}) == n
    yield "ev_cross_site", [len(row) for row in result.ev_cross_site] in ([n] * n, [])
    yield "control.ev", result.control is None or len(result.control.ev) == n
    yield "verdict", result.verdict is None or all(s.verdict and s.stitch for s in result.sites)
    yield "verdict.reasons", result.verdict is None or bool(result.verdict.reasons)
    for i, site in enumerate(result.sites):
        yield from ((f"sites[{i}].{place}", fits) for place, fits in _facts_of_site(site))


def _facts_of_site(site: SiteResult) -> Iterator[tuple[str, bool]]:
    yield "ladder", site.ladder.rungs.keys() >= set(RUNGS)
    curve, angles, dial = site.fit_curve, site.rotation.spectrum, site.dial
    yield "fit_curve", len(curve.rows) == len(curve.orthogonal) == len(curve.affine)
    bins = [len(part) for part in (angles.counts, angles.haar_mean, angles.haar_low, angles.haar_high)]
    yield "rotation.spectrum", bins == [len(angles.edges) - 1] * 4
    if site.dictionary is not None:
        yield "dictionary", site.dictionary.keys() >= set(SCORED)
    yield "firing", (site.firing is None) == (site.dictionary is None)
    yield "firing", site.firing is None or site.firing.keys() >= {"raw", "rotated"}
    if dial is not None:
        lines = (dial.dictionary, dial.direct, dial.shuffled, dial.faithful, dial.shuffled_faithful)
        yield "dial", len(dial.t) > 1 and all(line is None or len(line) == len(dial.t) for line in lines)
        yield "dial", site.dictionary is not None
    if site.stitch is not None:
        there, back = site.stitch.source_to_target.seams, site.stitch.target_to_source.seams
        yield "stitch", "orthogonal" in there and there.keys() == back.keys()
    if site.verdict is not None:
        nulls = (site.nulls, site.nulls_affine, *(() if site.nulls_scale is None else (site.nulls_scale,)))
        yield "nulls", all(found.shuffled for found in nulls) and bool(site.verdict.reasons)


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
