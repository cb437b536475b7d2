"""The Steering page through AppTest, on a study of a tiny Llama and its twin: controls, states, links, lanes."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import tiny
from background import until
from streamlit.runtime.caching.cache_resource_api import clear_session_cache
from streamlit.testing.v1 import AppTest
from test_dose import response
from test_live import site_maps

from explorer.alignment.twin import twin_rotation
from explorer.errors import InputError
from explorer.files import write_bytes, write_json
from explorer.models.sites import all_sites
from explorer.steering.dose_response import DoseResponse
from explorer.steering.lanes import NORM_DOCUMENTS
from explorer.steering.reading_shares import TEXTS, ArmShares, ReadingShares
from explorer.study.pair_tensors import save_tensors
from explorer.study.recordings import RecordedRun, Recording, WrittenToken
from explorer.study.schema import SCHEMA, ModelEntry, PairEntry, StudyFile
from explorer.text.class_reader import learn_classes
from explorer.text.documents import TextEntry
from explorer.text.tales import contrasts

APP = Path(__file__).resolve().parents[2] / "explorer" / "app.py"
D, LAYERS = tiny.SHAPE["hidden_size"], tiny.SHAPE["num_hidden_layers"]


MIDDLE = "blocks.2.hook_resid_pre"


def stored(name: str, rotated: float, raw: float, native: float = 1.0, site: str = MIDDLE) -> DoseResponse:
    """A response with planted slopes."""
    title = contrasts.plan(name).title
    return replace(response(rotated, raw, native), vector=f"contrast:{name}", title=title, site=site)


def read(name: str, suggested: float | None, rotated: float = 1.0, site: str = MIDDLE) -> ReadingShares:
    """What one reads of a contrast, planted."""
    arms = (
        ArmShares("native", (0.5, 0.75), (0.03, 0.41)),
        ArmShares("rotated", (0.25, rotated), (0.02, 0.38)),
        ArmShares("raw", (0.0, 0.25), (0.05, 0.5)),
        ArmShares("random", (0.0, 0.0), (0.01, 0.2)),
    )
    title, prompt = contrasts.plan(name).title, contrasts.plan(name).prompt
    return ReadingShares(f"contrast:{name}", title, site, prompt, (0.98, 0.9), 1 / 12, suggested, (0.3, 0.5), arms)


STORED = [
    stored("sea", 0.9, 0.0),
    stored("log", -0.6, 0.5),
    stored("merry", 0.0, 0.0, 0.02),
    stored("sea", 0.3, 0.9, site="blocks.0.hook_resid_pre"),
]


@pytest.fixture(scope="module")
def assets(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shipped studies that holds one: a tiny Llama and its twin, without dictionaries."""
    folder = tmp_path_factory.mktemp("assets") / "tales"
    tiny.save("llama", tokenizer, folder / "models" / "seed0", seed=1)
    pair = folder / "pairs" / "seed0-twin"
    save_tensors(pair, {site.name: site_maps(twin_rotation(D, 0).T) for site in all_sites(LAYERS)}, {})
    write_bytes(pair / "steering.json", msgspec.json.encode(STORED))
    entry = ModelEntry("seed0", "seed", "independent seed 0", "models/seed0", "0" * 64, 0, 5.0)
    twin = ModelEntry("twin", "twin", "seed0 rotated", "models/seed0", "0" * 64, 0, 5.0)
    text = TextEntry("tales", "held-out", NORM_DOCUMENTS, 48, 0.9)
    pairs = (PairEntry("seed0", "twin"),)
    file = StudyFile(SCHEMA, "tales", "A tiny study", D, LAYERS, (entry, twin), (), text, pairs, {}, {})
    write_json(folder / "study.json", file)
    return folder.parent


@pytest.fixture(scope="module", autouse=True)
def shipped(assets: Path) -> Iterator[None]:
    """The app finds that study and no other; what it caches is forgotten, as another of the same name follows."""
    import streamlit as st

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explorer.study.library.SHIPPED", assets)
        st.cache_resource.clear()
        st.cache_data.clear()
        yield
        st.cache_resource.clear()
        st.cache_data.clear()


@pytest.fixture
def page() -> AppTest:
    """The Steering page, before its first run. Every AppTest is the same visitor: the last one's visit ends."""
    clear_session_cache("test session id")
    return AppTest.from_file(str(APP), default_timeout=60).switch_page("../pages/steering.py")


def html(at: AppTest) -> str:
    return "\n".join(element.proto.body for element in at.get("html"))


def lane(at: AppTest, key: str) -> str:
    """The text of one lane, its prompt included."""
    return html(at).partition(f"data-lane='{key}'>")[2].partition("</div>")[0]


def plain(text: str) -> str:
    """A lane's text without the marks on its tokens."""
    return re.sub("<span( class='same')?>|<span title[^>]*>|</span>", "", text)


def settle(at: AppTest) -> AppTest:
    """Run until nothing is being written."""

    def busy(words: str) -> bool:
        return any(word in words for word in ("Writing", "Reading the prompt", "Waiting for"))

    if busy(html(at)):
        # One run, read once: the next run is further.
        until(lambda: not busy(html(at.run())), 60, every=0.05)
    return at


def start(at: AppTest, **values: Any) -> AppTest:
    at.run()
    at.slider(key="temperature").set_value(0.0)
    at.slider(key="length").set_value(30).run()
    at.button(key="generate").click().run()
    return settle(at)


def test_at_first_it_says_what_to_do(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "Nothing is written yet: press Write it live" in html(page) and "data-state='empty'" in html(page)
    assert page.button(key="stop").disabled
    assert page.text_input(key="prompt").value == contrasts.PLANS[0].prompt
    assert "<b>1 of 3</b> contrasts transfer from seed0 to twin" in html(page)
    assert "The clearest to show is <b>forest → harbour</b> at after 2: TE 0.9" in html(page)
    table = page.dataframe[0].value
    assert list(table["verdict"]) == ["transfers", "inverted", "n/a"]
    assert list(table["raw arm"]) == ["none", "partial", "n/a"]
    assert table["after 2"].round(1).tolist()[:2] == [0.9, -0.6] and table["input"].round(1).tolist()[0] == 0.3


@pytest.mark.slow
def test_the_dose_response_of_the_chosen_vector_is_shown_or_measured(page: AppTest) -> None:
    page.query_params["vector"] = "contrast:sea"
    page.run()
    assert "it <b>transfers</b>: TE 0.9" in html(page)
    names = {t["name"] for t in json.loads(page.get("plotly_chart")[1].proto.spec)["data"]}
    assert {"random", "native", "rotated", "raw", "affine", "shuffled"} <= names
    page.multiselect(key="steer_vectors").set_value(["contrast:recipe"]).run()
    assert not page.get("plotly_chart")
    page.button(key="dose_measure").click().run()
    until(lambda: page.run().get("plotly_chart") or page.exception, 240, every=0.1)
    assert not page.exception and "own vector" in html(page)
    names = {t["name"] for t in json.loads(page.get("plotly_chart")[0].proto.spec)["data"]}
    assert {"random", "native", "rotated", "raw", "affine", "shuffled"} <= names
    assert len(page.get("plotly_chart")) == 2, "the shares of generations stand beside it"


@pytest.fixture
def reads(assets: Path) -> Iterator[None]:
    """The study has been read: recipe at an early site, the sea less well, the ship's log not at all."""
    import streamlit as st

    path = assets / "tales" / "pairs" / "seed0-twin" / "reading.json"
    write_json(path, [read("log", None), read("sea", 0.5, 0.5), read("recipe", 0.5, site="blocks.1.hook_resid_pre")])
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    path.unlink()
    st.cache_data.clear()
    st.cache_resource.clear()


def test_the_page_opens_with_the_suggested_dose_and_site(page: AppTest, reads: None) -> None:
    page.run()
    assert not page.exception
    assert page.multiselect(key="steer_vectors").value == ["contrast:sea"], "its areas transfer there, too"
    assert (page.slider(key="dose").value, page.selectbox(key="site").value) == (0.5, "after 2")
    options = page.multiselect(key="steer_vectors").options
    assert options[:2] == ["forest → harbour", "tale → recipe"]
    assert any(o.startswith("tale → ship's log (no dose") for o in options[2:])
    page.multiselect(key="steer_vectors").set_value(["contrast:recipe"]).run()
    assert (page.slider(key="dose").value, page.selectbox(key="site").value) == (0.5, "after 1")
    page.multiselect(key="steer_vectors").set_value(["contrast:sea"]).run()
    assert (page.slider(key="dose").value, page.selectbox(key="site").value) == (0.5, "after 2")
    assert "Suggested: dose 0.5 at the site after 2, where twin’s own vector raises the loss by +41 %." in html(page)
    assert "count as the class: B’s own 9, rotated 6, raw 3, random 0." in html(page)
    assert "Untouched, 1 of 12 count." in html(page) and "rightly: 98 %, 90 % of the two classes" in html(page)
    figure = json.loads(page.get("plotly_chart")[2].proto.spec)
    assert [t["name"] for t in figure["data"]] == ["random", "raw", "native", "rotated"]
    assert [t["y"] for t in figure["data"]][-1] == pytest.approx([100 / 12, 25, 50])
    assert figure["layout"]["xaxis"]["ticktext"] == ["0", "0.3<br>+3 %", "0.5<br>+41 %"]


@pytest.mark.parametrize(("link", "at"), [({"dose": "0.2"}, (0.2, "after 2")), ({"site": "input"}, (0.3, "input"))])
def test_a_link_that_names_a_dose_or_a_site_keeps_it(
    page: AppTest, reads: None, link: dict[str, str], at: tuple[float, str]
) -> None:
    page.query_params["vector"] = "contrast:recipe"
    for key, value in link.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception and (page.slider(key="dose").value, page.selectbox(key="site").value) == at


def test_what_cannot_be_measured_is_told_beside_the_button(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InputError("no classes of this vector")

    page.query_params["vector"] = "contrast:recipe"
    page.run()
    monkeypatch.setattr("explorer.ui.steering.dose_panel.class_tokens", refuse)
    page.button(key="dose_measure").click().run()
    assert not page.exception and "no classes of this vector" in html(page)
    page.multiselect(key="steer_vectors").set_value(["contrast:log"]).run()
    assert "no classes of this vector" not in html(page)


def test_the_count_is_first_and_stands_in_every_lane(page: AppTest, reads: None) -> None:
    page.run()
    words = html(page)
    assert (
        "<b>6 of 12</b> fresh texts of twin read as <b>harbour</b> with seed0’s v carried by R; raw <b>3</b>, "
        "random <b>0</b>, untouched <b>1</b>." in words
    )
    assert "seeds 0 to 11. Wilson’s 95 % interval: carried by R 25 to 75 %, raw 9 to 53 %, untouched 1 to 35 %" in words
    assert count_of(page, "rotated") == "<b>6</b> of 12" and count_of(page, "none") == "<b>1</b> of 12"
    assert count_of(page, "source") == "", "what was not counted has no count"
    page.slider(key="dose").set_value(0.45).run()
    assert count_of(page, "rotated") == "" and "press Count" in html(page)
    page.button(key="use_suggested").click().run()
    assert page.slider(key="dose").value == 0.5 and "<b>6 of 12</b>" in html(page)


def count_of(at: AppTest, key: str) -> str:
    """What the head of a lane counts."""
    head = html(at).partition(f"data-lane='{key}'>")[0].rpartition("<p class='count'")[2]
    return head.partition("<span>")[2].partition("</span>")[0]


def test_fresh_texts_are_counted_live_and_more_of_them_add_up(page: AppTest) -> None:
    page.query_params["vector"] = "contrast:recipe"
    page.run()
    for texts, last in ((TEXTS, 3 * TEXTS - 1), (2 * TEXTS, 4 * TEXTS - 1)):
        # The numbers may be there a moment before their work has ended.
        until(lambda: "count" in [button.key for button in page.run().button], 120, every=0.1)
        page.button(key="count").click().run()
        until(lambda last=last: page.exception or f"to {last}. Wilson" in html(page.run()), 120, every=0.1)
        assert not page.exception
        assert count_of(page, "rotated").endswith(f"of {texts}") and count_of(page, "source+v").endswith(f"of {texts}")
        assert count_of(page, "rotated") == count_of(page, "source+v"), "on the twin R is exact"
    at, study = contrasts.ready_contrast("recipe"), page.text_input(key="prompt").value
    reader = learn_classes(at, study)
    assert reader is not None and f"right for {100 * reader.accuracy.positive:.0f} %" in html(page)


def test_the_strip_is_of_the_stored_responses(page: AppTest) -> None:
    page.query_params["vector"] = "contrast:sea"
    page.run()
    figure = json.loads(page.get("plotly_chart")[0].proto.spec)
    heat, cells = figure["data"]
    own = [r for r in STORED if r.vector == "contrast:sea"][::-1]
    curves = [next(a for a in r.arms if a.arm == "rotated") for r in own]
    assert heat["y"] == ["input", "after 2"] and len(heat["x"]) == len(own[0].doses)
    assert np.array(heat["z"]) == pytest.approx(np.array([c.effect for c in curves]))
    assert cells["customdata"] == [[r.site, c] for r in own for c in r.doses]
    over = [rise > 0.10 for c in curves for rise in c.loss_rise]
    assert ["×" in text for text in cells["text"]] == over
    page.session_state["map"] = "raw"
    page.run()
    heat = json.loads(page.get("plotly_chart")[0].proto.spec)["data"][0]
    raw = [next(a for a in r.arms if a.arm == "raw") for r in own]
    assert np.array(heat["z"]) == pytest.approx(np.array([c.effect for c in raw])), "one switch drives every panel"


def recorded(**changes: Any) -> RecordedRun:
    """A planted recording of the ship's log."""
    texts = {"source": " A fox.", "source+v": " Day ten. A sailor set sail.", "none": " A fox.", "raw": " A fox.",
             "rotated": " Day two on deck.", "random": " An owl."}  # fmt: skip
    written = {lane: [WrittenToken(text, typical=False)] for lane, text in texts.items()}
    run = RecordedRun("log", "", MIDDLE, 0.25, 0.8, 4, contrasts.plan("log").prompt, written)
    return replace(run, **changes)


@pytest.fixture
def recording(assets: Path) -> Iterator[Path]:
    """The pair has a recording."""
    import streamlit as st

    path = assets / "tales" / "pairs" / "seed0-twin" / "story.json"
    write_json(path, Recording([], [], [], recorded()))
    st.cache_resource.clear()
    yield path
    path.unlink()
    st.cache_resource.clear()


def test_the_page_opens_with_the_recording_and_no_model(page: AppTest, recording: Path, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a model was loaded before anybody asked")

    monkeypatch.setattr("explorer.study.study.Study.load_model", refuse)
    page.run()
    assert not page.exception
    assert page.multiselect(key="steer_vectors").value == ["contrast:log"]
    assert (page.slider(key="dose").value, page.selectbox(key="site").value) == (0.25, "after 2")
    assert page.number_input(key="seed").value == 5, "what is written live is another text"
    assert "Recorded when this study was made (seed 4). Press Write it live" in html(page)
    assert "data-state='recorded'" in html(page)
    assert plain(lane(page, "rotated")).endswith("Day two on <u>deck</u>.")
    assert "sailor set <u>" in plain(lane(page, "source+v")), "sail is a sign, a sailor is none"
    assert lane(page, "raw").count("class='same'") == 1, "word for word as untouched"
    page.text_input(key="prompt").set_value("Another.").run()
    assert "data-state='stale'" in html(page) and "Day two" in plain(lane(page, "rotated")), "no white box"


def test_a_link_to_another_setting_is_empty_and_says_what_to_do(page: AppTest, recording: Path) -> None:
    page.query_params["vector"], page.query_params["dose"] = "contrast:log", "0.4"
    page.run()
    assert "data-state='empty'" in html(page) and "press Write it live" in html(page)
    assert "Day two" not in html(page)


def test_a_recording_that_stops_within_a_sentence_says_so(page: AppTest, recording: Path) -> None:
    write_json(recording, Recording([], [], [], recorded(prompt=contrasts.plan("log").prompt.removesuffix("."))))
    page.run()
    assert "data-state='recorded'" in html(page) and "which stops within a sentence" in html(page)
    assert page.text_input(key="prompt").value.endswith("Clara.")


def test_own_prompts_and_files_are_buttons(page: AppTest) -> None:
    page.run()
    options = page.multiselect(key="steer_vectors").options
    assert not {"my own prompts", "an uploaded vector"} & set(options)
    page.button(key="own_lists").click().run()
    assert page.multiselect(key="steer_vectors").value == ["lists"] and page.text_area(key="to")
    page.button(key="own_file").click().run()
    assert page.multiselect(key="steer_vectors").value == ["file"] and "choose a file" in page.error[0].value


def test_on_the_twin_the_rotated_lane_is_that_of_the_source(page: AppTest) -> None:
    start(page)
    assert not page.exception
    assert "Done: " in html(page) and "all lanes together" in html(page)
    assert "KL from unsteered" in lane(page, "rotated")
    texts = {key: plain(lane(page, key)) for key in ("source", "source+v", "none", "raw", "rotated", "random")}
    assert all(text.startswith("<span class='prompt'>Once there was") for text in texts.values())
    assert texts["rotated"] == texts["source+v"] != texts["source"] == texts["none"] != texts["raw"]
    assert html(page).count("<p>effect") == 4


def test_changed_inputs_are_called_stale(page: AppTest) -> None:
    start(page)
    written, dose = lane(page, "rotated"), page.slider(key="dose").value
    page.slider(key="dose").set_value(-0.2).run()
    assert "the pale text is of before" in html(page) and "data-state='stale'" in html(page)
    assert lane(page, "rotated") == written
    page.slider(key="dose").set_value(dose).run()
    assert "the pale text" not in html(page) and "data-state='live'" in html(page)
    page.button(key="fresh").click().run()
    settle(page)
    assert page.number_input(key="seed").value == 1 and "Done: " in html(page)


def test_the_map_switch_and_options_add_lanes(page: AppTest) -> None:
    page.run()
    assert "data-lane='affine'" not in html(page)
    page.session_state["map"] = "affine"
    page.run()
    assert "data-lane='affine'" in html(page)
    page.session_state["lanes"] = ["native", "raw", "rotated"]
    page.run()
    assert "data-lane='native'" in html(page)
    start(page)
    assert lane(page, "native") and not page.exception


def test_stop_and_a_page_change_keep_what_was_written(page: AppTest) -> None:
    page.run()
    page.slider(key="length").set_value(400).run()
    page.button(key="generate").click().run()
    assert not page.button(key="stop").disabled
    page.switch_page("../pages/rotation.py")
    page.switch_page("../pages/steering.py").run()
    page.button(key="stop").click().run()
    assert "Stopped: " in html(page)
    shown = lane(page, "source")
    page.run()
    assert lane(page, "source") == shown


@pytest.mark.parametrize(
    ("prompt", "message"),
    [("   ", ""), ("", "the prompt is empty"), ("house " * 160, "at most 200 are allowed")],
)
def test_bad_prompts_are_one_calm_line(page: AppTest, prompt: str, message: str) -> None:
    page.run()
    page.text_input(key="prompt").set_value(prompt)
    start(page)
    assert not page.exception
    assert ("Nothing was written: " in html(page)) == bool(message) and message in html(page)


def test_a_feature_without_a_dictionary_is_refused(page: AppTest) -> None:
    page.query_params["vector"] = "feature:417"
    page.run()
    page.button(key="generate").click().run()
    assert not page.exception
    assert "no dictionary of seed0" in html(page)


@pytest.mark.parametrize(
    ("link", "title"), [("contrast:sea", "forest → harbour"), ("feature:417", "feature 417 of seed0")]
)
def test_a_link_restores_the_vector(page: AppTest, link: str, title: str) -> None:
    page.query_params["vector"] = link
    page.run()
    assert page.multiselect(key="steer_vectors").value == [link]
    assert title in page.multiselect(key="steer_vectors").options


def test_several_vectors_have_weights_that_the_link_restores(page: AppTest) -> None:
    page.query_params["vector"] = "contrast:sea,-0.5*contrast:log"
    page.run()
    assert page.multiselect(key="steer_vectors").value == ["contrast:sea", "contrast:log"]
    assert page.number_input(key="steer_weight_contrast:log").value == -0.5
    page.number_input(key="steer_weight_contrast:log").set_value(0.75).run()
    assert page.query_params["vector"] == "contrast:sea,0.75*contrast:log"
    start(page)
    assert plain(lane(page, "rotated")) == plain(lane(page, "source+v")) and not page.exception


def test_own_lists_steer_and_say_how_stable_they_are(page: AppTest) -> None:
    page.query_params["vector"] = "lists"
    page.run()
    assert "your lists are empty" in page.error[0].value
    page.text_area(key="to").set_value("the wild sea rose\nthe sea was deep\nboats on the sea").run()
    page.text_area(key="from").set_value("the dark wood\nthe old wood was still").run()
    start(page)
    assert plain(lane(page, "rotated")) == plain(lane(page, "source+v")) and not page.exception
    assert "v rests on 3 + 2 prompts; cosine between the halves" in html(page)


def test_continue_goes_on_where_the_lanes_stand(page: AppTest) -> None:
    page.run()
    assert page.button(key="continue").disabled
    start(page)
    before = lane(page, "rotated")
    page.button(key="continue").click().run()
    settle(page)
    words = html(page)
    assert lane(page, "rotated") != before and "Done: " in words and not page.exception


def test_a_new_contrast_brings_its_prompt_unless_another_was_written(page: AppTest) -> None:
    page.run()
    page.multiselect(key="steer_vectors").set_value(["contrast:present"]).run()
    assert page.text_input(key="prompt").value == contrasts.plan("present").prompt
    page.text_input(key="prompt").set_value("My own words").run()
    page.multiselect(key="steer_vectors").set_value(["contrast:sea"]).run()
    assert page.text_input(key="prompt").value == "My own words"


def test_nonsense_in_the_link_is_said_calmly(page: AppTest) -> None:
    page.query_params["vector"] = "contrast:<b>bold</b>"
    page.run()
    assert not page.exception
    said = html(page)
    assert "which is not here; you see “" in said and "<b>bold" not in said and "&lt;b&gt;bold&lt;/b&gt;" in said


def test_text_is_escaped(page: AppTest) -> None:
    page.run()
    page.text_input(key="prompt").set_value("<img src=x onerror=alert(1)> **bold**")
    start(page)
    assert "<img" not in html(page)
    assert "&lt;img src=x" in lane(page, "source") and "**bold**" in lane(page, "source")
