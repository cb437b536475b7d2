"""Two habits of every page: a click is never lost, and work in the background is drawn until it is over."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_NOTED = "clicked "


def note(key: str) -> None:
    """Note a click: the callback of a button, as `on_click=note, args=(key,)`.

    Only noted, because a callback has the arguments of the last run, without an edit made just before the click; and
    noted, because a run that is interrupted before it reaches the button would lose the click.
    """
    st.session_state[_NOTED + key] = True


def clicked(key: str) -> bool:
    """Whether a click was noted that nothing has acted on yet."""
    return bool(st.session_state.get(_NOTED + key))


def consume(key: str, act: Callable[[], None]) -> bool:
    """Act on a noted click; whether there was one. A run that is interrupted meanwhile leaves it to the next."""
    if not clicked(key):
        return False
    act()
    st.session_state[_NOTED + key] = False
    return True


def poll(busy: bool, draw: Callable[[], bool], every: float) -> None:
    """Draw as a fragment, again every few seconds while `busy`, and the whole page when that has changed.

    `draw` returns whether more is to come as it has drawn it, which may not be so any more: what has ended since is
    still to be shown.
    """

    def again() -> None:
        if draw() != busy:
            st.rerun()

    st.fragment(again, run_every=every if busy else None)()
