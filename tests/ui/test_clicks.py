"""A noted click survives a run that is interrupted; a polled fragment draws the page again by what it has drawn."""

import pytest
from background import Clock
from streamlit.testing.v1 import AppTest

from explorer.ui.clicks import Pace


def page_with_a_button() -> None:
    import streamlit as st

    from explorer.ui.clicks import clicked, consume, note

    state = st.session_state
    st.button("Go", key="go", on_click=note, args=("go",))

    def act() -> None:
        if "interrupted" not in state:
            state["interrupted"] = clicked("go")
            st.rerun()
        state["acts"] = state.get("acts", 0) + 1

    state["acted"] = consume("go", act)


def test_a_click_is_acted_on_once_even_if_the_run_is_interrupted() -> None:
    at = AppTest.from_function(page_with_a_button).run()
    assert "acts" not in at.session_state and not at.session_state["acted"]
    at.button(key="go").click().run()
    assert not at.exception and at.session_state["interrupted"] is True
    assert at.session_state["acts"] == 1 and at.session_state["acted"]
    at.run()
    assert at.session_state["acts"] == 1 and not at.session_state["acted"]


def page_with_work() -> None:
    import streamlit as st

    from explorer.ui.clicks import poll

    state = st.session_state
    state["runs"] = state.get("runs", 0) + 1
    busy = state.get("busy", False)

    def draw() -> bool:
        # It ends just after the page has asked whether it goes on.
        st.write("over")
        state["busy"] = False
        return False

    poll(busy, draw, 60.0)


def test_a_page_is_drawn_again_when_what_was_drawn_is_over() -> None:
    at = AppTest.from_function(page_with_work)
    at.session_state["busy"] = True
    at.run()
    assert not at.exception and at.session_state["runs"] == 2 and at.markdown[0].value == "over"
    at.run()
    assert at.session_state["runs"] == 3, "what is at rest is not drawn again"


def test_pages_share_the_time_for_drawing() -> None:
    clock = Clock()
    pace = Pace(share=0.5, resting=2, least=0.03, clock=clock)
    assert pace.rest(0.001, 0.001) == 0.03, "what was drawn is sent before the next draw"
    assert pace.rest(0.1, 0.5) == 1.0, "a draw that took long by waiting for others is not soon repeated"
    clock.now += 10
    rests = [pace.rest(0.1, 0.1) for _ in range(10)]
    assert rests == pytest.approx([0.2 * n for n in range(1, 11)]), "ten pages draw one after the other"
    clock.now += 10
    assert pace.rest(0.1, 0.1) == pytest.approx(0.2), "nobody pays for what others drew long ago"
