"""Layouts that a study does not bring along are computed once, in the background, one at a time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer.cores import EVERY_CORE
from explorer.jobs import LAYOUTS, Job, JobState
from explorer.study import LAYOUT, SHIPPED, read_optional
from explorer.ui import cache
from explorer.ui.clicks import poll
from explorer.ui.features import cache as feature_cache
from explorer.ui.notices import wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from explorer.alignment import SiteMaps
    from explorer.models import Site
    from explorer.sae import SAE
    from explorer.ui.frame import View

POLL_SECONDS = 1.0
_FAILURE = "an error that this program did not foresee ({error}); the server's log says where"


@dataclass(frozen=True)
class Layouts:
    """The layouts of a pair while they are made."""

    done: dict[int, pd.DataFrame]
    """Layout by site index."""
    job: Job[None]
    """What makes them."""


@cache.of_study(16)
def _stored(where: str, path: str, site_index: int, changed: float) -> pd.DataFrame | None:
    return read_optional(Path(path), cache.study(where).site_at(site_index))


def layout(view: View) -> pd.DataFrame | Layouts:
    """The layout of a pair at a site, or what makes it; that is begun where there is none."""
    path = view.study.pair_path(view.source, view.target) / LAYOUT
    changed = path.stat().st_mtime if path.is_file() else 0.0
    stored = _stored(view.where, str(path), view.site.index, changed)
    if stored is not None and len(stored):
        return stored
    made = _begun(view.where, view.source, view.target, view, path)
    return made.done.get(view.site.index, made)


@cache.of_study()
def _begun(where: str, source: str, target: str, _view: View, _path: Path) -> Layouts:
    """One for everybody who looks at a pair; it goes on when nobody does."""
    inputs, done = _inputs(_view), dict[int, "pd.DataFrame"]()
    return Layouts(done, Job(lambda job: _work(job, done, *inputs, _path), LAYOUTS, cores=EVERY_CORE, failure=_FAILURE))


def _inputs(view: View) -> tuple[Mapping[str, SiteMaps], Mapping[Site, SAE], Mapping[Site, SAE], pd.DataFrame]:
    """Everything the worker needs: it may not ask Streamlit. The site on the screen comes first."""
    sites = sorted(view.study.sites, key=lambda s: s != view.site)
    own = {s: d for s in sites if (d := cache.dictionary(view.where, view.source, s.index)) is not None}
    theirs = {s: d for s in own if (d := cache.dictionary(view.where, view.target, s.index)) is not None}
    known = feature_cache.features(view.where, view.source)
    assert known is not None, "the page draws no map without a dictionary of the source"
    return cache.maps(view.where, view.source, view.target), own, theirs, known


def _work(
    job: Job[None],
    done: dict[int, pd.DataFrame],
    fitted: Mapping[str, SiteMaps],
    own: Mapping[Site, SAE],
    theirs: Mapping[Site, SAE],
    known: pd.DataFrame,
    path: Path,
) -> None:
    import pandas as pd

    from explorer.pipeline import lay_out, write_layout

    for number, site in enumerate(own):
        job.report(f"laying out {site.label}, {number + 1} of {len(own)}", number / len(own))
        done[site.index] = lay_out(site, fitted, own, theirs, known)
    # The project's own folder is not written to, and some studies cannot be: they keep theirs in memory.
    if not path.is_relative_to(SHIPPED):
        with suppress(OSError):
            write_layout(path, pd.concat([done[s.index] for s in sorted(own)], ignore_index=True))


def watch(made: Layouts, site_index: int) -> None:
    """Say how far it is; draw the page again when its layout is there."""
    poll(made.job.busy or site_index in made.done, partial(_draw, made, site_index), POLL_SECONDS)


def _draw(made: Layouts, site_index: int) -> bool:
    now = made.job.look()
    if site_index in made.done:
        return False
    if now.state == JobState.FAILED:
        wrong(f"The map could not be laid out: {now.message}. The list below and the table hold every feature.")
    else:
        step = now.step or "waiting for another layout"
        st.html(
            f"<p class='fact quiet' role='status'>The map is being made, once for this pair: {step}, "
            f"{now.seconds:.0f} s so far. Everything else on this page works meanwhile.</p>"
        )
    return now.busy
