"""What the talk tells of: the twin, the sister seed and the early checkpoint of one source, at one site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.alignment import PairResult, SiteResult
from explorer.errors import InputError
from explorer.study import (
    NOT_A_SEED,
    Detector,
    InsideSite,
    ModelKind,
    Motion,
    Recording,
    Register,
    RotationDraws,
    StageMaterial,
    Study,
    ThreeGroups,
    TurnedSite,
    read_correlation,
    read_inside,
    read_material,
    read_motion,
    read_recording,
    read_register,
    rotation_draws,
    share_weights,
)

if TYPE_CHECKING:
    from explorer.alignment import DecoderStory
    from explorer.steering import DoseResponse, ReadingShares

RANDOM_SEED = 12


@dataclass(frozen=True)
class Chapter:
    """One pair, with all that a scene about it may need; nothing here needs torch."""

    pair: PairResult
    """Its measured numbers."""
    here: SiteResult
    """Those at the story's site."""
    recording: Recording | None
    """What the same tokens do in both models, where that was recorded."""
    correlation: NDArray[np.int8] | None
    """100 × Pearson r of the source's coordinates (rows) with the target's (columns) at the story's site, d × d."""
    rotation: NDArray[np.float32]
    """R at the story's site, d × d."""
    clouds: tuple[NDArray[np.float16], NDArray[np.float16]] | None
    """The source's points and the target's along the dial, at the story's site."""
    material: StageMaterial | None = None
    """What was recorded for the stage; None of a study that is older."""
    motion: Motion | None = None
    """Where named groups of tokens lie along the dial, at the story's site."""
    inside: NDArray[np.float16] | None = None
    """The rows of one word in both models at the story's site, 2 × d."""
    register: Register | None = None
    """Three groups of tokens in three dimensions at the story's site."""

    @property
    def source(self) -> str:
        """Name of A."""
        return self.pair.source

    @property
    def target(self) -> str:
        """Name of B."""
        return self.pair.target

    @property
    def turned(self) -> TurnedSite | None:
        """What is said of the groups that turn."""
        return None if self.material is None else self.material.turned.get(self.here.site)

    @property
    def detector(self) -> Detector | None:
        """The source's detector of a named group."""
        return None if self.material is None else self.material.detectors.get(self.here.site)

    @property
    def three(self) -> ThreeGroups | None:
        """What is said of the three groups."""
        return None if self.material is None else self.material.three.get(self.here.site)

    @property
    def alike_inside(self) -> InsideSite | None:
        """How alike the numbers are that the two models hold."""
        return None if self.material is None else self.material.inside.get(self.here.site)


@dataclass(frozen=True)
class Story:
    """The pairs of one source that a talk goes through."""

    study: Study
    """The study that holds them."""
    site_index: int
    """Number of the site."""
    sister: Chapter
    """The source and an independent seed."""
    twin: Chapter | None
    """The source and its rotated twin, where the study has one."""
    early: Chapter | None
    """The source and an earlier checkpoint of its own training, where the study has one."""
    responses: tuple[DoseResponse, ...]
    """How the source's vectors steer the sister at every dose; none where that was not measured."""
    shares: tuple[ReadingShares, ...]
    """How many fresh texts each of them turns; none where that was not counted."""
    decoders: DecoderStory | None
    """Decoder cosines of dictionaries with equal and other starts, where the study has them."""
    shared: bool
    """Whether the sister has the source's input and output weights, frozen while the rest was trained."""
    draws: RotationDraws | None
    """R of every pair of the study against Haar draws, where its cohorts say how its models were trained."""

    @cached_property
    def random(self) -> NDArray[np.float64]:
        """A random rotation, d × d, to compare the sister's R with."""
        from explorer.alignment import haar

        return np.asarray(haar(self.study.file.d_model, RANDOM_SEED).numpy())

    @property
    def learned_first(self) -> bool:
        """Whether R is shown before the random one: by chance, though always the same for a pair."""
        return self.sister.pair.target_sha256[-1:] in set("02468ace")

    @property
    def site(self) -> str:
        """The site's short label."""
        return self.sister.here.label


def open_story(study: Study, source: str, target: str, site_index: int) -> Story:
    """The story of a source: its sister is `target` if that is an independent model, else the first that is.

    Raises InputError where no independent model was measured.
    """
    kinds = {m.name: m.kind for m in study.file.models}
    targets = study.targets(source)
    independent = [t for t in targets if kinds[t] not in NOT_A_SEED]
    if not independent:
        raise InputError(f"no independent model was measured as a target of {source}: choose another source or study")
    sister = target if target in independent else independent[0]

    def first(kind: ModelKind) -> Chapter | None:
        return next((_chapter(study, source, t, site_index) for t in targets if kinds[t] == kind), None)

    return Story(
        study=study,
        site_index=site_index,
        sister=_chapter(study, source, sister, site_index),
        twin=first("twin"),
        early=first("early"),
        responses=tuple(study.responses(source, sister)),
        shares=tuple(study.reading_shares(source, sister)),
        decoders=study.decoder_story(),
        shared=share_weights(study, source, sister),
        draws=rotation_draws(study),
    )


def _chapter(study: Study, source: str, target: str, site_index: int) -> Chapter:
    site = study.sites[site_index]
    pair = study.pair(source, target)
    here = next(s for s in pair.sites if s.site == site.name)
    rotation = study.rotation(source, target, site)
    clouds = study.clouds(source, target).get(site.name) if here.dial is not None else None
    correlation = read_correlation(study, source, target, site)
    return Chapter(
        pair=pair,
        here=here,
        recording=read_recording(study, source, target),
        correlation=correlation,
        rotation=rotation,
        clouds=clouds,
        material=read_material(study, source, target),
        motion=read_motion(study, source, target, site),
        inside=read_inside(study, source, target, site),
        register=read_register(study, source, target, site),
    )
