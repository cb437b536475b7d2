"""Caches of what pages show: kept while a study is the same, read anew when its name stands for another."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_study import example, write

from explorer.errors import InputError
from explorer.ui import cache


def test_a_name_that_stands_for_another_study_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    folder = tmp_path / "studies" / "mine" / "study"
    first = cache.study(str(write(folder, example())))
    assert cache.study("mine").file.title == "A study of mine"
    assert cache.study("mine") is cache.study("mine") and cache.study(str(folder)) is first
    drawn: list[str] = []

    def title(where: str, _again: object) -> str:
        drawn.append(where)
        return cache.study(where).file.title

    kept = cache.of_study(4)(title)
    assert kept("mine", object()) == kept("mine", object()) == "A study of mine" and drawn == ["mine"]
    before = cache.stamp("mine")
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="no study 'mine'"):
        cache.study("mine")
    write(folder, replace(example(), title="Another one"))
    assert cache.stamp("mine") != before
    assert kept("mine", object()) == cache.study("mine").file.title == "Another one" and drawn == ["mine", "mine"]
