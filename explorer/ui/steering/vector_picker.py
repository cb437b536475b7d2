"""The picker of steering vectors: chips with weights. The link says `vector=contrast:sea,0.5*feature:417`."""

from __future__ import annotations

import streamlit as st

from explorer.errors import InputError
from explorer.policy import policy
from explorer.steering import (
    MAX_VECTORS,
    MAX_WEIGHT,
    TransferVerdict,
    VectorSpec,
    Weighted,
    parse_vector,
    parse_weighted,
)
from explorer.study import Study
from explorer.text import Contrast
from explorer.ui import cache
from explorer.ui.frame import KEPT, View
from explorer.ui.links import refuse, tell
from explorer.ui.steering.opening import recorded_vector, suggestion
from explorer.ui.steering.vector_file import uploaded

_PARAMETER, _KEY, _WRITTEN = "vector", "steer_vectors", "steer_vector_in_link"
LISTS, FILE = "lists", "file"
OWN = {LISTS: "my own prompts", FILE: "an uploaded vector"}
"""What stands in the list only once a button has chosen it."""
PLAIN_PROMPT = "Once there was"
MAX_LIST = 4000
"""Characters of a person's own list of prompts."""


def pick_vectors(view: View) -> tuple[str, ...]:
    """The chips that are chosen. A new value in the link wins over what was chosen before. Raises InputError."""
    study, source = view.study, view.source
    linked = st.query_params.get(_PARAMETER)
    fresh = bool(linked) and linked != st.session_state.get(_WRITTEN)
    if linked and fresh:
        parts = [parse_weighted(part) for part in linked.split(",")[:MAX_VECTORS]]
        st.session_state[_KEY] = [name for _, name in parts]
        for weight, name in parts:
            st.session_state[_weight_key(name)] = weight
    titles = _titles(view)
    options, recorded = list(titles), recorded_vector(view)
    # Text without labels has no ready contrasts: there a feature shows something at once, empty lists do not.
    usual = options[0] if options else "feature:0" if study.file.dictionaries else LISTS
    first = recorded if recorded in titles else usual
    titles |= OWN
    before = [str(o) for o in st.session_state.get(_KEY) or ()]
    if fresh and (missing := [o for o in before if o.startswith("contrast:") and o not in titles]):
        refuse(_PARAMETER, missing[0])
        before = [o for o in before if o not in missing]
    if not fresh:
        # Chosen in another study, whose text has other contrasts.
        before = [o for o in before if not o.startswith("contrast:") or o in titles]
    chosen = before or [first]
    st.session_state[_KEY] = chosen
    tell(_PARAMETER, "vector", chosen[0], [o for o in titles if o not in (LISTS, FILE)])
    options += [o for o in chosen if o not in options]
    # Streamlit puts a bound box's LABELS into the link, so this one is not bound and writes its own parameter.
    picked = st.multiselect(
        "Vectors v", options, key=_KEY, persist_state="session", accept_new_options=True, max_selections=MAX_VECTORS,
        width=300, format_func=lambda o: titles.get(o) or _feature_title(o, source), on_change=_follow,
        args=(view,), placeholder="choose a contrast",
        help="Ready contrasts, or the number of a feature of A's dictionary at this site: type it and press Enter.",
    )  # fmt: skip
    return tuple(str(p) for p in picked) or (first,)


def weigh(chips: tuple[str, ...], view: View) -> tuple[Weighted, ...]:
    """A row with a weight for each of several chips, and fields for what some chips need. Raises InputError."""
    if len(chips) == 1 and chips[0] not in (LISTS, FILE):
        found: tuple[Weighted, ...] = (Weighted(_named(chips[0], view)),)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom", key="steer_weights"):
            found = tuple(Weighted(_named(c, view), _weight(c, view.study) if len(chips) > 1 else 1.0) for c in chips)
    link = ",".join(map(str, found))
    if st.query_params.get(_PARAMETER) != link:
        st.query_params[_PARAMETER] = link
    st.session_state[_WRITTEN] = link
    return found


def example_prompt(study: Study, chips: tuple[str, ...]) -> str:
    """A prompt on which the effect of the first vector is easy to see."""
    plans = {f"contrast:{p.name}": p.prompt for p in study.corpus.contrasts()}
    return plans.get(chips[0]) or next(iter(plans.values()), PLAIN_PROMPT)


def _named(chip: str, view: View) -> VectorSpec:
    if chip == LISTS:
        return VectorSpec(lists=_own_lists())
    if chip == FILE:
        if not policy().imports:
            raise InputError("files are not taken here: choose a ready contrast, a feature, or your own prompts")
        return VectorSpec(file=uploaded(view.study.file.d_model, view.site))
    name = parse_vector(chip)
    if name.contrast is not None:
        view.study.corpus.check_contrast(name.contrast)
    return name


def _own_lists() -> Contrast:
    """The person's own contrast: one prompt on each line."""
    sides = []
    for key, label in (("to", "Towards: one prompt a line"), ("from", "Away from: one prompt a line")):
        text = st.text_area(label, key=key, max_chars=MAX_LIST, height=110, width=420, **KEPT)
        sides.append(tuple(line.strip() for line in (text or "")[:MAX_LIST].splitlines() if line.strip()))
    if not all(sides):
        raise InputError("your lists are empty: write at least one prompt in each of the two fields above")
    return Contrast(LISTS, "my lists", sides[0], sides[1])


def _weight(chip: str, study: Study) -> float:
    key = _weight_key(chip)
    st.session_state.setdefault(key, 1.0)
    titles = {f"contrast:{p.name}": p.title for p in study.corpus.contrasts()}
    label = f"× {titles.get(chip, chip)}"
    return float(st.number_input(label, -MAX_WEIGHT, MAX_WEIGHT, step=0.25, key=key, width=150))


def _weight_key(chip: str) -> str:
    return f"steer_weight_{chip}"


def _feature_title(text: str, source: str) -> str:
    try:
        return f"feature {parse_vector(text).feature} of {source}"
    except InputError:
        return text


def _titles(view: View) -> dict[str, str]:
    """The ready contrasts by name: first those whose areas transfer where they are suggested, as they read best through
    R; those without a suggested dose last, and said so.
    """
    areas = {(r.vector, r.site): r.verdict for r in cache.responses(view.where, view.source, view.target)}
    read = {r.vector: r for r in cache.reading_shares(view.where, view.source, view.target)}
    titles = {f"contrast:{p.name}": p.title for p in view.study.corpus.contrasts()}
    for name in titles:
        if name in read and read[name].suggested is None:
            titles[name] += " (no dose turns what is written)"

    def rank(name: str) -> tuple[bool, float]:
        found = read.get(name)
        if found is None or found.suggested is None:
            return True, 1.0
        return areas.get((name, found.site)) != TransferVerdict.TRANSFERS, -found.lead

    return {name: titles[name] for name in sorted(titles, key=rank)}


def _follow(view: View) -> None:
    """Give a newly chosen vector its suggested dose and site, and its own prompt unless a person wrote another."""
    study, chips = view.study, tuple(st.session_state[_KEY])
    if chips:
        found = suggestion(view, chips)
        st.session_state["dose"] = found.dose
        st.session_state["site"] = study.site(found.site).label
    if chips and st.session_state.get("prompt") in {p.prompt for p in study.corpus.contrasts()}:
        st.session_state["prompt"] = example_prompt(study, chips)


def choose_vector(name: str, site: str) -> None:
    """Steer with one vector, at its site (its label) if it is a feature: a callback, before widgets are drawn."""
    st.session_state[_KEY] = [name]
    if name.startswith("feature:"):
        st.session_state["site"] = site
