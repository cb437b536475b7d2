"""The first sentence of the page: how many fresh texts read as the class; and the button that counts more."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from explorer.jobs import Progress
from explorer.presentation.steering import counts
from explorer.steering import TEXTS, ClassCount, Positions, ReadingShares, Request
from explorer.study import contrast_of
from explorer.text import Contrast, can_be_read
from explorer.ui import cache
from explorer.ui.clicks import note
from explorer.ui.explain import verdict
from explorer.ui.frame import View
from explorer.ui.steering.count_desk import count_desk, reader_of


def draw_headline(view: View, request: Request) -> None:
    """The sentence and what it rests on."""
    found, title = shown_counts(view, request), title_of(view, request)
    if "rotated" in found:
        verdict(counts.counted(found, title, view.source, view.target))
        st.html(f"<p class='fact quiet'>{escape(counts.intervals(found, _where(view, request, found)))}</p>")
        return
    response = next(
        (
            r
            for r in cache.responses(view.where, view.source, view.target)
            if (r.vector, r.site) == (_name(request), view.site.name) and request.dose in r.doses
        ),
        None,
    )
    if response is not None:
        verdict(counts.effect_told(response, request.dose, view.source, view.target))
        why = "The effect is read from probabilities on held-out texts; "
    else:
        verdict(f"Does {escape(view.source)}’s {escape(title)} vector steer {escape(view.target)}?")
        why = "Nothing is stored for this vector at this site and dose; "
    readable = told_contrast(view, request) is not None
    more = (
        "press Count: are fresh texts turned?"
        if readable
        else "its classes are no kinds of text, so texts are not counted."
    )
    st.html(f"<p class='fact quiet'>{escape(why + more)}</p>")


def draw_count_button(request: Request, counting: Progress | None) -> None:
    """Counts fresh texts in the background, with progress and Cancel; nothing where no text can be read."""
    if counting is not None and counting.busy:
        st.button("Cancel", key="count_cancel", on_click=count_desk().cancel)
        words = f"{counting.ahead} before you" if counting.ahead else f"counting, {counting.share:.0%}"
        st.progress(counting.share, words, width=150)
        return
    contrast = contrast_of(cache.study(request.study), request.vectors[0].name) if len(request.vectors) == 1 else None
    if contrast is not None and can_be_read(contrast):
        more = "more" if count_desk().tally(request) else "fresh"
        st.button(f"Count {TEXTS} {more} texts", key="count", on_click=note, args=("count",))
    if counting is not None and counting.message:
        st.html(f"<p class='fact'>{escape(counting.message)}</p>", width="content")


def shown_counts(view: View, request: Request) -> Mapping[str, ClassCount]:
    """How many texts of each lane read as the class: those counted live, else those stored with the study."""
    tally = count_desk().tally(request)
    if tally is not None and tally.counts:
        return tally.counts
    shares = stored_shares(view, request)
    dose = next((c for c in shares.doses if abs(c - request.dose) < 1e-9), None) if shares else None
    return shares.counts(dose) if shares is not None and dose is not None else {}


def stored_shares(view: View, request: Request) -> ReadingShares | None:
    """What was read of the vector at the frame's site when the study was made."""
    if len(request.sites) > 1 or request.positions != Positions.ALL:
        return None
    stored = cache.reading_shares(view.where, view.source, view.target)
    return next((r for r in stored if (r.vector, r.site) == (_name(request), view.site.name)), None)


def _where(view: View, request: Request, found: Mapping[str, ClassCount]) -> str:
    tally, texts = count_desk().tally(request), found["rotated"].texts
    if tally is not None and tally.counts:
        return f"Counted live with the seeds {tally.next_seed - texts} to {tally.next_seed - 1}"
    return f"Counted when this study was made, with the seeds 0 to {texts - 1}"


def draw_how_counted(view: View, request: Request) -> None:
    """Under the lanes: on what the counts rest."""
    tally, shares = count_desk().tally(request), stored_shares(view, request)
    if tally is not None and tally.counts:
        reader = reader_of(request)
        assert reader is not None, "what was counted was read"
        st.html(f"<p class='fact quiet'>{escape(counts.how_counted(request.prompt, reader.accuracy))}</p>")
    elif shares is not None and shown_counts(view, request):
        st.html(f"<p class='fact quiet'>{escape(counts.how_counted(shares.prompt, shares.accuracy))}</p>")


def title_of(view: View, request: Request) -> str:
    """What the vector is called where people read."""
    if len(request.vectors) > 1:
        return "the sum of vectors"
    titles = {f"contrast:{p.name}": p.title for p in view.study.corpus.contrasts()}
    name, own = str(request.vectors[0].name), {"lists": "own prompts", "file": "uploaded"}
    return titles.get(name) or own.get(name) or name.replace(":", " ")


def told_contrast(view: View, request: Request) -> Contrast | None:
    """The contrast whose classes can be read in what is written, if one steers alone."""
    found = contrast_of(view.study, request.vectors[0].name) if len(request.vectors) == 1 else None
    return found if found is not None and can_be_read(found) else None


def _name(request: Request) -> str:
    return str(request.vectors[0]) if len(request.vectors) == 1 else ""
