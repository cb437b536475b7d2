"""A noted click survives a run that is interrupted; a polled fragment draws the page again by what it has drawn."""

from streamlit.testing.v1 import AppTest


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
