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
    NEW_TOKENS,
    NORM_DOCUMENTS,
    DoseResponse,
    Question,
    ReadingShares,
    Request,
    Steered,
    measure_vector,
    read_contrast,
    read_vectors,
    suggest_dose,
)
from explorer.study import contrast_of
from explorer.text import Contrast, can_be_read, learn_classes
from explorer.ui import cache
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
    shares: ReadingShares | None
    """What one reads at this site, for a contrast between two classes of texts."""


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
            _shares(view, _read(view, request, found))
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


def _read(view: View, request: Request, found: Measured | None) -> ReadingShares | None:
    """What one reads of the vector at this site: stored with the study, or measured here."""
    if found is not None and found.shares is not None:
        return found.shares
    name = str(request.vectors[0]) if len(request.vectors) == 1 else ""
    stored = cache.reading_shares(view.where, view.source, view.target)
    return next((r for r in stored if (r.vector, r.site) == (name, view.site.name)), None)


def _shares(view: View, shares: ReadingShares | None) -> None:
    if shares is not None:
        alt = "Share of fresh continuations that count as the class against dose, for every arm."
        figure = figures_dose.share_figure(shares, view.palette, view.arm)
        chart(figure, "shares", alt, table=lambda: figures_dose.share_table(shares))
        words = dose_sentences.shares(shares, view.target, view.site.label)
        st.html(f"<p class='fact quiet'>{escape(words)}</p>")


def _buttons(view: View, request: Request, now: Progress | None, known: bool, found: Measured | None) -> None:
    running = now is not None and now.busy
    counted = _read(view, request, found) is not None or _told(view, request) is None
    if known and counted and not running:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="dose_buttons"):
        if now is not None and running:
            st.button("Cancel", key="dose_cancel", on_click=desk().cancel)
            words = f"{now.ahead} before you" if now.ahead else f"measuring, {now.share:.0%}"
            st.progress(now.share, words, width=420)
        else:
            label = "Count texts at every dose" if known else "Measure the dose–response"
            st.button(label, key=_BUTTON, on_click=note, args=(_BUTTON,))
            what = "every arm at ten doses, with 20 random directions"
            said = (now.message if now is not None else "") or (
                "Fresh continuations of the prompt: how many count as the class?" if known else f"Not stored: {what}."
            )
            st.html(f"<p class='fact quiet'>{escape(said)}</p>")


def _told(view: View, request: Request) -> Contrast | None:
    """The contrast whose classes can be read in what is written, if one steers alone."""
    found = contrast_of(view.study, request.vectors[0].name) if len(request.vectors) == 1 else None
    return found if found is not None and can_be_read(found) else None


def _measure(view: View, request: Request, known: bool) -> Job[Measured]:
    """Prepare here, where caches are; what the thread does knows nothing of Streamlit."""
    only = replace(request, sites=(view.site.index,), arms=("native",))
    parts, typical, study = ingredients(only)[0], class_tokens(only), view.study
    chunks, contrast, name = study.chunks(NORM_DOCUMENTS), _told(view, request), str(request.vectors[0])

    def work(job: Job[Measured]) -> Measured:
        steered = Steered(parts.target, view.site, study.corpus, chunks)
        response, half = None, 0.0 if known else 0.6
        if not known:
            question = Question(name, "v", parts.vector, parts.native, typical)
            response = measure_vector(steered, question, parts.fitted, part(job.report, 0.0, half if contrast else 1.0))
        shares = None
        reader = learn_classes(contrast, request.prompt) if contrast is not None else None
        if contrast is not None and reader is not None and parts.native is not None:
            written = counted(part(job.report, half, 1.0), "measuring", 2 * NEW_TOKENS)
            given, tick = (reader, request.prompt), lambda: written(1)
            suggested = suggest_dose([steered], [parts.native], *given, tick)
            vectors = read_vectors(parts.vector, parts.native, parts.fitted)
            shares = read_contrast((name, contrast.title), suggested, steered, vectors, *given, tick)
        return Measured(response, shares)

    failure = "the measurement failed ({error}): try again, or choose another vector"
    return Job(work, MEASURERS, PATIENCE, failure=failure)
