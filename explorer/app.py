"""The app's entry, for `streamlit run`: as a script it draws what a visitor sees, as a module it is what is served.

The script configures the page, draws the frame, and runs the chosen page.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import streamlit as st

# Read when torch loads. Waiting threads that spin make small models 20 times slower on a machine that is busy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parent.parent
OWN = str(ROOT / "explorer")
if sys.path[-1] != OWN:
    # Streamlit puts the entry's own folder first, and unless it is in the list does so at every run, and takes it away
    # again: an import in another thread, which walks the list meanwhile, misses a folder and fails for good. So it
    # stays, last: its modules are found as explorer.*. Twice, as the end of the first run may take one away.
    others = [p for p in sys.path if Path(p or ".").resolve() not in (ROOT, ROOT / "explorer")]
    sys.path[:] = [str(ROOT), *others, OWN, OWN]


def home() -> None:
    """The address without a page leads to the first page."""


def draw() -> None:
    """The script of every session."""
    from explorer.errors import InputError
    from explorer.ui import (
        PAGES,
        apply_style,
        begin_page,
        browser_script,
        current_palette,
        draw_frame,
        know_visitors,
        page_button,
        tour_button,
        wrong,
    )
    from explorer.ui.story import listen

    shown = [st.Page(entry.script, title=entry.title, url_path=entry.name) for entry in PAGES.values()]
    page = st.navigation([st.Page(home, title="Polymorphism Explorer", default=True, visibility="hidden"), *shown])
    # Pages have no Material icons: Streamlit makes them the favicon, which the browser asks from another host.
    st.set_page_config(
        page_title=f"{page.title} · Polymorphism Explorer", page_icon=str(ROOT / "assets" / "icon.png"), layout="wide"
    )
    know_visitors()
    apply_style(current_palette())
    if page.url_path == "":
        # Before the frame binds the link's parameters to its widgets; the new page reads them from the link again.
        st.switch_page(shown[0], query_params=st.query_params.to_dict())
    browser_script()
    with st.container(key="place-of-keys"):  # on every page, so that the frame keeps its place
        if page.url_path == "story":
            listen()  # before anything that takes time
    st.session_state["view"] = None
    try:
        begin_page()
        st.session_state["view"] = draw_frame()
        with st.sidebar:
            tour_button(st.session_state["view"], "tour")
        page.run()
        if page.url_path != shown[0].url_path:
            page_button(page.title)
    except InputError as error:
        wrong(str(error))
        if page.url_path == "check" and st.session_state["view"] is None:
            # The page from which a damaged study is deleted must open whatever study is chosen.
            page.run()
        else:
            from explorer.ui.check import draw_way_out

            draw_way_out()


if __name__ == "__main__":
    draw()
elif __name__ == "app":
    from explorer.ui import guards

    # Streamlit's server finds this by reading the file, and imports it; the script above is what it then runs.
    served = st.App(__file__, middleware=guards())
