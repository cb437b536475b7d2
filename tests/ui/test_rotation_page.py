"""The Rotation page through AppTest: it shows the study's own numbers, and the frame drives it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from background import until
from streamlit.testing.v1 import AppTest

from explorer.alignment.map_registry import arms
from explorer.jobs import MEASURERS
from explorer.study.library import open_study
from explorer.study.study import Study

APP = str(Path(__file__).resolve().parents[2] / "explorer" / "app.py")


@pytest.fixture(scope="module")
def study() -> Study:
    return open_study("tales")


def open_page(**state: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120)
    app.switch_page("../pages/rotation.py")
    for key, value in state.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception and not app.error
    return app


def figure(app: AppTest, number: int) -> dict[str, object]:
    spec: dict[str, object] = json.loads(app.get("plotly_chart")[number].proto.spec)
    return spec


def values(trace: dict[str, object], axis: str) -> list[float]:
    """Numbers of a trace, which plotly writes as a list or as base64 with its dtype."""
    found = trace[axis]
    if isinstance(found, dict):
        import base64

        return list(np.frombuffer(base64.b64decode(found["bdata"]), dtype=found["dtype"]))
    return list(found)  # type: ignore[call-overload]


def test_bars_are_the_measured_scores_of_every_map_and_site(study: Study) -> None:
    app = open_page()
    bars = {t["name"]: t for t in figure(app, 0)["data"]}  # type: ignore[attr-defined]
    result = study.pair("seed0", "seed1")
    assert set(bars) == set(arms())
    for arm in arms():
        expected = [s.dictionary[arm].paper.value for s in result.sites]
        assert np.allclose(values(bars[arm], "y"), expected)
    ceilings = [s["y0"] for s in figure(app, 0)["layout"]["shapes"] if s["x1"] != 1]  # type: ignore[index]
    assert np.allclose(
        sorted(ceilings), sorted(s.dictionary["ceiling"].paper.value for s in result.sites if s.dictionary)
    )


def test_faithful_reading_shows_other_numbers(study: Study) -> None:
    app = open_page()
    app.segmented_control(key="reading").set_value("faithful").run()
    bars = {t["name"]: t for t in figure(app, 0)["data"]}  # type: ignore[attr-defined]
    expected = [s.dictionary["rotated"].faithful.value for s in study.pair("seed0", "seed1").sites if s.dictionary]
    assert np.allclose(values(bars["rotated"], "y"), expected)


def test_dial_starts_at_raw_and_ends_at_the_rotation(study: Study) -> None:
    app = open_page()
    here = study.pair("seed0", "seed1").sites[2]
    assert here.dial is not None
    spec = figure(app, 1)
    frames = spec["frames"]
    assert isinstance(frames, list) and len(frames) == len(here.dial.t)
    ends = [values(frames[i]["data"][1], "y")[0] for i in (0, -1)]
    assert np.allclose(ends, [here.dial.dictionary[0], here.dial.dictionary[-1]])


def test_frame_drives_sentence_and_figures(study: Study) -> None:
    app = open_page()
    before = app.get("html")
    app.selectbox(key="b").set_value("twin").run()
    app.selectbox(key="site").set_value("input").run()
    app.segmented_control(key="map").set_value("affine").run()
    assert not app.exception
    text = " ".join(h.proto.body for h in app.get("html"))
    twin = study.pair("seed0", "twin").sites[0]
    assert twin.dictionary is not None
    assert "twin" in text and "affine map" in text and f"{twin.dictionary['rotated'].paper.value:.2f}" in text
    assert text != " ".join(h.proto.body for h in before)


def test_twin_comes_back_exactly(study: Study) -> None:
    for site in study.pair("seed0", "twin").sites:
        assert site.dictionary is not None
        d = site.dictionary
        assert abs(d["rotated"].paper.value - d["ceiling"].paper.value) < 1e-3
        assert abs(d["rotated"].faithful.value - d["ceiling"].faithful.value) < 1e-3
        assert d["raw"].paper.value < d["ceiling"].paper.value - 0.2
        assert site.ladder["orthogonal"].value > 0.9999


@pytest.mark.slow
def test_fitting_again_live_gives_the_stored_map(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    # A tenth of the text is enough: the twin's map is exact.
    monkeypatch.setattr("explorer.ui.cache.chunks", lambda _where: study.chunks(110))
    app = open_page()
    app.selectbox(key="b").set_value("twin").run()
    app.button(key="refit_button").click().run()
    assert not app.exception and app.button(key="refit_cancel"), "the page does not wait for it"
    until(lambda: "refit_button" in {b.key for b in app.run().button}, 240, every=0.5)
    assert not app.exception
    text = " ".join(h.proto.body for h in app.get("html"))
    assert "Fitted again in" in text
    difference = float(text.split("the two R is <b>")[1].split("<")[0])
    assert difference < 1e-3


def test_a_live_fit_is_cancelled(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.ui.cache.chunks", lambda _where: study.chunks(110))
    app = open_page()
    app.button(key="refit_button").click().run()
    app.button(key="refit_cancel").click().run()
    assert not app.exception and app.button(key="refit_button")
    assert "Fitted again in" not in " ".join(h.proto.body for h in app.get("html"))
    until(lambda: MEASURERS.empty, 240)
