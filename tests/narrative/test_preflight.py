"""Preflight without a browser: what it says of a study that is ready, and of one that the app does not list."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.narrative import rehearsal as preflight
from explorer.narrative.rehearsal import Check
from explorer.study.library import SHIPPED, open_study
from explorer.study.study import Study


@pytest.fixture()
def elsewhere(tmp_path: Path) -> Study:
    """The shipped study's files under another folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for path in (SHIPPED / "tales").iterdir():
        (folder / path.name).symlink_to(path)
    return open_study(folder)


def test_a_ready_study_is_ready_also_without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_browser", lambda: None)
    said: list[Check] = []
    assert preflight.preflight(open_study("tales"), said.append)
    assert [c.problem for c in said] == [""] * 4
    assert "no browser" in said[-1].what


def test_a_study_that_the_app_does_not_list_is_not_ready(elsewhere: Study) -> None:
    assert preflight.listed_as(open_study("tales")) == "tales"
    said: list[Check] = []
    assert not preflight.preflight(elsewhere, said.append)
    assert "neither shipped nor among your studies" in said[-1].problem


def test_a_browser_is_found_by_name_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = tmp_path / "chromium"
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(made))
    assert preflight.find_browser() == str(made)
    monkeypatch.setenv("CHROMIUM", "")
    monkeypatch.setenv("PATH", "")
    assert preflight.find_browser() is None
