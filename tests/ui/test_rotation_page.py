"""The Rotation page through AppTest: it shows the study's own numbers, and the frame drives it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from background import until
from cohorts import PLANTED, cohort_study
from streamlit.testing.v1 import AppTest

from explorer.alignment.dictionary_results import Reading, dial_lines
from explorer.alignment.grounds import rotation_nulls
from explorer.alignment.map_registry import arms
from explorer.alignment.results import SiteResult
from explorer.jobs import MEASURERS
from explorer.narrative.random_words import UNRECORDED
from explorer.number_text import minus, number as written
from explorer.palette import LIGHT
from explorer.presentation import captions as sentences
from explorer.presentation.rotation import captions as rotation_sentences, dictionary_bars, opening
from explorer.presentation.rotation.opening_picture import LOWEST
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


def told(site: SiteResult, arm: str, reading: Reading, scale: str) -> float:
    """A score worked out from the EVs as they are stored."""
    assert site.dictionary is not None
    ev, zero, home = (getattr(site.dictionary[a], reading).value for a in (arm, "shuffled", "ceiling"))
    return float(ev if scale == "EV" else (ev - zero) / (home - zero))


@pytest.mark.parametrize(
    ("scale", "name", "reading"),
    [("restored", "faithful", "faithful"), ("restored", "paper-style", "paper"), ("EV", "faithful", "faithful")],
)
def test_bars_are_the_measured_scores_of_every_map_and_site(
    study: Study, scale: str, name: str, reading: Reading
) -> None:
    switched = {} if (scale, name) == ("restored", "faithful") else {"scale": scale, "reading": name}
    app = open_page(ask="Every map", **switched)
    spec = figure(app, 1)
    bars = {t["name"]: t for t in spec["data"]}  # type: ignore[attr-defined]
    result = study.pair("seed0", "seed1")
    assert set(bars) == (set(arms()) if scale == "EV" else set(arms()) - {"shuffled"})
    for arm, bar in bars.items():
        assert np.allclose(values(bar, "y"), [told(s, arm, reading, scale) for s in result.sites])
    lines = [s["y0"] for s in spec["layout"]["shapes"] if s["x1"] != 1]  # type: ignore[index]
    assert np.allclose(lines, [told(s, "ceiling", reading, scale) for s in result.sites])
    assert any(f", {name}<br>" in a["text"] for a in spec["layout"]["annotations"])  # type: ignore[index]
    shown = " ".join(h.proto.body for h in app.get("html"))
    here = result.sites[2]
    assert here.dictionary is not None
    assert minus(f"through R {getattr(here.dictionary['rotated'], reading).value:.2f}") in shown
    assert re.search(rf"seed0's dictionary( \(.*?\))?, scored on {here.rows_test:,} rows", unescape(shown))
    back = f"{told(here, 'rotated', 'faithful', 'restored'):.2f}"
    assert re.search(rf"<b>{back}( \[.*?\])?</b> of what seed0's dictionary", shown)


def test_the_page_opens_with_one_sentence_and_what_comes_back_between_null_and_ceiling(study: Study) -> None:
    app = open_page()
    spec = figure(app, 0)
    result = study.pair("seed0", "seed1")
    drawn = {t["name"]: t for t in spec["data"]}  # type: ignore[attr-defined]
    for words, arm in (
        ("as it is", "raw"),
        ("mean moved", "translated"),
        ("through R", "rotated"),
        ("affine", "affine"),
    ):
        scores = [told(s, arm, "faithful", "restored") for s in result.sites]
        shown = values(drawn[words], "y")
        for i, score in enumerate(scores):
            if score >= LOWEST:
                assert shown[i] == pytest.approx(score), (words, i)
            else:
                cut = drawn[f"{words}, {written(score)}"]
                assert values(cut, "y") == [LOWEST] and values(cut, "customdata") == pytest.approx([score])
    assert len(drawn) <= 4 + sum(told(s, "raw", "faithful", "restored") < LOWEST for s in result.sites)
    lines = {shape["y0"] for shape in spec["layout"]["shapes"]}  # type: ignore[index]
    assert lines == {0.0, 1.0}
    said = " ".join(a["text"] for a in spec["layout"]["annotations"])  # type: ignore[index]
    assert "0 = shuffled pairs" in said and "1 = at home" in said and "restored, faithful" in said
    (sentence,) = [h.proto.body for h in app.get("html") if "class='verdict'" in h.proto.body]
    assert re.sub(r"<.*?>|\d\.\d", "", sentence).count(".") == 1, "one sentence"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rotation_is_called_so_only_where_it_is_one(study: Study, sign: float) -> None:
    result = study.pair("seed0", "seed1")
    site = replace(result.sites[2], rotation=replace(result.sites[2].rotation, determinant=sign))
    sentence = sentences.rotation(result, site, "rotated")
    assert ("one rotation" in sentence) == (sign > 0) and ("one orthogonal map" in sentence) == (sign < 0)
    assert ("det R = −1" in rotation_sentences.called(result, site)) == (sign < 0)


def test_a_study_without_dictionaries_opens_with_the_direct_fit(study: Study) -> None:
    result = study.pair("seed0", "seed1")
    bare = replace(result, sites=tuple(replace(s, dictionary=None, dial=None) for s in result.sites))
    drawn = {t.name: list(t.y) for t in opening(bare, "rotated", "", LIGHT).data}
    assert drawn["R, one scale"] == [s.ladder["orthogonal_scale"].value for s in bare.sites]
    assert drawn["largest null"] == [rotation_nulls(s).gate for s in bare.sites]
    assert "no dictionary" in sentences.rotation(bare, bare.sites[2], "rotated")


def test_bars_that_are_cut_say_so_and_how_far_they_go() -> None:
    result = open_study("tales").pair("seed0", "seed1")
    spec = json.loads(dictionary_bars.dictionary_bars(result, "faithful", "restored", "rotated", LIGHT).to_json())
    low, high = spec["layout"]["yaxis"]["range"]
    cut = {a["text"]: a["x"] for a in spec["layout"]["annotations"] if a["text"].startswith("◂")}
    drawn = [arm for arm in arms() if arm != "shuffled"]
    below = [
        (arm, site, told(s, arm, "faithful", "restored"))
        for arm in drawn
        for site, s in enumerate(result.sites)
        if told(s, arm, "faithful", "restored") < low
    ]
    assert below and low == dictionary_bars.LOWEST and high > 1
    assert set(cut) == {minus(f"◂ {value:.2f}") for *_, value in below}
    for arm, site, value in below:
        middle = (drawn.index(arm) + 0.5) / len(drawn) - 0.5
        assert cut[minus(f"◂ {value:.2f}")] == pytest.approx(site + 0.75 * middle), "over its own bar"


def test_dial_starts_at_raw_and_ends_at_the_rotation(study: Study) -> None:
    here = study.pair("seed0", "seed1").sites[2]
    assert here.dial is not None and here.dictionary is not None
    for scale in ("restored", "EV"):
        app = open_page(scale=scale, reading="paper-style")
        spec = figure(app, 1)
        frames = spec["frames"]
        assert isinstance(frames, list) and len(frames) == len(here.dial.t)
        ends = [values(frames[i]["data"][1], "y")[0] for i in (0, -1)]
        lines = dial_lines(here.dial, here.dictionary, "paper", scale)  # type: ignore[arg-type]
        assert np.allclose(ends, [lines.true[0], lines.true[-1]])
        names = [a["text"] for a in spec["layout"]["annotations"]]  # type: ignore[index]
        assert ("the rows themselves" in names) == (scale == "EV"), "EV of rows is no share of a dictionary"


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
    assert "twin" in text and "affine map" in text and re.search(r"<b>1\.00( \[.*?\])?</b> of what", text)
    assert told(twin, "rotated", "faithful", "restored") == pytest.approx(1, abs=5e-3)
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
    app = open_page(ask="Which map?")
    app.selectbox(key="b").set_value("twin").run()
    app.button(key="refit_button").click().run()
    assert not app.exception and app.button(key="refit_cancel"), "the page does not wait for it"
    until(lambda: "refit_button" in {b.key for b in app.run().button}, 240, every=0.5)
    assert not app.exception
    text = " ".join(h.proto.body for h in app.get("html"))
    assert "Fitted again in" in text
    difference = float(text.split("the two R is <b>")[1].split("<")[0])
    assert difference < 1e-3


def test_indices_stand_beside_their_nulls_and_seeds_in_one_space(study: Study) -> None:
    alike, space = study.similarity("seed0", "seed1"), study.one_space()
    assert alike is not None and space is not None
    app = open_page(ask="CKA?", site="after 1")
    table = app.dataframe[0].value.set_index("index")
    cka = alike.sites[1].indices["cka"]
    assert (table.loc["CKA", "value"], table.loc["CKA", "best"]) == (cka.value, cka.shuffled_best)
    assert cka.p == 0.05 and cka.twin == pytest.approx(1)
    app.segmented_control(key="ask").set_value("Other pairs").run()
    drawn = [trace["z"] for trace in figure(app, 2)["data"]]  # type: ignore[attr-defined]
    here = space.sites[1]
    for z, table in zip(drawn, (here.pairwise, here.through_space), strict=True):
        assert z == [[None if i == j else v for j, v in enumerate(row)] for i, row in enumerate(table)]


def test_probes_lenses_and_weights_stand_where_the_function_is_asked_for(study: Study) -> None:
    found, space = study.carried("seed0", "seed1"), study.weight_space("seed0", "seed1")
    assert found is not None and space is not None
    app = open_page(ask="Does the function survive?", site="after 2")
    table = app.dataframe[0].value.set_index("of A, on B")
    genre = next(p for p in found.probes if (p.labels, p.label) == ("genre", "after 2"))
    assert table.loc["probe: genre", "through R"] == genre.scores["rotated"].accuracy.value
    assert table.loc["probe: genre", "shuffled R"] == genre.scores["shuffled"].accuracy.value
    drawn = [tuple(values(trace, "y")) for trace in figure(app, 2)["data"]]  # type: ignore[attr-defined]
    assert drawn[-1] == pytest.approx(space.paths["rotated"].losses)


def test_a_live_fit_is_cancelled(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.ui.cache.chunks", lambda _where: study.chunks(110))
    app = open_page(ask="Which map?")
    app.button(key="refit_button").click().run()
    app.button(key="refit_cancel").click().run()
    assert not app.exception and app.button(key="refit_button")
    assert "Fitted again in" not in " ".join(h.proto.body for h in app.get("html"))
    until(lambda: MEASURERS.empty, 240)


def test_randomness_of_every_pair_by_what_the_cohorts_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    cohort_study(tmp_path / "studies" / "cohorts" / "study")
    app = open_page(study="cohorts", ask="Is R random?")
    shown = " ".join(h.proto.body for h in app.get("html"))
    specs: list[Any] = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    p_values, kurtosis = (spec["data"] for spec in specs if spec["data"][0].get("name") == "seed0 → seed1")
    for i, drawn in enumerate((p_values, kurtosis)):
        traces = {trace["name"]: values(trace, "x") for trace in drawn}
        assert set(traces) == {f"{a} → {b}" for a, b in PLANTED}
        for (a, b), expected in PLANTED.items():
            wanted = expected[0] if i == 0 else [min(expected[1], 1.15 * 4.3)] * 5  # far ones stand at the edge
            assert traces[f"{a} → {b}"] == pytest.approx(list(wanted))
    assert "10 p-values of 2 pairs (seed0 → seed1, seed0 → seed2) lie at 0.04 to 0.95; 1 below 0.05" in shown
    assert "adam0 → adam1: R deviates from Haar at 5 of 5 sites" in shown
    assert "seed0 → twin: one known Q at every site; p = 0.07" in shown and "seed0 → step0" in shown
    assert UNRECORDED not in shown


def test_a_study_that_does_not_record_its_training_says_so(study: Study) -> None:
    app = open_page(study="dyck3", ask="Is R random?")
    assert UNRECORDED in " ".join(h.proto.body for h in app.get("html"))


def test_what_is_folded_is_not_drawn_and_the_handout_has_it() -> None:
    app = open_page()
    drawn = [chart.proto.alt for chart in app.get("plotly_chart")]
    kept = [part.content for part in app.session_state["parts of the page"] if part.kind == "figure"]
    folded = [alt for alt in kept if alt not in drawn]
    assert folded == ["The number on which the verdict rests with its null, its ceiling and what is asked of it."]
    assert set(drawn) < set(kept)
