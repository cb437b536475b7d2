"""The dose–response of the chosen vector: stored, or measured in the background with progress, and exported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from html import escape

import streamlit as st

from explorer.jobs import MEASURERS, PATIENCE, Job, Progress
from explorer.presentation.steering import dose as figures_dose, dose_captions as dose_sentences
from explorer.progress import counted, part
from explorer.steering import (
    CARRIED,
    NEW_TOKENS,
    NORM_DOCUMENTS,
    DoseResponse,
    LabelShares,
    Question,
    Request,
    Steered,
    carry,
    label_shares,
    measure_vector,
)
from explorer.ui.charts import chart
from explorer.ui.clicks import consume, note, poll
from explorer.ui.desk import Desk
from explorer.ui.frame import View
from explorer.ui.steering.cohort_panel import heading, other_cohort
from explorer.ui.steering.vector_cache import class_tokens, ingredients

POLL_SECONDS = 0.4
_BUTTON = "dose_measure"


@dataclass(frozen=True)
class Measured:
    """What a measurement found."""

    response: DoseResponse | None
    """The dose–response; None where the stored one serves."""
    shares: LabelShares | None
    """Shares of generations, for a contrast of the story grammar."""


@st.cache_resource(scope="session", on_release=Desk.cancel, show_spinner=False)
def desk() -> Desk[Measured]:
    """This session's measurements, by what was measured."""
    return Desk()


def draw_dose(view: View, request: Request, stored: list[DoseResponse]) -> None:
    """The section; polls while something is being measured."""
    key = (request.study, request.source, request.target, view.site.index, request.vectors)
    _begin(view, request, stored, key)
    now = desk().look(key)
    poll(now is not None and now.busy, partial(_draw, view, request, stored, key), POLL_SECONDS)


def _begin(view: View, request: Request, stored: list[DoseResponse], key: object) -> None:
    known = _response(view, request, stored, desk().found(key)) is not None
    consume(_BUTTON, lambda: desk().start(key, partial(_measure, view, request, known)))


def _response(view: View, request: Request, stored: list[DoseResponse], found: Measured | None) -> DoseResponse | None:
    name = str(request.vectors[0]) if len(request.vectors) == 1 else ""
    known = next((r for r in stored if r.vector == name and r.site == view.site.name), None)
    return known or (found.response if found else None)


def _draw(view: View, request: Request, stored: list[DoseResponse], key: object) -> bool:
    _begin(view, request, stored, key)
    # In this order: of a job that is over, what it found is shown.
    now, found = desk().look(key), desk().found(key)
    response = _response(view, request, stored, found)
    if response is None:
        _buttons(view, request, now, False, found)
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
            _buttons(view, request, now, True, found)
    return now is not None and now.busy


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


def _buttons(view: View, request: Request, now: Progress | None, known: bool, found: Measured | None) -> None:
    running = now is not None and now.busy
    if known and (found is not None or _told(view, request) is None) and not running:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="dose_buttons"):
        if now is not None and running:
            st.button("Cancel", key="dose_cancel", on_click=desk().cancel)
            words = f"{now.ahead} before you" if now.ahead else f"measuring, {now.share:.0%}"
            st.progress(now.share, words, width=420)
        else:
            label = "Count what it writes" if known else "Measure the dose–response"
            st.button(label, key=_BUTTON, on_click=note, args=(_BUTTON,))
            what = "every arm at ten doses, with 20 random directions"
            said = (now.message if now is not None else "") or (
                f"{16 * 4 * 5} continuations: how many read as what it steers to?" if known else f"Not stored: {what}."
            )
            st.html(f"<p class='fact quiet'>{escape(said)}</p>")


def _told(view: View, request: Request) -> str | None:
    """The contrast whose label can be read in what is written, if one steers alone."""
    told = view.study.corpus.reads_labels and len(request.vectors) == 1
    return request.vectors[0].name.contrast if told else None


def _measure(view: View, request: Request, known: bool) -> Job[Measured]:
    """Prepare here, where caches are; what the thread does knows nothing of Streamlit."""
    only = replace(request, sites=(view.site.index,), arms=("native",))
    parts, typical, study = ingredients(only)[0], class_tokens(only), view.study
    chunks, contrast = study.chunks(NORM_DOCUMENTS), _told(view, request)

    def work(job: Job[Measured]) -> Measured:
        steered = Steered(parts.target, view.site, study.corpus, chunks)
        response, half = None, 0.0 if known else 0.6
        if not known:
            question = Question(str(request.vectors[0]), "v", parts.vector, parts.native, typical)
            response = measure_vector(steered, question, parts.fitted, part(job.report, 0.0, half if contrast else 1.0))
        shares = None
        if contrast is not None and (said := study.corpus.read_class(contrast)) is not None:
            written = counted(part(job.report, half, 1.0), "measuring", NEW_TOKENS)
            arms = {str(arm): carry(parts.vector, arm, parts.fitted) for arm in CARRIED}
            if parts.native is not None:
                arms = {"native": parts.native, **arms}
            shares = label_shares(
                parts.target, view.site, steered.prompts.prompts, arms, steered.norm, said, lambda: written(1)
            )  # fmt: skip
        return Measured(response, shares)

    failure = "the measurement failed ({error}): try again, or choose another vector"
    return Job(work, MEASURERS, PATIENCE, failure=failure)
