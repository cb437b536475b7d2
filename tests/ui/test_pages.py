"""One table of pages: what is in it is all that the app, its icons and its links know of a page."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer.narrative.claims import read_claims
from explorer.narrative.scenes import scenes_of
from explorer.narrative.story import open_story
from explorer.pipeline.recording import lacks_run
from explorer.study.library import SHIPPED, open_study
from explorer.study.recordings import CORRELATION, RECORDING
from explorer.study.stage_material import MOTION, STAGE
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


def bare(folder: Path, hidden: tuple[str, ...], run: bool) -> None:
    """The shipped study as one of the user's own, without the files of a pair that are named so; without its run."""
    for path in (SHIPPED / "tales").rglob("*"):
        place = folder / "studies" / "bare" / "study" / path.relative_to(SHIPPED / "tales")
        if path.is_file() and path.name not in hidden:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
    for path in () if run else folder.rglob(RECORDING):
        told = json.loads(path.read_text())
        path.unlink()
        path.write_text(json.dumps(told | {"run": None}))


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(RECORDING, CORRELATION, STAGE, MOTION), ()], ids=["nothing", "answers only"])
def test_a_study_without_recordings_opens_on_every_page(
    hidden: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    bare(tmp_path, hidden, run=bool(hidden))
    study = open_study("bare")
    story = open_story(study, "seed0", "seed1", 2)
    whole = open_story(open_study("tales"), "seed0", "seed1", 2)
    missing = {"answer", "inside", "toy", "names", "steering"} if hidden else {"steering"}
    shown = [scene.name for scene in scenes_of(story)]
    assert shown == [scene.name for scene in scenes_of(whole) if scene.name not in missing]
    assert lacks_run(study, "seed0", "seed1") and not lacks_run(open_study("tales"), "seed0", "seed1")
    app = AppTest.from_file(APP, default_timeout=240)
    app.session_state["study"] = "bare"
    app.query_params["scene"] = "steering"
    for page in PAGES.values():
        app.switch_page(str(page.script)).run()
        assert not app.exception and not app.error, page.name
        assert app.session_state["view"].where == "bare"


class Watched(list[str]):
    """A list that counts how often it is changed."""

    changes = 0

    def insert(self, *given: Any) -> None:
        self.changes += 1
        super().insert(*given)

    def remove(self, *given: Any) -> None:
        self.changes += 1
        super().remove(*given)

    def __setitem__(self, *given: Any) -> None:
        self.changes += 1
        super().__setitem__(*given)


def test_where_modules_are_found_stays_as_it_is_from_run_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # An import in another thread walks this list: it would miss what moves, and fail for good.
    monkeypatch.setattr(sys, "path", Watched(p for p in sys.path if not p.endswith("/explorer")))
    app = AppTest.from_file(APP, default_timeout=180).run()
    watched = sys.path
    assert isinstance(watched, Watched) and watched[-1] == str(ROOT / "explorer")
    watched.changes = 0
    app.run()
    assert not app.exception and watched.changes == 0
