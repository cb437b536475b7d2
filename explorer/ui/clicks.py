"""Two habits of every page: a click is never lost, and work in the background is drawn until it is over."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import streamlit as st

_NOTED = "clicked "
DRAWING = 0.3
"""The share of one core that all pages together may spend on drawing what grows: the rest is for what they wait for."""
RESTING = 2.0
"""How many times as long as its last draw took a page rests: on a busy machine draws are slow, and become rare."""
SENT = 0.03
"""Seconds until what was drawn has left for the browser: Streamlit drops what a fragment has drawn if it runs again by
then, so that pages which never rest stand still.
"""


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


LONGEST = 3.0
"""Seconds of the longest rest: a click waits for its end."""


class Pace:
    """Shares the time for drawing among all pages that poll: each rests after a draw until it is its turn again."""

    def __init__(self, share: float, resting: float, least: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`share`: of the time, that all may work; `resting`: times the draw; `least`: seconds of the shortest rest."""
        self._share, self._resting, self._least, self._clock = share, resting, least, clock
        self._free, self._lock = clock(), threading.Lock()

    def rest(self, worked: float, took: float) -> float:
        """How many seconds to rest after a draw that worked for so many seconds and took so many with its waiting."""
        with self._lock:
            now = self._clock()
            self._free = max(now, self._free) + worked / self._share
            return max(self._least, self._resting * took, self._free - now)


PACE = Pace(DRAWING, RESTING, SENT)
"""One for all sessions."""


def poll(busy: bool, draw: Callable[[], bool], every: float) -> None:
    """Draw as a fragment, again every few seconds while `busy`, and the whole page when that has changed.

    `draw` returns whether more is to come as it has drawn it, which may not be so any more: what has ended since is
    still to be shown. The more pages poll, and the longer they take to draw, the less often each is drawn.
    """

    runs = itertools.count()

    def again() -> None:
        began, since = time.thread_time(), time.monotonic()
        if draw() != busy:
            st.rerun()
        worked, took = time.thread_time() - began, time.monotonic() - since
        if busy and next(runs):  # the first time the rest of the page is still to come
            time.sleep(min(LONGEST, PACE.rest(worked, took)))

    st.fragment(again, run_every=every if busy else None)()
