"""One table of pages: what is in it is all that the app, its icons and its links know of a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer.narrative.claims import read_claims
from explorer.study.library import open_study
from explorer.ui import pages
from explorer.ui.pages import PAGES, Page

ROOT = Path(__file__).resolve().parents[2]
APP = str(ROOT / "explorer" / "app.py")
TOY = """
import streamlit as st
st.html(f"<p>toy of {st.session_state['view'].source}</p>")
"""


def html(app: AppTest) -> str:
    return " ".join(h.proto.body for h in app.get("html"))


def test_the_table_is_what_is_there() -> None:
    assert {page.script for page in PAGES.values()} == set((ROOT / "pages").glob("*.py"))
    folders = {path.parent.name for path in (ROOT / "explorer" / "ui").glob("*/__init__.py")}
    assert set(PAGES) == folders
    study = open_study("tales")
    claims = read_claims(study, "seed0", "seed1", 2, None)
    assert {reading.page for reading in claims if reading.page} <= set(PAGES), "links of the claims lead to pages"


def test_a_new_page_is_its_script_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(pages.FOLDER, tmp_path / "pages")
    (tmp_path / "pages" / "toy.py").write_text(TOY)
    monkeypatch.setattr(pages, "FOLDER", tmp_path / "pages")
    monkeypatch.setitem(PAGES, "toy", Page("toy", "A toy", "<path d='M1 2h3'/>"))
    app = AppTest.from_file(APP, default_timeout=120)
    app.switch_page(str(PAGES["toy"].script)).run()
    assert not app.exception and not app.error
    shown = html(app)
    assert "<p>toy of seed0</p>" in shown
    assert "/toy" in shown and "M1%202h3" in shown, "its icon stands beside its name"
    assert app.get("download_button"), "it can be taken along as HTML"
    app.switch_page(str(PAGES["story"].script)).run()
    assert [link.proto.label for link in app.get("page_link")][-1] == "A toy", "the talk leads to it"
