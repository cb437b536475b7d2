"""Layouts that a study does not bring along are computed once, in the background, one at a time."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer import feature_files
from explorer.study import SHIPPED
from explorer.ui import cache, feature_cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from explorer.sae import SAE
    from explorer.site_maps import SiteMaps
    from explorer.sites import Site
    from explorer.ui.frame import View


@dataclass
class LayoutJob:
    """One pair's layouts: sites that are done, and what goes on."""

    done: dict[int, pd.DataFrame] = field(default_factory=dict)
    """Layout by site index."""
    step: str = "waiting for another layout"
    """What is happening."""
    began: float = field(default_factory=time.monotonic)
    """When it began."""
    error: str = ""
    """Why it ended without a layout."""
    thread: threading.Thread | None = None
    """The worker."""


@dataclass
class _Jobs:
    """All jobs of this server; the lock lives with them, so that a reloaded module makes no second one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_pair: dict[tuple[str, str, str], LayoutJob] = field(default_factory=dict)


@st.cache_resource(show_spinner=False)
def _jobs() -> _Jobs:
    return _Jobs()


@st.cache_resource(max_entries=16, show_spinner=False)
def _stored(path: str, site_index: int, where: str, changed: float) -> pd.DataFrame | None:
    return feature_files.read_optional(Path(path), cache.study(where).site_at(site_index))


def layout(view: View) -> pd.DataFrame | LayoutJob:
    """The layout of a pair at a site, or the job that makes it; a job is begun where there is none."""
    path = view.study.pair_path(view.source, view.target) / feature_files.LAYOUT
    changed = path.stat().st_mtime if path.is_file() else 0.0
    stored = _stored(str(path), view.site.index, view.where, changed)
    if stored is not None and len(stored):
        return stored
    inputs, jobs = _inputs(view), _jobs()
    with jobs.lock:
        job = jobs.by_pair.setdefault((view.where, view.source, view.target), LayoutJob())
        if job.thread is None:
            job.thread = threading.Thread(target=_work, args=(job, *inputs, path), daemon=True)
            job.thread.start()
    return job.done.get(view.site.index, job)


def _inputs(view: View) -> tuple[Mapping[str, SiteMaps], Mapping[Site, SAE], Mapping[Site, SAE], pd.DataFrame]:
    """Everything the worker needs: it may not ask Streamlit. The site on the screen comes first."""
    sites = sorted(view.study.sites, key=lambda s: s != view.site)
    own = {s: d for s in sites if (d := cache.dictionary(view.where, view.source, s.index)) is not None}
    theirs = {s: d for s in own if (d := cache.dictionary(view.where, view.target, s.index)) is not None}
    known = feature_cache.features(view.where, view.source)
    assert known is not None, "the page draws no map without a dictionary of the source"
    return cache.maps(view.where, view.source, view.target), own, theirs, known


def _work(
    job: LayoutJob,
    fitted: Mapping[str, SiteMaps],
    own: Mapping[Site, SAE],
    theirs: Mapping[Site, SAE],
    known: pd.DataFrame,
    path: Path,
) -> None:
    import pandas as pd

    from explorer.feature_files import lay_out, write_layout

    try:
        for number, site in enumerate(own):
            job.step = f"laying out {site.label}, {number + 1} of {len(own)}"
            job.done[site.index] = lay_out(site, fitted, own, theirs, known)
        # The project's own folder is not written to, and some studies cannot be: they keep theirs in memory.
        if not path.is_relative_to(SHIPPED):
            with suppress(OSError):
                write_layout(path, pd.concat([job.done[s.index] for s in sorted(own)], ignore_index=True))
    except Exception as error:  # the page says so; a thread's traceback would reach nobody
        job.error = str(error).splitlines()[0] if str(error) else type(error).__name__


@st.fragment(run_every=1.0)
def watch(job: LayoutJob, site_index: int) -> None:
    """Say how far the job is; draw the page again when its layout is there."""
    if job.error:
        st.error(f"The map could not be laid out: {job.error}. The list below and the table hold every feature.")
    elif site_index in job.done:
        st.rerun()
    else:
        seconds = time.monotonic() - job.began
        st.html(
            f"<p class='fact quiet' role='status'>The map is being made, once for this pair: {job.step}, "
            f"{seconds:.0f} s so far. Everything else on this page works meanwhile.</p>"
        )
