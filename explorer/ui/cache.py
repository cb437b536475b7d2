"""Caches of what pages show. Models are shared by all sessions and carry their own lock; results are small."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from explorer.alignment import PairResult
from explorer.jobs import PAGE_CORES, use_cores
from explorer.study import Study, open_study

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel
    from explorer.sae import SAE
    from explorer.steering import DoseResponse
    from explorer.text import Chunks


@st.cache_resource(max_entries=8, show_spinner=False)
def study(where: str) -> Study:
    """A study by name or folder."""
    return open_study(where)


@st.cache_data(max_entries=64, show_spinner=False)
def pair(where: str, source: str, target: str) -> PairResult:
    """The numbers of a measured pair."""
    return study(where).pair(source, target)


@st.cache_resource(max_entries=16, show_spinner=False)
def clouds(where: str, source: str, target: str) -> dict[str, tuple[NDArray[np.float16], NDArray[np.float16]]]:
    """The clouds of a measured pair, by site name."""
    return study(where).clouds(source, target)


@st.cache_resource(max_entries=128, show_spinner=False)
def figure(what: tuple[str | bool, ...], _draw: Callable[[], go.Figure]) -> go.Figure:
    """The figure of `what`: drawn once, as plotly takes longer over it than everything else on a page; read only."""
    return _draw()


@st.cache_resource(max_entries=16, show_spinner=False)
def maps(where: str, source: str, target: str) -> dict[str, SiteMaps]:
    """The fitted maps of a measured pair, by site name."""
    return study(where).maps(source, target)


@st.cache_resource(max_entries=16, show_spinner=False)
def responses(where: str, source: str, target: str) -> list[DoseResponse]:
    """The dose–responses of a measured pair; read only."""
    return study(where).responses(source, target)


@st.cache_resource(max_entries=32, show_spinner=False)
def correspondence(where: str, source: str, target: str) -> pd.DataFrame:
    """How the source's features fare in the target; read only."""
    return study(where).correspondence(source, target)


@st.cache_resource(max_entries=8, show_spinner="Loading the model …")
def model(where: str, name: str) -> LanguageModel:
    """A model of a study, in memory once for everybody."""
    use_cores(PAGE_CORES)
    return study(where).load_model(name)


@st.cache_resource(max_entries=32, show_spinner=False)
def dictionary(where: str, name: str, site_index: int) -> SAE | None:
    """A model's dictionary at a site."""
    opened = study(where)
    return opened.load_dictionary(name, opened.site_at(site_index))


@st.cache_resource(max_entries=2, show_spinner="Reading the held-out text …")
def chunks(where: str) -> Chunks:
    """The study's text, every split."""
    return study(where).chunks()


@st.cache_resource(max_entries=2, show_spinner=False)
def test_chunks(where: str) -> Chunks:
    """The test split of the study's text."""
    return chunks(where).split("test")
