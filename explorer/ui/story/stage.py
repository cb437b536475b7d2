"""The stage of the talk: one sentence, one figure, a bar of dots. Arrow keys step, N shows the speaker's notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go
import streamlit as st

from explorer.narrative import Scene, Story, open_story, scenes
from explorer.palette import DARK, LIGHT, Palette
from explorer.presentation import HandoutPart
from explorer.presentation.story import (
    answer,
    clock_hands,
    detector,
    figures as figures_story,
    in_register,
    random_scene,
    stage_dial,
)
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.frame import KEPT, View
from explorer.ui.links import ask, tell
from explorer.ui.pages import PAGES
from explorer.ui.share import download
from explorer.ui.story import steering_scene as story_steer
from explorer.ui.story.qr import code, stack_link
from explorer.ui.story.stack import draw_stack, recorded_steering
from explorer.ui.style import colours, page_style
from explorer.ui.tour import tour_button

FIGURES: Mapping[str, Callable[[Story, Palette], go.Figure]] = {
    "inside": figures_story.inside,
    "cosine": figures_story.cosine,
    "fails": figures_story.fails,
    "dial": lambda s, p: stage_dial(s.twin or s.sister, [s.sister], p),
    "sister": lambda s, p: stage_dial(s.sister, [s.twin] if s.twin else [], p),
    "random": random_scene,
    "limits": figures_story.limits,
}


class Hidden(NamedTuple):
    """What a scene keeps back until Space or its button shows it."""

    sentence: Callable[[Story], str]
    """What it says then."""
    show: str
    """The button before."""
    hide: str
    """The button after."""


HIDDEN: Mapping[str, Hidden] = {
    "random": Hidden(scenes.revealed, "Show the answer", "Hide the answer"),
    "names": Hidden(scenes.read_through, "Read it through R", "Read it as it is"),
}
_STYLE = Path(__file__).with_name("style.css")
_SCENE, _NOTES, _LIGHT, _SHOWN, _STACK = "scene", "stage_notes", "stage_light", "stage_revealed", "stage_stack"


def draw_story(view: View) -> None:
    """The scene that the link or the bar names, full bleed; or all of them as one page."""
    story = opened(view.where, view.source, view.target, view.site.index)
    found = scenes.scenes_of(story)
    palette = LIGHT if _switched(_LIGHT) else DARK
    st.html(colours(palette))
    page_style("story")
    _say_pair(story, view)
    if _switched(_STACK):
        _stacked(found, story, view, palette)
        return
    stage, bar = st.container(key="stage"), st.container(key="stage_bar", horizontal=True, vertical_alignment="center")
    with bar:
        scene = _bar(found, story, view)
    with stage:
        _draw(scene, story, view, palette)
        if scene is found[-1] and (link := stack_link(_STACK)) is not None:
            st.html(code(link))


def _say_pair(story: Story, view: View) -> None:
    """The talk needs an independent model: where the bar names another kind of target, it says whom it shows."""
    if view.target != story.sister.target:
        said = f"{view.target} is no independent seed: the talk shows {view.source} and {story.sister.target}."
        st.html(f"<p class='aside' role='status'>{escape(said)}</p>")


def _stacked(found: list[Scene], story: Story, view: View, palette: Palette) -> None:
    with st.container(key="stack"):
        draw_stack(found, story, view, palette)
        with st.container(key="stack_bar", horizontal=True):
            st.button("As a stage", key="stage_unstack", on_click=_switch, args=(_STACK,))
            st.button(
                "Dark" if _switched(_LIGHT) else "Light", key="stage_light_button", on_click=_switch, args=(_LIGHT,)
            )
            for page in PAGES.values():
                if page.name != "story":
                    st.page_link(page.script, label=page.title)


@cache.of_study(16)
def opened(where: str, source: str, target: str, site: int) -> Story:
    """The story of a pair at a site."""
    return open_story(cache.study(where), source, target, site)


@cache.of_study(256)
def figure(where: str, source: str, target: str, site: int, name: str, light: bool) -> go.Figure:
    """The figure of a scene, drawn once."""
    return FIGURES[name](opened(where, source, target, site), LIGHT if light else DARK)


def warm(where: str, source: str, target: str, site: int) -> list[str]:
    """Draw every figure of a story into the cache; the scenes' names."""
    found = [scene.name for scene in scenes.scenes_of(opened(where, source, target, site))]
    for name in found:
        for light in (False, True):
            if name in FIGURES:
                figure(where, source, target, site, name, light)
    return found


def _draw(scene: Scene, story: Story, view: View, palette: Palette) -> None:
    hidden = HIDDEN.get(scene.name) if scene.name != "random" or story.draws is None else None
    shown = hidden is not None and _switched(_SHOWN)
    sentence = hidden.sentence(story) if hidden is not None and shown else scene.sentence(story)
    if scene.name == "steering":
        story_steer.draw(story, view, palette, sentence)
        return _notes(scene, story)
    st.html(f"<h1 class='sentence' aria-live='polite'>{escape(sentence)}</h1>")
    if scene.name == "answer":
        st.html(answer(story, palette))
    elif scene.name == "names":
        st.html(detector(story, shown, palette))
    elif scene.name == "hands":
        st.html(clock_hands(story, palette), unsafe_allow_javascript=True)
    elif scene.name == "toy":
        st.html(in_register(story.twin or story.sister, palette), unsafe_allow_javascript=True)
    else:
        picture = figure(view.where, view.source, view.target, view.site.index, scene.name, palette is LIGHT)
        with st.container(key="picture"):
            chart(picture, f"stage-{scene.name}", f"{sentence} {scene.notes(story)}", height="stretch")
    if hidden is not None:
        st.button(hidden.hide if shown else hidden.show, key="reveal", on_click=_switch, args=(_SHOWN,))
    _notes(scene, story)


def _notes(scene: Scene, story: Story) -> None:
    if _switched(_NOTES):
        st.html(f"<aside class='notes' aria-label='Speaker notes'>{escape(scene.notes(story))}</aside>")


def _bar(found: list[Scene], story: Story, view: View) -> Scene:
    names = [scene.name for scene in found]
    if (old := st.query_params.get(_SCENE)) in scenes.MOVED and _SCENE not in st.session_state:
        st.session_state[_SCENE] = scenes.MOVED[old]
    ask(_SCENE, [*names, *scenes.MOVED])
    st.button("Back ←", key="stage_back", on_click=_step, args=(names, -1))
    chosen = st.segmented_control(
        "Scene", names, default=names[0], required=True, key=_SCENE, label_visibility="collapsed",
        width="content", **KEPT,
    )  # fmt: skip
    st.button("Next →", key="stage_next", on_click=_step, args=(names, 1))
    st.button("As one page", key="stage_stack_button", on_click=_switch, args=(_STACK,))
    st.button("Notes", key="stage_notes_button", shortcut="N", on_click=_switch, args=(_NOTES,))
    st.button("Dark" if _switched(_LIGHT) else "Light", key="stage_light_button", on_click=_switch, args=(_LIGHT,))
    with st.popover("Pages", key="stage_pages"):
        for page in PAGES.values():
            if page.name != "story":
                st.page_link(page.script, label=page.title)
        tour_button(view, "stage_tour")
        _phones()
        parts = [part for scene in found for part in _parts(scene, story, view)]
        download("Download the talk as HTML", f"{story.sister.source} and {story.sister.target}", parts, view)
    tell(_SCENE, "scene", str(chosen or names[0]), names)
    return found[names.index(chosen) if chosen in names else 0]


def _phones() -> None:
    """How phones in the room open the talk."""
    if (link := stack_link(_STACK)) is not None:
        st.html(f"<p class='small'>On a phone:</p>{code(link)}")
    else:
        st.caption(
            "Phones cannot reach this app: it listens on this machine only. HOST=0.0.0.0 make run lets them, and shows "
            "a QR code."
        )


def _parts(scene: Scene, story: Story, view: View) -> list[HandoutPart]:
    """A scene in the handout: its sentence, its figure in the colours of the page, its notes."""
    said = [HandoutPart("heading", scene.sentence(story)), HandoutPart("text", scene.notes(story))]
    if scene.name in FIGURES:
        light = view.palette is LIGHT
        drawn = figure(view.where, view.source, view.target, view.site.index, scene.name, light)
        return [said[0], HandoutPart("figure", said[1].content, drawn)]
    words = {"answer": lambda: answer(story, view.palette), "names": lambda: detector(story, True, view.palette),
             "steering": lambda: recorded_steering(story, view, view.palette),
             "hands": lambda: clock_hands(story, view.palette),
             "toy": lambda: in_register(story.twin or story.sister, view.palette, 16)}  # fmt: skip
    look = f"{colours(view.palette)}<style>{_STYLE.read_text(encoding='utf-8')}</style>"
    return [said[0], HandoutPart("html", f"<div class='handout'>{words[scene.name]()}</div>{look}"), said[1]]


def _step(names: list[str], by: int) -> None:
    now = st.session_state.get(_SCENE)
    i = names.index(now) if now in names else 0
    st.session_state[_SCENE] = names[max(0, min(len(names) - 1, i + by))]
    st.session_state[_SHOWN] = False


def _switched(name: str) -> bool:
    """Whether something is on: switched in this session, or asked for in the link (`?stage_light=1`)."""
    return bool(st.session_state.get(name, name in st.query_params))


def _switch(name: str) -> None:
    on = not _switched(name)
    st.session_state[name] = on
    if name != _SHOWN:
        if on:
            st.query_params[name] = "1"
        else:
            st.query_params.pop(name, None)
