"""The steering scene: lanes that replay a recorded generation, labelled as such, or write it live."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape

import streamlit as st

from explorer.jobs import JobState
from explorer.models import tokenised
from explorer.narrative import Story
from explorer.palette import Palette
from explorer.pipeline import is_word
from explorer.steering import NEW_TOKENS, RECORDED, STEERED, Request, Sampling, VectorSpec, Weighted
from explorer.study import RecordedRun, WrittenToken
from explorer.ui import cache
from explorer.ui.clicks import poll
from explorer.ui.frame import View
from explorer.ui.steering import LaneDesk, class_tokens

POLL_SECONDS = 0.15
PACE = 12
"""Tokens of a replay in a second: a reader follows, whatever machine wrote them."""
LANES = (STEERED, *(arm for arm in RECORDED if arm != "none"))
"""What the stage has room for."""
_LIVE = {
    JobState.DONE: "written live",
    JobState.STOPPED: "written live, stopped",
    JobState.WAITING: "waiting for the models …",
}


@dataclass
class Stage:
    """What one session shows on the steering scene: a replay that began at some moment, or a live generation."""

    desk: LaneDesk = field(default_factory=LaneDesk)
    """The live generation."""
    live: bool = False
    """Whether it is shown instead of the recording."""
    began: float = 0.0
    """When the replay began; 0 before the first."""

    def replay(self) -> None:
        """Begin the recording again."""
        self.desk.stop()
        self.live, self.began = False, time.monotonic()

    def write(self, request: Request) -> None:
        """Write live."""
        self.live = True
        self.desk.start(request)


@st.cache_resource(scope="session", on_release=lambda stage: stage.desk.stop(), show_spinner=False)
def stage() -> Stage:
    """This session's stage."""
    return Stage()


def draw(story: Story, view: View, palette: Palette) -> None:
    """The lanes; a replay begins by itself on the first visit."""
    mine = stage()
    if not mine.began:
        mine.replay()
    moving = mine.desk.running if mine.live else _replaying(mine, _run(story))
    poll(moving, partial(_draw, story, view, palette), POLL_SECONDS)


def _run(story: Story) -> RecordedRun:
    recording = story.sister.recording
    assert recording is not None and recording.run is not None
    return recording.run


def _replaying(mine: Stage, run: RecordedRun) -> bool:
    return _replayed(mine) < max(map(len, run.written.values()))


def _replayed(mine: Stage) -> int:
    """How many tokens of each lane the replay has reached."""
    return int(PACE * (time.monotonic() - mine.began))


def _draw(story: Story, view: View, palette: Palette) -> bool:
    mine, run = stage(), _run(story)
    moving = _replaying(mine, run)
    snapshot = mine.desk.snapshot() if mine.live else None
    if snapshot is not None and snapshot.state == JobState.FAILED:
        written: Mapping[str, Sequence[WrittenToken]] = {}
        status = f"Nothing was written: {snapshot.message}"
    elif snapshot is not None:
        written = {lane: _marked(story, view, snapshot.texts.get(lane, "")) for lane in LANES}
        status = _LIVE.get(snapshot.state, "writing live …")
    else:
        written = {lane: run.written[lane][: _replayed(mine)] for lane in LANES}
        status = "recorded when this study was made"
    status += f" · dose {run.dose:g}"
    titles = {
        STEERED: (f"{story.sister.source} + v", palette.source),
        "raw": (f"{story.sister.target} + v raw", palette.raw),
        "rotated": (f"{story.sister.target} + v rotated", palette.rotated),
        "random": (f"{story.sister.target} + random", palette.null),
    }
    columns = "".join(_lane(titles[lane], run.prompt, written.get(lane, ())) for lane in LANES)
    st.html(f"<div class='stage-lanes' data-scene='steering'>{columns}</div>")
    with st.container(key="stage_live", horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.html(f"<p class='stage-status' role='status'>{escape(status)}</p>", width="content")
        if mine.live:
            st.button("Replay the recording", key="stage_replay", on_click=mine.replay)
        else:
            st.button("Write it live", key="stage_write", on_click=mine.write, args=(_request(story, view, run),))
    return moving if snapshot is None else snapshot.busy


def _request(story: Story, view: View, run: RecordedRun) -> Request:
    """What writes the recorded text again."""
    site = story.study.site(run.site).index
    vectors = (Weighted(VectorSpec(contrast=run.contrast)),)
    sampling = Sampling(run.temperature, run.seed, NEW_TOKENS)
    target = story.sister.target
    return Request(view.where, view.source, target, (site,), vectors, run.dose, run.prompt, RECORDED, sampling)


def _marked(story: Story, view: View, text: str) -> list[WrittenToken]:
    """Live text cut into tokens again, those of the class marked."""
    typical = set(class_tokens(_request(story, view, _run(story))).positive.tolist())
    tokenizer = cache.model(view.where, view.source).tokenizer
    return [
        WrittenToken(text[a:b], is_word(text[a:b]) and token in typical)
        for token, (a, b) in zip(*tokenised(tokenizer, text), strict=True)
    ]


def _lane(title: tuple[str, str], prompt: str, written: Sequence[WrittenToken]) -> str:
    name, colour = title
    text = "".join(_word(token) for token in written)
    return (
        f"<section style='--lane: {colour}' aria-label='{escape(name)}'><h2>{escape(name)}</h2>"
        f"<div class='text'><span class='prompt'>{escape(prompt)}</span>{text}</div></section>"
    )


def _word(token: WrittenToken) -> str:
    word = token.text.lstrip()
    space = token.text[: len(token.text) - len(word)]
    return f"{space}<u>{escape(word)}</u>" if token.typical and word else escape(token.text)
