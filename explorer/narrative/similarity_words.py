"""What the field's similarity indices say of a pair, in words: each beside shuffled pairs and a turned copy."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.alignment import CalibratedIndex, IndexName, UnpairedFit
from explorer.number_text import number

INDEX_NAMES: dict[IndexName, str] = {
    "cka": "CKA",
    "procrustes": "Procrustes angle",
    "cca": "mean CCA",
    "knn": "shared neighbours",
}
LEVEL = 0.05
"""Up to this p an index has told true pairs from shuffled ones: none of 19 shuffled pairings looks as alike."""

NO_NULL = "no index is shown: a text of one document has no shuffled pairs"
MISSED = 0.05
"""EV by which R without pairs falls behind R with pairs where its search is said to have missed it."""


def placed(index: CalibratedIndex) -> float | None:
    """An index on the scale from shuffled pairs (0) to a turned copy (1); None where these two do not differ."""
    room = index.twin - index.shuffled
    return (index.value - index.shuffled) / room if abs(room) > 1e-6 else None


def says_nothing(index: CalibratedIndex) -> bool:
    """Whether shuffled pairs look as much alike."""
    return index.p > LEVEL


def similarity_told(found: Mapping[IndexName, CalibratedIndex]) -> str:
    """Each index with its null, then those that tell nothing."""
    if not found:
        return NO_NULL
    told = [
        f"{INDEX_NAMES[name]} {number(i.value)} (shuffled pairs {number(i.shuffled_best)})" for name, i in found.items()
    ]
    nothing = [INDEX_NAMES[name] for name, index in found.items() if says_nothing(index)]
    verb = "tells" if len(nothing) == 1 else "tell"
    end = f"; {' and '.join(nothing)} {verb} nothing here: shuffled pairs look as alike" if nothing else ""
    return f"{', '.join(told)}{end}"


def unpaired_told(found: UnpairedFit) -> str:
    """What R without pairs explains, beside R with pairs, shuffled pairs and the control."""
    missed = found.apart_paired < found.apart and found.ev < found.paired - MISSED
    why = "; the clouds lie nearer under R with pairs, so the search missed it" if missed else ""
    return (
        f"without pairs: R explains {number(found.ev)} (with pairs {number(found.paired)}, shuffled pairs "
        f"{number(found.shuffled)}; a turned copy {number(found.twin)}, its Q found to {number(found.from_twin)} of 1){why}"
    )
