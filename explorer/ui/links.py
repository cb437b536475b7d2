"""What a link asks for and is not there: one quiet sentence below the frame, instead of silently showing another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import streamlit as st

MOST = 12
"""Choices that are named before the others are counted."""
ASKED = "The link asks for the {what} “{asked}”, which is not here"
GONE = "The {what} “{asked}” is not here any more"
_UNKNOWN, _PLACE = "unknown in the link", "place of what the link lacks"


@dataclass(frozen=True)
class _Unknown:
    """A word of the link that names nothing."""

    asked: str
    """The word."""
    lead: str
    """How the sentence about it begins."""
    shown: str | None = None
    """What is shown instead; None until that has been drawn."""


def begin_link() -> None:
    """Make room for the sentences; before anything that reads the link."""
    st.session_state[_PLACE] = st.container(key="unknown", gap=None)


def ask(key: str, options: Sequence[str]) -> None:
    """Remember what the link asks for if it is none of the options: before the widget, which drops it from the link."""
    asked = st.query_params.get(key)
    # Once a widget has been drawn the address follows it, a step behind where another widget changes its options.
    if asked is not None and asked not in options and key not in st.session_state:
        refuse(key, asked)


def refuse(key: str, asked: str, lead: str = ASKED) -> None:
    """Remember a word that names nothing: of the link, for parameters that are read otherwise, or one that is gone."""
    _remembered()[key] = _Unknown(asked, lead)


def tell(key: str, what: str, shown: str, options: Sequence[str]) -> None:
    """Say what was asked, what is shown and what there is, until somebody chooses another; after the widget."""
    found = _remembered().get(key)
    if found is None:
        return
    if found.shown not in (None, shown):
        del _remembered()[key]
        return
    _remembered()[key] = replace(found, shown=shown)
    place = st.session_state.get(_PLACE)
    if place is not None:
        place.html(f"<p class='fact quiet' role='status'>{sentence(what, found.asked, shown, options, found.lead)}</p>")


def sentence(what: str, asked: str, shown: str, options: Sequence[str], lead: str = ASKED) -> str:
    """The sentence (HTML): what was asked, what is shown instead, and what there is."""
    named = ", ".join(options[:MOST]) + (f" and {len(options) - MOST} more" if len(options) > MOST else "")
    asked = asked if len(asked) <= 60 else asked[:60] + "…"
    there = f"There {'is' if len(options) == 1 else 'are'}: {named}."
    return escape(f"{lead.format(what=what, asked=asked)}; you see “{shown}”. {there}")


def _remembered() -> dict[str, _Unknown]:
    found: dict[str, _Unknown] = st.session_state.setdefault(_UNKNOWN, {})
    return found
