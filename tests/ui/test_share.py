"""What a person takes along: figures' numbers as CSV, pages as one HTML file, where both come from."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import plotly.graph_objects as go
import pytest

from explorer import __version__
from explorer.alignment.dictionary_results import dial_lines
from explorer.palette import LIGHT
from explorer.presentation.figure_data import COLUMNS, figure_csv
from explorer.presentation.handout_page import HandoutPart, handout
from explorer.presentation.rotation import dial_figure as figures_dial, dictionary_bars
from explorer.study.library import open_study
from explorer.study.provenance_note import provenance
from explorer.study.study import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return open_study("tales")


def rows(text: str) -> list[dict[str, str]]:
    """The data lines of a CSV, by column."""
    return list(csv.DictReader(io.StringIO("".join(x for x in text.splitlines(True) if not x.startswith("#")))))


def test_bars_and_their_intervals_come_back_from_the_csv(study: Study) -> None:
    pair = study.pair("seed0", "seed1")
    found = rows(figure_csv(dictionary_bars.dictionary_bars(pair, "paper", "EV", "rotated", LIGHT), ("where", "when")))
    rotated = [r for r in found if r["series"] == "rotated"]
    estimates = [s.dictionary["rotated"].paper for s in pair.sites if s.dictionary]
    for column, field in (("y", "value"), ("low", "low"), ("high", "high")):
        assert np.allclose([float(r[column]) for r in rotated], [getattr(e, field) for e in estimates])
    assert [r["x"] for r in rotated] == [s.label for s in pair.sites]


def test_every_step_of_the_dial_is_in_the_csv(study: Study) -> None:
    here = study.pair("seed0", "seed1").sites[2]
    clouds = study.clouds("seed0", "seed1")[here.site]
    assert here.dial is not None and here.dictionary is not None
    lines = dial_lines(here.dial, here.dictionary)
    found = rows(figure_csv(figures_dial.dial(here.dial, lines, *clouds, ("seed0", "seed1"), LIGHT), ()))
    assert {r["step"] for r in found} == {"", *map(str, range(21))}
    last = [r for r in found if r["step"] == "20" and r["text"]]
    assert np.isclose(float(last[0]["y"]), lines.true[-1])


def test_a_matrix_is_written_cell_by_cell() -> None:
    found = rows(figure_csv(go.Figure(go.Heatmap(z=[[1, 2], [3, 4]], name="m")), ()))
    assert [(r["x"], r["y"], r["z"]) for r in found] == [
        ("0", "0", "1"),
        ("1", "0", "2"),
        ("0", "1", "3"),
        ("1", "1", "4"),
    ]


def test_provenance_names_study_hashes_version_and_command(study: Study) -> None:
    lines = provenance(study, "seed0", "seed1", "after 2", "rotated")
    text = figure_csv(go.Figure(), lines)
    assert text.startswith("# ") and text.splitlines()[-1] == ",".join(COLUMNS)
    models = json.loads((study.folder / "study.json").read_text())["models"]
    for word in (__version__, models[0]["sha256"][:12], models[1]["sha256"][:12], "after 2", "python -m explorer"):
        assert word in text


def test_a_handout_asks_no_host_and_escapes_what_it_is_given() -> None:
    figure = go.Figure(go.Bar(x=["a"], y=[0.123456]))
    parts = [
        HandoutPart("heading", "a < b"),
        HandoutPart("sentence", "<b>0.62</b>"),
        HandoutPart("figure", "A <bar>.", figure),
    ]
    page = handout("Title & more", parts, ("line <1>",), "#000000", "#FFFFFF")
    assert "a &lt; b" in page and "<b>0.62</b>" in page and "A &lt;bar&gt;." in page and "line &lt;1&gt;" in page
    assert "0.123456" in page and "Title &amp; more" in page
    assert "<script src" not in page and "<link" not in page
