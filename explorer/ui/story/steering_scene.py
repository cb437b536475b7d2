"""The steering scene: two large panes and a counter, from a recording that says so, or written and counted live.

Whatever the speaker changes (the vector, the dose, the person of the prompt) is written anew, with fresh seeds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape

import streamlit as st

from explorer.errors import InputError
from explorer.jobs import JobState
from explorer.narrative import (
    COUNTED,
    Offer,
    Story,
    count_sentence,
    name_in,
    offers,
    recorded_run,
    renamed,
    to_a_sentence,
)
from explorer.palette import Palette
from explorer.presentation.story import Counter, count_board, panes, stored_counter
from explorer.steering import (
    FRESH_TEXTS,
    NEW_TOKENS,
    RECORDED,
    TEMPERATURE,
    Arm,
    ClassCount,
    CountJob,
    Request,
    Sampling,
    Snapshot,
    TextCount,
    VectorSpec,
    Weighted,
)
from explorer.text import ClassReader, learn_classes
from explorer.ui import cache
from explorer.ui.clicks import clicked, consume, note, poll
from explorer.ui.frame import View
from explorer.ui.steering import LaneDesk, class_signs, ingredients

POLL_SECONDS = 0.15
PACE = 14
"""Tokens of a replay in a second: a reader follows, whatever machine wrote them."""
DOSES = tuple(round(0.1 * i, 1) for i in range(9))
"""Stops of the dial of the dose, in median norms."""
LONGEST_NAME = 24
_WRITE, _VECTOR, _NAME = "stage_write", "stage_vector", "stage_name"


@dataclass
class Stage:
    """What one session shows on the steering scene: a replay that began at some moment, or what is written live."""

    desk: LaneDesk = field(default_factory=LaneDesk)
    """The live generation."""
    counting: CountJob | None = None
    """The live count; None before the first."""
    live: Request | None = None
    """What is written live; None while the recording is shown."""
    began: float = 0.0
    """When the replay began; 0 before the first."""
    times: int = 0
    """How often something was written live: each time has other seeds."""
    error: str = ""
    """Why nothing could be counted."""
    before: tuple[Request, Snapshot] | None = None
    """What was written live before, shown until the next text begins; None where that is the recording."""

    def replay(self) -> None:
        """Begin the recording again."""
        self.stop()
        self.live, self.before, self.began = None, None, time.monotonic()

    def write(self, request: Request, reader: ClassReader | None) -> None:
        """Write the lanes anew, and count fresh texts beside them."""
        self.stop()
        if self.live is not None and (written := self.desk.snapshot()) is not None and _has_begun(written):
            self.before = self.live, written
        self.times += 1
        seed = request.sampling.seed + self.times
        self.live = replace(request, sampling=replace(request.sampling, seed=seed))
        self.counting, self.error = None, ""
        self.desk.start(self.live)
        try:
            if reader is not None:
                first = 1000 + FRESH_TEXTS * self.times
                self.counting = CountJob(ingredients(self.live)[0], request.dose, request.prompt, reader, first)
        except InputError as error:
            self.error = str(error)

    def stop(self) -> None:
        """Write and count nothing more."""
        self.desk.stop()
        if self.counting is not None:
            self.counting.stop()


@st.cache_resource(scope="session", on_release=Stage.stop, show_spinner=False)
def stage() -> Stage:
    """This session's stage."""
    return Stage()


def draw(story: Story, view: View, palette: Palette, sentence: str) -> None:
    """The panes, the counter and the controls; a replay begins by itself on the first visit.

    `sentence` is that of the recording; of what is written live the counter decides.
    """
    mine = stage()
    if mine.live is not None and (mine.live.source, mine.live.target) != (view.source, story.sister.target):
        mine.began = 0.0
    if not mine.began:
        mine.replay()
    poll(_moving(mine, story), partial(_draw, story, view, palette, sentence), POLL_SECONDS)


def _moving(mine: Stage, story: Story) -> bool:
    if mine.live is None:
        return _replayed(mine) < _length(story)
    return mine.desk.running or (mine.counting is not None and mine.counting.snapshot().busy)


def _length(story: Story) -> int:
    run = recorded_run(story)
    assert run is not None
    return max(map(len, run.written.values()))


def _replayed(mine: Stage) -> int:
    """How many tokens of each lane the replay has reached."""
    return int(PACE * (time.monotonic() - mine.began))


def _draw(story: Story, view: View, palette: Palette, sentence: str) -> bool:
    mine, moving = stage(), _moving(stage(), story)
    offer, dose, prompt = _chosen(story)
    texts, shown_prompt, status = _texts(mine, story)
    request = _request(story, view, offer, dose, prompt)
    signs = class_signs(mine.live or request)
    becomes = next(o for o in offers(story) if o.contrast == _contrast(mine, offer)).becomes
    counter = _counter(mine, story)
    if mine.live is not None:
        so_far = counter.counts if counter is not None and counter.counts["none"].texts else {}
        sentence = count_sentence(view.source, story.sister.target, becomes, so_far, live=True)
    st.html(f"<h1 class='sentence' aria-live='polite'>{escape(sentence)}</h1>")
    board = count_board(becomes, counter, palette)
    reader = partial(_reader, view.where, offer.contrast, offer.prompt)
    counts = None
    if not moving and _contrast(mine, offer) == offer.contrast and (found := reader()) is not None:
        counts = dict(zip(texts, found.read(list(texts.values())), strict=True))
    st.html(panes(story.sister.target, shown_prompt, texts, signs, moving, palette, board, counts))
    with st.container(key="stage_live", horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        _controls(story, mine, status)
    # Last: it may have to load the models, and until then the recording is on screen.
    if consume(_WRITE, lambda: mine.write(request, reader())):
        st.rerun()
    return moving


def _contrast(mine: Stage, offer: Offer) -> str:
    """The contrast whose texts are on screen."""
    return str(mine.live.vectors[0].name.contrast) if mine.live is not None else offer.contrast


def _texts(mine: Stage, story: Story) -> tuple[Mapping[Arm, str], str, str]:
    """By lane what it says, the prompt before it, and where it comes from."""
    run = recorded_run(story)
    assert run is not None
    snapshot = mine.desk.snapshot() if mine.live is not None else None
    if snapshot is not None and snapshot.state == JobState.FAILED:
        return {}, snapshot.prompt, f"Nothing was written: {snapshot.message}"
    if snapshot is not None and mine.live is not None and _has_begun(snapshot):
        return _live(mine.live, snapshot, "writing live" if snapshot.busy else "written live")
    if mine.live is not None and mine.before is not None:
        return _live(*mine.before, "the former text, until the new one begins")
    reached, over = _replayed(mine), _replayed(mine) >= _length(story)
    texts: dict[Arm, str] = {arm: "".join(token.text for token in run.written[arm][:reached]) for arm in RECORDED}
    if over:
        texts = {arm: to_a_sentence(text) for arm, text in texts.items()}
    waiting = "the models are loading; until then: " if mine.live is not None or clicked(_WRITE) else ""
    return texts, run.prompt, f"{waiting}recorded when this study was made, seed {run.seed}, dose {run.dose:g}"


def _has_begun(snapshot: Snapshot) -> bool:
    return any(snapshot.texts.get(arm) for arm in RECORDED)


def _live(request: Request, snapshot: Snapshot, said: str) -> tuple[Mapping[Arm, str], str, str]:
    """Live lanes: up to a sentence's end once no more is to come."""
    texts: dict[Arm, str] = {arm: snapshot.texts.get(arm, "") for arm in RECORDED}
    if not snapshot.busy:
        texts = {arm: to_a_sentence(text) for arm, text in texts.items()}
    return texts, request.prompt, f"{said}, seed {request.sampling.seed}, dose {request.dose:g}"


def _counter(mine: Stage, story: Story) -> Counter | None:
    found: TextCount | None = mine.counting.snapshot() if mine.counting is not None and mine.live is not None else None
    if found is not None and found.counts:
        last = found.first + FRESH_TEXTS - 1
        told = f"{'counting' if found.busy else 'counted'} live, fresh seeds {found.first} to {last}"
        return Counter(found.counts, FRESH_TEXTS, told)
    if found is not None and found.busy:
        return Counter(dict.fromkeys(COUNTED, ClassCount(0, 0)), FRESH_TEXTS, "counting live …")
    return stored_counter(story) if mine.live is None else None


def _chosen(story: Story) -> tuple[Offer, float, str]:
    """The vector, the dose and the prompt that the controls ask for."""
    every, state = offers(story), st.session_state
    offer = next((o for o in every if o.title == state.get(_VECTOR)), every[0])
    dose = float(state.get(_dose_key(offer), offer.dose))
    return offer, dose, renamed(offer.prompt, str(state.get(_NAME) or ""))


def _controls(story: Story, mine: Stage, status: str) -> None:
    every = offers(story)
    offer, _, _ = _chosen(story)
    if len(every) > 1:
        st.selectbox("Vector", [o.title for o in every], key=_VECTOR, width=215, on_change=note, args=(_WRITE,))
    stops = sorted({*DOSES, offer.dose})
    st.select_slider("Dose", stops, offer.dose, key=_dose_key(offer), width=210, on_change=note, args=(_WRITE,))
    if (name := name_in(offer.prompt)) is not None:
        st.text_input("Name", name, key=_NAME, max_chars=LONGEST_NAME, width=130, on_change=note, args=(_WRITE,))
    st.button(
        "Write it live" if mine.live is None else "Write it again",
        key="stage_write_button", on_click=note, args=(_WRITE,), type="primary",
    )  # fmt: skip
    if mine.live is not None:
        st.button("Recording", key="stage_replay", on_click=mine.replay)
    st.html(f"<p class='stage-status' role='status'>{escape(mine.error or status)}</p>", width="content")


def _dose_key(offer: Offer) -> str:
    """Every vector has a dial of its own, which begins at its own dose."""
    return f"stage_dose_{offer.contrast}"


def _request(story: Story, view: View, offer: Offer, dose: float, prompt: str) -> Request:
    """What is written when the speaker asks for it; its seed is that of the recording."""
    run = recorded_run(story)
    assert run is not None
    site = story.study.site(offer.site).index
    vectors = (Weighted(VectorSpec(contrast=offer.contrast)),)
    sampling = Sampling(TEMPERATURE, run.seed, NEW_TOKENS)
    return Request(view.where, view.source, story.sister.target, (site,), vectors, dose, prompt, RECORDED, sampling)


@cache.of_study(32)
def _reader(where: str, contrast: str, prompt: str) -> ClassReader | None:
    """Who reads whether a text belongs to the class; None where no text can."""
    return learn_classes(cache.study(where).corpus.contrast(contrast), prompt)
