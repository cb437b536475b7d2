"""The dose–response of the chosen vector: stored, or measured in the background with progress, and exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

import streamlit as st

from explorer import dose_sentences, figures_dose
from explorer.dose_measure import CARRIED, Question, Steered, measure_vector
from explorer.dose_response import DoseResponse
from explorer.errors import InputError
from explorer.label_shares import NEW_TOKENS, LabelShares, label_shares
from explorer.live import Request
from explorer.steering import carry
from explorer.task import Task
from explorer.ui.chart import chart
from explorer.ui.cohort_panel import heading, other_cohort
from explorer.ui.frame import View
from explorer.ui.steer_vectors import class_tokens, ingredients

POLL_SECONDS = 0.4
NORM_DOCUMENTS = 64


@dataclass(frozen=True)
class Measured:
    """What a measurement found."""

    response: DoseResponse | None
    """The dose–response; None where the stored one serves."""
    shares: LabelShares | None
    """Shares of generations, for a contrast of the story grammar."""


@dataclass
class Desk:
    """The measurement of one session."""

    task: Task[Measured] | None = None
    """What runs, or ran last."""
    key: object = None
    """What it measures."""
    kept: dict[object, Measured] = field(default_factory=dict)
    """What was measured in this session."""
    asked: bool = False
    """Whether the next run, of the page or of the panel alone, starts what it shows."""
    refused: str = ""
    """Why the last measurement could not be started."""

    def ask(self) -> None:
        """Start what the next run shows: this one's request may lack an edit made just before the click."""
        self.asked = True

    def start(self, key: object, work: Callable[[Callable[[float], None]], Measured]) -> None:
        """Measure something else."""
        self.cancel()
        self.task, self.key, self.refused = Task(work), key, ""

    def refuse(self, key: object, why: str) -> None:
        """Say why something cannot be measured, until something else is asked for."""
        self.cancel()
        self.task, self.key, self.refused = None, key, why

    def error(self, key: object) -> str:
        """What went wrong with something; empty where nothing did."""
        if self.key != key:
            return ""
        return self.refused or (self.task.error if self.task is not None else "")

    def cancel(self) -> None:
        """End what is running."""
        if self.task is not None:
            self.task.cancel()

    def found(self, key: object) -> Measured | None:
        """What is known of something."""
        if self.task is not None and self.key is not None and self.task.result is not None:
            self.kept[self.key] = self.task.result
        return self.kept.get(key)


@st.cache_resource(scope="session", on_release=Desk.cancel, show_spinner=False)
def desk() -> Desk:
    """This session's desk."""
    return Desk()


def draw_dose(view: View, request: Request, stored: list[DoseResponse]) -> None:
    """The section; polls while something is being measured."""
    key = (request.study, request.source, request.target, view.site.index, request.vectors)
    mine = desk()
    if mine.asked:
        _start(view, request, mine, key, _response(view, request, stored, mine, key) is not None)
    st.fragment(_draw, run_every=POLL_SECONDS if _running(key) else None)(view, request, stored, key, _running(key))


def _running(key: object) -> bool:
    mine = desk()
    return mine.task is not None and mine.key == key and mine.task.look()[0]


def _response(view: View, request: Request, stored: list[DoseResponse], mine: Desk, key: object) -> DoseResponse | None:
    name = str(request.vectors[0]) if len(request.vectors) == 1 else ""
    known = next((r for r in stored if r.vector == name and r.site == view.site.name), None)
    found = mine.found(key)
    return known or (found.response if found else None)


def _draw(view: View, request: Request, stored: list[DoseResponse], key: object, polling: bool) -> None:
    mine = desk()
    found, response = mine.found(key), _response(view, request, stored, mine, key)
    if mine.asked:
        _start(view, request, mine, key, response is not None)
    if response is None:
        _buttons(view, request, mine, key, False, found)
    else:
        words = dose_sentences.response(response, view.source, view.target, view.site.label)
        st.html(f"<p class='verdict'>{words}</p>")
        other = other_cohort(view, response)
        left, right = st.columns([0.5, 0.5] if other else [0.62, 0.38], gap="medium")
        beside = other[1] if other else None
        with left:
            if other:
                heading(view, view.source, view.target)
            _figure(view, request, (view.source, view.target), response, beside)
        with right:
            if other:
                heading(view, *other[0])
                _figure(view, request, *other, response)
            _shares(view, found)
            _buttons(view, request, mine, key, True, found)
    if polling != _running(key):
        st.rerun()


def _figure(
    view: View, request: Request, pair: tuple[str, str], response: DoseResponse, beside: DoseResponse | None
) -> None:
    source, target = pair
    key = "dose_figure" if pair == (view.source, view.target) else "dose_other"
    figure = figures_dose.dose_figure(response, view.palette, view.arm, request.dose, beside)
    alt = f"{source} → {target}: effect and loss rise against dose for every arm, with the random band."
    # The lines of provenance speak of the frame's pair: the rows name their own.
    chart(figure, key, alt, table=lambda: figures_dose.dose_table(response).assign(source=source, target=target))


def _shares(view: View, found: Measured | None) -> None:
    if found is not None and found.shares is not None:
        alt = "Share of generations with the steered label against dose, for every arm."
        chart(figures_dose.share_figure(found.shares, view.palette, view.arm), "shares", alt)
        st.html(f"<p class='fact quiet'>{escape(dose_sentences.shares(found.shares, view.target))}</p>")


def _buttons(view: View, request: Request, mine: Desk, key: object, known: bool, found: Measured | None) -> None:
    running = _running(key)
    if known and (found is not None or _told(view, request) is None) and not running:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="dose_buttons"):
        label = "Count what it writes" if known else "Measure the dose–response"
        if running:
            assert mine.task is not None
            _, share, ahead = mine.task.look()
            st.button("Cancel", key="dose_cancel", on_click=mine.cancel)
            st.progress(share, f"{ahead} before you" if ahead else f"measuring, {share:.0%}", width=420)
        else:
            st.button(label, key="dose_measure", on_click=mine.ask)
            what = "every arm at ten doses, with 20 random directions"
            said = mine.error(key) or (
                f"{16 * 4 * 5} continuations: how many read as what it steers to?" if known else f"Not stored: {what}."
            )
            st.html(f"<p class='fact quiet'>{escape(said)}</p>")


def _told(view: View, request: Request) -> str | None:
    """The contrast whose label can be read in what is written, if one steers alone."""
    told = view.study.corpus.reads_labels and len(request.vectors) == 1
    return request.vectors[0].name.contrast if told else None


def _start(view: View, request: Request, mine: Desk, key: object, known: bool) -> None:
    """Prepare here, where caches are; what the thread does knows nothing of Streamlit."""
    mine.asked = False
    try:
        only = Request(**{**vars(request), "sites": (view.site.index,), "arms": ("native",)})
        parts = ingredients(only)[0]
        study, typical = view.study, class_tokens(only)
    except InputError as error:
        mine.refuse(key, str(error))
        return
    chunks = study.chunks(NORM_DOCUMENTS)
    contrast = _told(view, request)

    def work(report: Callable[[float], None]) -> Measured:
        steered = Steered(parts.target, view.site, study.corpus, chunks)
        response, half = None, 0.0 if known else 0.6
        if not known:
            question = Question(str(request.vectors[0]), "v", parts.vector, parts.native, typical)
            response = measure_vector(
                steered, question, parts.fitted, lambda share: report(share * (half if contrast else 1))
            )
        shares, steps = None, 0
        if contrast is not None and (said := study.corpus.read_class(contrast)) is not None:

            def tick() -> None:
                nonlocal steps
                steps += 1
                report(half + (1 - half) * steps / NEW_TOKENS)

            arms = {a.value: carry(parts.vector, a, parts.fitted) for a in CARRIED}
            if parts.native is not None:
                arms = {"native": parts.native, **arms}
            shares = label_shares(
                parts.target, view.site, steered.prompts.prompts, arms, steered.norm, said, tick
            )  # fmt: skip
        return Measured(response, shares)

    mine.start(key, work)
