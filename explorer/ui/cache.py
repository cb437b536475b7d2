"""Caches of what pages show. Models are shared by all sessions and carry their own lock; results are small.

A study's name is no key by itself: one that was renamed, deleted or made anew may leave its name to another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from explorer.alignment import (
    CarriedReaders,
    OneSpace,
    PairResult,
    PairSimilarity,
    PairSubstitution,
    PairWarmStart,
    WeightSpace,
)
from explorer.cores import PAGE_CORES, use_cores
from explorer.study import (
    RecordedRun,
    RotationDraws,
    Study,
    open_study,
    read_recording,
    rotation_draws,
    study_folder,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel
    from explorer.sae import SAE
    from explorer.steering import DoseResponse, ReadingShares
    from explorer.text import Chunks

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Reader = Callable[Concatenate[str, _P], _R]


class _Named(str):
    """A study's name among the arguments of a cached function."""

    __slots__ = ()


def stamp(where: str) -> str:
    """A study's name and which study.json it stands for now: another of the same name has another stamp."""
    file = study_folder(where) / "study.json"
    try:
        found = file.stat()
    except OSError:
        return where
    return f"{where} {file} {found.st_ino} {found.st_mtime_ns} {found.st_size}"


def of_study(
    entries: int | None = None, spinner: str | bool = False, copied: bool = False
) -> Callable[[_Reader[_P, _R]], _Reader[_P, _R]]:
    """Cache a function whose first argument is a study's name: for all sessions, read only unless each gets a copy."""

    def decorate(function: _Reader[_P, _R]) -> _Reader[_P, _R]:
        cache = st.cache_data if copied else st.cache_resource
        kept = cache(max_entries=entries, show_spinner=spinner, hash_funcs={_Named: stamp})(function)

        @wraps(function)
        def read(where: str, *args: _P.args, **kwargs: _P.kwargs) -> _R:
            return kept(_Named(where), *args, **kwargs)

        return read

    return decorate


@of_study(8)
def study(where: str) -> Study:
    """A study by name or folder."""
    return open_study(where)


@of_study(64, copied=True)
def pair(where: str, source: str, target: str) -> PairResult:
    """The numbers of a measured pair."""
    return study(where).pair(source, target)


@of_study(64)
def similarity(where: str, source: str, target: str) -> PairSimilarity | None:
    """The field's similarity indices of a measured pair; read only."""
    return study(where).similarity(source, target)


@of_study(64)
def carried(where: str, source: str, target: str) -> CarriedReaders | None:
    """How the source's probes and lenses do on the target; read only."""
    return study(where).carried(source, target)


@of_study(64)
def weight_space(where: str, source: str, target: str) -> WeightSpace | None:
    """The loss between the weights of a pair; read only."""
    return study(where).weight_space(source, target)


@of_study(64)
def substitution(where: str, source: str, target: str) -> PairSubstitution | None:
    """What happens when the source's features stand in for the target's; read only."""
    return study(where).substitution(source, target)


@of_study(64)
def warm_start(where: str, source: str, target: str) -> PairWarmStart | None:
    """How the pair's rotated dictionaries train on; read only."""
    return study(where).warm_start(source, target)


@of_study(16)
def one_space(where: str) -> OneSpace | None:
    """How a study's seeds lie in one space; read only."""
    return study(where).one_space()


@of_study(16)
def draws(where: str) -> RotationDraws | None:
    """R of every measured pair against Haar draws, where the study's cohorts say how it was trained; read only."""
    return rotation_draws(study(where))


@of_study(16)
def clouds(where: str, source: str, target: str) -> dict[str, tuple[NDArray[np.float16], NDArray[np.float16]]]:
    """The clouds of a measured pair, by site name."""
    return study(where).clouds(source, target)


@st.cache_resource(max_entries=128, show_spinner=False)
def figure(what: tuple[str | bool, ...], _draw: Callable[[], go.Figure]) -> go.Figure:
    """The figure of `what`: drawn once, as plotly takes longer over it than everything else on a page; read only."""
    return _draw()


@of_study(16)
def maps(where: str, source: str, target: str) -> dict[str, SiteMaps]:
    """The fitted maps of a measured pair, by site name."""
    return study(where).maps(source, target)


@of_study(64)
def arms(where: str, source: str, target: str) -> tuple[str, ...]:
    """The maps of the switch that a pair was measured under."""
    return study(where).arms(source, target)


@of_study(16)
def responses(where: str, source: str, target: str) -> list[DoseResponse]:
    """The dose–responses of a measured pair; read only."""
    return study(where).responses(source, target)


@of_study(16)
def reading_shares(where: str, source: str, target: str) -> list[ReadingShares]:
    """What one reads of the contrasts of a measured pair; read only."""
    return study(where).reading_shares(source, target)


@of_study(16)
def recorded_run(where: str, source: str, target: str) -> RecordedRun | None:
    """The steered generation that was recorded of a measured pair; None where none was. Read only."""
    found = read_recording(study(where), source, target)
    return None if found is None else found.run


@of_study(32)
def correspondence(where: str, source: str, target: str) -> pd.DataFrame:
    """How the source's features fare in the target; read only."""
    return study(where).correspondence(source, target)


@of_study(8, spinner="Loading the model …")
def model(where: str, name: str) -> LanguageModel:
    """A model of a study, in memory once for everybody."""
    use_cores(PAGE_CORES)
    return study(where).load_model(name)


@of_study(32)
def dictionary(where: str, name: str, site_index: int) -> SAE | None:
    """A model's dictionary at a site."""
    opened = study(where)
    return opened.load_dictionary(name, opened.site_at(site_index))


@of_study(2, spinner="Reading the held-out text …")
def chunks(where: str) -> Chunks:
    """The study's text, every split."""
    return study(where).chunks()


@of_study(2)
def test_chunks(where: str) -> Chunks:
    """The test split of the study's text."""
    return chunks(where).split("test")
