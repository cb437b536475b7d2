"""The picker of a steering vector: the link says `vector=contrast:sea` or `vector=feature:417`, people a title."""

from __future__ import annotations

import streamlit as st

from explorer.contrasts import PLANS, plan
from explorer.errors import InputError
from explorer.live import VectorName, parse_vector

_PARAMETER, _KEY, _WRITTEN = "vector", "steer_vector", "steer_vector_in_link"


def pick_vector(source: str) -> VectorName:
    """The chosen vector of the source. A new value in the link wins over what was chosen before. Raises InputError."""
    linked = st.query_params.get(_PARAMETER)
    if linked and linked != st.session_state.get(_WRITTEN):
        st.session_state[_KEY] = linked
    options = [f"contrast:{p.name}" for p in PLANS]
    chosen = st.session_state.get(_KEY) or options[0]
    if chosen not in options:
        options.append(chosen)
    titles = {f"contrast:{p.name}": p.title for p in PLANS}
    # Streamlit puts a bound select box's LABEL into the link, so this one is not bound and writes its own parameter.
    picked = st.selectbox(
        "Vector v", options, key=_KEY, persist_state="session",
        accept_new_options=True, width=210,
        format_func=lambda o: titles.get(o) or _feature_title(o, source), on_change=_follow_prompt,
        help="Choose a ready contrast, or type the number of a feature of A's dictionary at this site.",
    )  # fmt: skip
    name = parse_vector(str(picked or options[0]))
    if st.query_params.get(_PARAMETER) != str(name):
        st.query_params[_PARAMETER] = str(name)
    st.session_state[_WRITTEN] = str(name)
    if name.contrast is not None:
        plan(name.contrast)
    return name


def example_prompt(name: VectorName) -> str:
    """A prompt on which the effect of a vector is easy to see."""
    return PLANS[0].prompt if name.contrast is None else plan(name.contrast).prompt


def _feature_title(text: str, source: str) -> str:
    try:
        return f"feature {parse_vector(text).feature} of {source}"
    except InputError:
        return text


def _follow_prompt() -> None:
    """Give the newly chosen contrast its own example prompt, unless the person wrote another."""
    try:
        prompt = example_prompt(parse_vector(str(st.session_state[_KEY])))
    except InputError:
        return
    if st.session_state.get("prompt") in {p.prompt for p in PLANS}:
        st.session_state["prompt"] = prompt
