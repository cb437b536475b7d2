"""The talk as one page, for a phone: every scene below the other, with figures drawn for 390 pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import plotly.graph_objects as go
import streamlit as st

from explorer.narrative import Scene, Story, offers, recorded_run, scenes, to_a_sentence
from explorer.palette import LIGHT, Palette
from explorer.presentation.story import (
    PHONE,
    answer,
    clock_hands,
    count_board,
    detector,
    figures as figures_story,
    in_register,
    panes,
    phone,
    random_scene,
    stage_dial,
    stored_counter,
)
from explorer.steering import RECORDED, Request, Sampling, VectorSpec, Weighted
from explorer.ui import cache
from explorer.ui.charts import chart
from explorer.ui.frame import View
from explorer.ui.steering import class_signs

HEIGHTS = {"inside": 260, "dial": 640, "sister": 640, "random": 260}
"""Pixels of the figures that Plotly draws."""
WORDS: Mapping[str, Callable[[Story, Palette], str]] = {
    "answer": answer,
    "names": lambda story, palette: detector(story, True, palette),
    "fails": phone.fails,
    "cosine": phone.cosine,
    "limits": phone.limits,
}
"""Scenes that are HTML."""


def draw_stack(found: list[Scene], story: Story, view: View, palette: Palette) -> None:
    """Every scene: its sentence, its figure, and its notes behind a click."""
    for scene in found:
        with st.container(key=f"stacked-{scene.name}"):
            sentence = scene.sentence(story)
            st.html(f"<h2 class='sentence'>{escape(sentence)}</h2>")
            _draw(scene, story, view, palette, sentence)
            if (scene.name in ("names", "random") and story.draws is None) or scene.name == "names":
                said = scenes.read_through(story) if scene.name == "names" else scenes.revealed(story)
                st.html(f"<p class='then'>{escape(said)}</p>")
            st.html(f"<details class='more'><summary>More</summary>{escape(scene.notes(story))}</details>")


def _draw(scene: Scene, story: Story, view: View, palette: Palette, sentence: str) -> None:
    if scene.name == "steering":
        st.html(recorded_steering(story, view, palette))
    elif scene.name == "random" and story.draws is not None:
        st.html(phone.random_rows(story.draws, palette))
    elif scene.name == "hands":
        st.html(clock_hands(story, palette), unsafe_allow_javascript=True)
    elif scene.name == "toy":
        st.html(in_register(story.twin or story.sister, palette, 14), unsafe_allow_javascript=True)
    elif scene.name in WORDS:
        st.html(WORDS[scene.name](story, palette))
    else:
        at = (view.where, view.source, view.target, view.site.index)
        chart(_figure(*at, scene.name, palette is LIGHT, story, palette), f"stacked-{scene.name}-figure", sentence)


@cache.of_study(64)
def _figure(
    where: str, source: str, target: str, site: int, name: str, light: bool, _story: Story, _palette: Palette
) -> go.Figure:
    """A figure of Plotly's, for a phone; drawn once for everybody."""
    figure = _drawn(name, _story, _palette)
    figure.update_layout(height=HEIGHTS[name])
    return figure


def _drawn(name: str, story: Story, palette: Palette) -> go.Figure:
    if name in ("dial", "sister"):
        chapter, other = (story.twin, story.sister) if name == "dial" else (story.sister, story.twin)
        return stage_dial(chapter or story.sister, [c for c in (other,) if c is not None], palette, PHONE)
    if name == "inside":
        figure = figures_story.inside(story, palette)
        figure.update_layout(margin={"l": 4, "r": 4, "t": 30, "b": 10})
        figure.update_annotations(font={"size": 15})
        return figure
    return random_scene(story, palette)


def recorded_steering(story: Story, view: View, palette: Palette) -> str:
    """The recorded lanes, and the counts that were stored with the study."""
    run, offer = recorded_run(story), offers(story)[0]
    assert run is not None
    site, vectors = story.study.site(run.site).index, (Weighted(VectorSpec(contrast=run.contrast)),)
    how = (run.dose, run.prompt, RECORDED, Sampling(run.temperature, run.seed))
    signs = class_signs(Request(view.where, view.source, story.sister.target, (site,), vectors, *how))
    written = {arm: to_a_sentence("".join(token.text for token in run.written[arm])) for arm in RECORDED}
    board = count_board(offer.becomes, stored_counter(story), palette)
    return panes(story.sister.target, run.prompt, written, signs, False, palette, board)
