"""What the stage shows of a pair beside its results: answers, a word inside, a detector, groups that turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.intake import need_shapes, read_arrays, read_json, told
from explorer.study.feature_tables import REMEASURE
from explorer.study.study import Study

if TYPE_CHECKING:
    from explorer.models import Site

STAGE, MOTION = "stage.json", "stage.safetensors"
"""Files of a pair's folder: words and numbers, and points."""


@dataclass(frozen=True)
class NextWord:
    """A word that a model expects next."""

    text: str
    """The whole word; ¶ for a line break."""
    probability: float
    """Of the whole word, all its tokens and its end together."""


@dataclass(frozen=True)
class Answer:
    """What both models expect after one prompt."""

    prompt: str
    """The beginning of a test document."""
    source: list[NextWord]
    """The source's most likely words, the likeliest first."""
    target: list[NextWord]
    """The target's."""


@dataclass(frozen=True)
class InsideSite:
    """How alike two models' numbers are at one site: Pearson r over the dimensions of a token's two rows."""

    here: float
    """r at the last token of the prompt."""
    usual: float
    """Mean of |r| over the recorded tokens."""


@dataclass(frozen=True)
class Detector:
    """The source's feature that finds a named group best, chosen on the source alone, and where it fires."""

    feature: int
    """Its number in the dictionary."""
    group: str
    """Name of the group."""
    f1: float
    """F1 of its firing as a detector of the group, over the recorded tokens of the source."""
    words: list[str]
    """The sentence."""
    member: list[bool]
    """Which words are of the group."""
    own: list[float]
    """Activation at each word in the source, as a share of the largest there."""
    raw: list[float]
    """The same, of the same feature, on the target as it is."""
    rotated: list[float]
    """On the target read through R."""
    shuffled: list[float]
    """On the target read through an R of shuffled pairs."""
    r_raw: float | None
    """Pearson r of its firing on the target as it is with that in the source, over the recorded text; None where it
    does not fire.
    """
    r_rotated: float | None
    """The same through R."""
    r_shuffled: float | None
    """The same through an R of shuffled pairs."""


@dataclass(frozen=True)
class TurnedSite:
    """Named groups of tokens at one site, in words and numbers; where they lie is in `Motion`."""

    groups: list[str]
    """Names of the groups."""
    rows: int
    """Tokens of all groups together: those whose distances are averaged."""
    distance: list[float]
    """Mean distance of a token's row in the source from its row in the target at each step of the dial, in all
    dimensions of the residual stream, as a share of that at the first step.
    """
    shuffled: list[float]
    """The same for the dial of an R that was fitted to shuffled pairs."""


@dataclass(frozen=True)
class ThreeGroups:
    """Three named groups of tokens in three dimensions, in words; where they lie is in `Register`."""

    names: list[str]
    """Names of the groups."""
    group: list[int]
    """The group of each token, by its place in `names`."""
    kept: float
    """Share of the three groups' variance in the source that these three dimensions hold."""


@dataclass(frozen=True)
class StageMaterial:
    """What was recorded of a pair for the stage."""

    answer: Answer | None = None
    """What both models expect next; None where no test document is long enough."""
    inside: dict[str, InsideSite] = field(default_factory=dict)
    """By name of the site: how alike the numbers inside are."""
    detectors: dict[str, Detector] = field(default_factory=dict)
    """By name of the site; none where the text has no named groups, or the source no dictionary."""
    turned: dict[str, TurnedSite] = field(default_factory=dict)
    """By name of the site; none where the text has no named groups."""
    three: dict[str, ThreeGroups] = field(default_factory=dict)
    """By name of the site; none where the text has no three named groups."""


@dataclass(frozen=True)
class Register:
    """The tokens of three groups in three dimensions of the source, n × 3 each, the target read through R."""

    source: NDArray[np.float16]
    """Those of the source."""
    target: NDArray[np.float16]
    """The same tokens in the target, through R: in register with the source as far as R brings them."""


@dataclass(frozen=True)
class Motion:
    """Points of one site in one fixed plane in which both models spread alike: steps × points × 2, the source's
    without steps.
    """

    source: NDArray[np.float16]
    """Centroids of the groups in the source."""
    target: NDArray[np.float16]
    """Those in the target, turned from as they are to R."""
    wrong: NDArray[np.float16]
    """The same, turned to an R that was fitted to shuffled pairs."""
    word_source: NDArray[np.float16]
    """The tokens with lines, in the source."""
    word_target: NDArray[np.float16]
    """These in the target, turned to R."""
    word_wrong: NDArray[np.float16]
    """These turned to an R of shuffled pairs."""


MOTION_FIELDS = tuple(f.name for f in fields(Motion))
REGISTER_FIELDS = ("three_source", "three_target")
INSIDE = "inside"
"""How the two rows of the prompt's last token are called, 2 × d: the source's, the target's."""


def read_material(study: Study, source: str, target: str) -> StageMaterial | None:
    """What was recorded of a pair for the stage; None where nothing was."""
    path = study.pair_path(source, target) / STAGE
    if not path.is_file():
        return None
    found = read_json(path, StageMaterial, REMEASURE)
    with told(path, REMEASURE):
        for place, fits in _facts(found):
            if not fits:
                raise ValueError(f"{place} does not fit together")
    return found


def _facts(found: StageMaterial) -> Iterator[tuple[str, bool]]:
    """What must hold, by where it stands."""
    if found.answer is not None:
        yield "answer", bool(found.answer.source) and bool(found.answer.target)
    for name, d in found.detectors.items():
        lines = (d.member, d.own, d.raw, d.rotated, d.shuffled)
        yield f"detectors.{name}", bool(d.words) and all(len(line) == len(d.words) for line in lines)
    for name, turned in found.turned.items():
        steps = len(turned.distance)
        yield f"turned.{name}", bool(turned.groups) and steps > 1 and len(turned.shuffled) == steps
    for name, three in found.three.items():
        yield f"three.{name}", len(three.names) == 3 and all(0 <= g < 3 for g in three.group)


def read_motion(study: Study, source: str, target: str, site: Site) -> Motion | None:
    """The turning points of a site; None where they were not recorded."""
    found = _tensors(study, source, target, [f"{site.name}.{name}" for name in MOTION_FIELDS])
    if not found:
        return None
    path, shapes = study.pair_path(source, target) / MOTION, [array.shape for array in found]
    for still, *turning in (shapes[:3], shapes[3:]):
        if len(still) != 2 or still[1] != 2 or any(t[1:] != still or not t[0] for t in turning):
            raise InputError(f"'{path}' is damaged: the points of {site.name} do not fit together; {REMEASURE}")
    return Motion(*found)


def read_register(study: Study, source: str, target: str, site: Site) -> Register | None:
    """Three groups in three dimensions; None where they were not recorded."""
    found = _tensors(study, source, target, [f"{site.name}.{name}" for name in REGISTER_FIELDS])
    if not found:
        return None
    path = study.pair_path(source, target) / MOTION
    both = dict(zip(REGISTER_FIELDS, found, strict=True))
    need_shapes(both, dict.fromkeys(REGISTER_FIELDS, (len(found[0]), 3)), path, REMEASURE)
    return Register(*found)


def read_inside(study: Study, source: str, target: str, site: Site) -> NDArray[np.float16] | None:
    """The rows of the prompt's last token at a site, source and target; None where they were not recorded."""
    found = _tensors(study, source, target, [f"{site.name}.{INSIDE}"])
    if not found:
        return None
    path = study.pair_path(source, target) / MOTION
    need_shapes({INSIDE: found[0]}, {INSIDE: (2, study.file.d_model)}, path, REMEASURE)
    return found[0]


def _tensors(study: Study, source: str, target: str, names: list[str]) -> list[NDArray[np.float16]]:
    path = study.pair_path(source, target) / MOTION
    if not path.is_file():
        return []
    found = read_arrays(path, names, REMEASURE)
    if len(found) < len(names):
        return []
    for name, array in found.items():
        if array.dtype.kind != "f" or array.ndim < 2 or not np.isfinite(array).all():
            raise InputError(f"'{path}' is damaged: '{name}' holds no finite points; {REMEASURE}")
    return [array.astype(np.float16, copy=False) for array in found.values()]
