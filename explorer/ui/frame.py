"""The frame of every page: study · source → target · site · map. It persists across pages, and in the link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.alignment import PairResult, SiteResult
from explorer.models import Site
from explorer.palette import DARK, LIGHT, Palette
from explorer.study import Study, own_names, shipped_studies
from explorer.ui import cache
from explorer.ui.links import GONE, ask, begin_link, refuse, tell
from explorer.ui.pages import PAGES

KEPT: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
"""Of a widget that persists across pages and in the link."""
CHECK_LINK = "check"
"""Query parameter that names a check by what its study will be called."""
_NEXT, _SITE_NEXT, _DEFAULT_SITE = "open_study", "open_site", "default_site"
SITE_LINKED = "site_linked"
"""Whether the session began with a link that names a site: the address later drops the one that is the default."""


@dataclass(frozen=True)
class View:
    """What the frame says: every panel of a page shows exactly this."""

    where: str
    """Name or folder of the study."""
    study: Study
    """The opened study."""
    source: str
    """Name of the source model A."""
    target: str
    """Name of the target model B."""
    site: Site
    """The chosen site."""
    arm: str
    """The chosen map."""
    palette: Palette
    """Colours of the current theme."""

    @property
    def shown(self) -> tuple[str | bool, ...]:
        """What decides a figure of this view, the map aside: a key for `cache.figure`."""
        return (cache.stamp(self.where), self.source, self.target, self.site.name, self.palette is DARK)

    @property
    def pair(self) -> PairResult:
        """The measured numbers of the pair."""
        return cache.pair(self.where, self.source, self.target)

    @property
    def site_result(self) -> SiteResult:
        """The numbers at the chosen site."""
        return next(s for s in self.pair.sites if s.site == self.site.name)


def kept() -> dict[str, str]:
    """The frame's query parameters: what a link to another page keeps."""
    return {key: st.query_params[key] for key in ("study", "a", "b", "site", "map") if key in st.query_params}


def current_palette() -> Palette:
    """Colours of the theme that the visitor has chosen."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def draw_frame() -> View:
    """Draw the bar and return what it says. Drawn by the entry, before the page, so that it keeps its place."""
    if (made := st.query_params.get(CHECK_LINK)) in own_names():
        # The check has ended in a study: its link becomes that of the study before a widget holds another's values.
        if "study" not in st.session_state:
            st.switch_page(PAGES["check"].script, query_params={"study": made})
        st.query_params.pop(CHECK_LINK)
        st.session_state[_NEXT] = made
    if (wanted := st.session_state.pop(_NEXT, None)) is not None:
        st.session_state["study"] = wanted
    if (wanted := st.session_state.pop(_SITE_NEXT, None)) is not None:
        st.session_state["site"] = wanted
    st.session_state.setdefault(SITE_LINKED, "site" in st.query_params)
    bar = st.container()
    begin_link()
    with bar, st.container(key="frame", horizontal=True, vertical_alignment="bottom", gap="small"):
        own = own_names()
        studies = [*shipped_studies(), *own]
        if (gone := st.session_state.get("study")) is not None and gone not in studies:
            # Deleted or damaged meanwhile: another in its place must not pass for it.
            refuse("study", str(gone), GONE)
        where = _select("study", "Study", studies, 0, 170 if own else 105)
        study = cache.study(where)
        source = _select("a", "Source A", study.sources(), 0, 118)
        target = _select("b", "Target B", study.targets(source), 0, 118)
        # Options are plain words: a format_func would put its words, not the options, into the link.
        labels = [site.label for site in study.sites]
        _follow_default(labels[len(labels) // 2])
        site = _select("site", "Site", labels, len(labels) // 2, 122)
        maps = cache.arms(where, source, target)
        ask("map", maps)
        arm = st.segmented_control(
            "Map: how B is read", maps, default="rotated", required=True, key="map", wrap=False, **KEPT
        )
        tell("map", "map", arm or "rotated", maps)
    return View(where, study, source, target, study.site(site), arm or "rotated", current_palette())


def open_study_next(name: str) -> None:
    """Let the frame show a study from the next run on: within a run its widgets cannot be set any more."""
    st.session_state[_NEXT] = name


def open_site_next(label: str) -> None:
    """Let the frame show a site from the next run on."""
    st.session_state[_SITE_NEXT] = label


def _follow_default(site: str) -> None:
    """A site that nobody chose is the default of each study: its name is in no link."""
    last = st.session_state.get(_DEFAULT_SITE)
    if last not in (None, site) and st.session_state.get("site") == last:
        st.session_state["site"] = site
    st.session_state[_DEFAULT_SITE] = site


def _select(key: str, label: str, options: list[str], index: int, width: int) -> str:
    ask(key, options)
    if st.session_state.get(key, options[0]) not in options:
        # Of another study. Set, not deleted: a browser goes on to show the old one until it is told another.
        st.session_state[key] = options[index]
    chosen = str(st.selectbox(label, options, index=index, key=key, width=width, **KEPT))
    tell(key, label[0].lower() + label[1:], chosen, options)
    return chosen


def choice(key: str, label: str, options: tuple[str, ...]) -> str:
    """A switch between a few words, the first chosen; it persists across pages and in the link."""
    ask(key, options)
    chosen = str(
        st.segmented_control(
            label, options, default=options[0], required=True, key=key, label_visibility="collapsed", **KEPT
        )
        or options[0]
    )
    tell(key, label[0].lower() + label[1:], chosen, options)
    return chosen
