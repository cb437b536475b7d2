"""The Features page on the shipped study, through AppTest: controls by key, no browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer.features import feature_search, feature_table as atlas, stars, umap_layout as twin_layout
from explorer.study.library import open_study, shipped_studies

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif("tales" not in shipped_studies(), reason="the shipped study is not made yet")


def page(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "explorer" / "app.py"), default_timeout=120)
    at.query_params.update(query)
    at.switch_page(str(ROOT / "pages" / "features.py")).run()
    assert not at.exception and not at.error
    return at


def html(at: AppTest) -> str:
    return "\n".join(e.proto.body for e in at.get("html"))


def spec(at: AppTest) -> Any:
    return at.get("plotly_chart")[0].proto.spec


def table(source: str, target: str, site: int) -> Any:
    study = open_study("tales")
    return atlas.atlas(study.features(source), study.correspondence(source, target), study.sites[site])


@pytest.fixture(autouse=True)
def no_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs without a stored layout get one at once: no test waits for UMAP."""
    monkeypatch.setattr(twin_layout, "umap_layout", lambda directions: directions[:, :2].numpy())


def test_a_feature_by_number_and_the_map_stays() -> None:
    at = page(b="seed1")
    known = table("seed0", "seed1", len(open_study("tales").sites) // 2)
    first = atlas.exemplar(known)
    assert f"Feature {first}</b> of seed0" in html(at)
    before = spec(at)
    at.number_input(key="feature").set_value(5).run()
    shown = html(at)
    assert not at.exception and "Feature 5</b> of seed0" in shown
    row = known.loc[5]
    assert f"{row['r_rotated']:.2f}".replace("-", "−") in shown and f"{row['f1']:.2f}" in shown
    assert "contexts-list" in shown and "…</td>" not in shown
    # Choosing another feature must not build the map anew in the browser.
    assert spec(at) == before
    points = [t for t in json.loads(before)["data"] if t["type"] == "scattergl"]
    assert [len(t["customdata"]) for t in points] == [len(known), len(known)]
    frames = json.loads(before)["frames"]
    assert len(frames) > 5 and all(f["traces"] == [1] for f in frames), "only B moves"


def test_a_link_restores_the_feature() -> None:
    at = page(b="seed1", feature="17", map="raw")
    assert "Feature 17</b> of seed0" in html(at)
    assert at.number_input(key="feature").value == 17


def test_search_filters_and_nothing_found() -> None:
    at = page(b="seed1")
    at.text_input(key="find").set_value("no such word").run()
    assert not at.exception and any("No feature matches" in e.value for e in at.info)
    # No card of a feature that the filters hide; a number that is asked for opens, and the page says that it is hidden.
    assert "<b>Feature" not in html(at) and any("there is no card" in e.value for e in at.info)
    at.number_input(key="feature").set_value(9).run()
    assert "Feature 9</b>" in html(at) and "Feature 9 is not in the list" in html(at)
    at.button(key="show_all").click().run()
    assert len(at.dataframe[0].value) > 2000 and "is not in the list" not in html(at) and "Feature 9</b>" in html(at)
    at.text_input(key="find").set_value("genre=letter").run()
    at.checkbox(key="mutual").check().run()
    shown = at.dataframe[0].value
    # The card follows the list.
    assert at.number_input(key="feature").value in shown["feature"].tolist()
    assert not at.exception and (shown["label"] == "genre letter").all() and shown["mutual"].all()
    at.text_input(key="find").set_value("").run()
    at.checkbox(key="mutual").uncheck().run()
    at.slider(key="rafter").set_value((0.6, 1.0)).run()
    assert not at.exception and (at.dataframe[0].value["r_rotated"] >= 0.6).all() and len(at.dataframe[0].value) > 5
    at.selectbox(key="sort").set_value("density").run()
    assert at.dataframe[0].value["density"].is_monotonic_decreasing
    at.checkbox(key="rising").check().run()
    assert at.dataframe[0].value["density"].is_monotonic_increasing


def test_search_in_the_contexts() -> None:
    at = page(b="seed1", find="captain", findin="contexts")
    found = at.dataframe[0].value["feature"].tolist()
    assert not at.exception and 0 < len(found) < 600
    study = open_study("tales")
    chunks = study.chunks().split("test")
    tokenizer = study.load_model("seed0").tokenizer
    known = table("seed0", "seed1", 2).loc[found[0]]
    near = [
        tokenizer.decode(chunks.ids[c][max(0, p - 8) : p + 4]) for c, p in zip(known.contexts, known.peaks, strict=True)
    ]
    assert any("captain" in text.lower() for text in near)


def test_ship_leads_with_ships_and_says_why() -> None:
    at = page(b="seed1", find="ship")
    found, known = at.dataframe[0].value, table("seed0", "seed1", 2)
    first = known.loc[found["feature"].iloc[0]]
    assert "ship" in first["label"] and first["f1"] >= atlas.CLEAR
    assert found["found"].tolist() == sorted(
        found["found"], key=["label", "the word", "part of it", "promotes it"].index
    )
    assert list(feature_search.search(known, feature_search.Query(text="ship")).index) == found["feature"].tolist()


def test_matched_and_lost_are_walked() -> None:
    at = page(b="seed1", fate="lost")
    known = table("seed0", "seed1", 2)
    lost = known[(known["density"] > 0) & (known["r_rotated"] < atlas.SOME)]
    found = at.dataframe[0].value["feature"].tolist()
    assert set(found) == set(lost.index) and f"loses <b>{len(lost)}</b> (r < 0.2)" in html(at)
    at.button(key="go_n").click().run()
    assert at.number_input(key="feature").value == found[0]
    at.button(key="go_n").click().run()
    assert at.number_input(key="feature").value == found[1] and "is not in the list" not in html(at)


def test_your_text_follows_the_feature_until_it_is_edited() -> None:
    at = page(b="seed1", panel="your text", feature="1732")
    first = at.text_area(key="text").value
    known = table("seed0", "seed1", 2)
    assert any(word in first for word in known.loc[1732, "fires_on"]) and not at.warning
    at.number_input(key="feature").set_value(27).run()
    second = at.text_area(key="text").value
    assert second != first and any(word in second for word in known.loc[27, "fires_on"])
    at.text_area(key="text").set_value("The ship is mine.").run()
    at.number_input(key="feature").set_value(1732).run()
    assert at.text_area(key="text").value == "The ship is mine." and not at.exception and not at.warning
    at.button(key="own_sentence").click().run()
    assert at.text_area(key="text").value == first


def test_the_card_steers_both_models() -> None:
    at = page(b="twin", panel="steer both", feature="673")
    assert "One click writes three lanes" in html(at)
    at.button(key="card_write").click().run()
    for _ in range(200):
        if "Done after" in html(at):
            break
        at.run()
    shown = html(at)
    lanes = dict(re.findall(r"data-lane='([^']*)'>(.*?)</div>", shown, re.S))
    assert list(lanes) == ["source+v", "rotated", "random"] and not at.exception
    # On the twin R is exact: both write one text; the random direction another.
    assert lanes["source+v"] == lanes["rotated"] != lanes["random"]
    counts = [int(n) for n in re.findall(r"(\d+) of its words", shown)]
    assert counts == [lane.count("<u>") for lane in lanes.values()]
    at.button(key="card_write").click().run()
    for _ in range(200):
        if "Done after" in html(at):
            break
        at.run()
    again = dict(re.findall(r"data-lane='([^']*)'>(.*?)</div>", html(at), re.S))
    assert again["source+v"] != lanes["source+v"], "writing again takes other chances"


def test_neighbours_stars_and_notes() -> None:
    at = page(b="seed1", sort="number", rising="true", feature="7")
    at.button(key="go_n").click().run()
    assert at.number_input(key="feature").value == 8 and "Feature 8</b>" in html(at)
    at.button(key="go_p").click().run()
    at.button(key="star").click().run()
    assert not at.exception and any("Starred features: 1" in e.label for e in at.expander)
    kept = at.session_state["starred features"]
    assert [s.feature for s in kept.values()] == [7] and next(iter(kept.values())).source == "seed0"
    assert stars.import_stars(stars.export_stars(kept.values())) == tuple(kept.values())
    at.button(key="star").click().run()
    assert not at.session_state["starred features"]


def test_your_text_ranks_the_features_of_a_token() -> None:
    at = page(b="twin", panel="your text", text="The ship went to the old harbour.")
    assert not at.exception and "tokens; the first is not scored" in html(at)
    ranked = at.dataframe[1].value
    assert len(ranked) > 3 and ranked["seed0"].is_monotonic_decreasing
    # The twin read through R fires as A does.
    assert (ranked["seed0"] - ranked["twin rotated"]).abs().max() < 0.05
    at.text_area(key="text").set_value("   ").run()
    assert not at.exception and any("write a sentence" in e.value for e in at.info)


@pytest.mark.parametrize("group", ["most in B", "top quarter", "lowest"])
def test_groups_of_contexts(group: str) -> None:
    at = page(b="seed1", contexts=group)
    assert not at.exception and html(at).count("<div class='context'>") >= 3


@pytest.mark.parametrize("target", ["early", "step0"])
def test_a_target_without_a_dictionary_has_no_partners(target: str) -> None:
    at = page(b=target)
    assert "no dictionary of its own" in html(at)
    assert not {"partner", "mutual", "cosine_raw"} & set(at.dataframe[0].value)


@pytest.mark.slow
def test_every_map_and_the_colour_by_label() -> None:
    at = page(b="twin")
    for colour in ("density", "region", "label"):
        at.segmented_control(key="colour").set_value(colour).run()
        assert not at.exception
    for arm in ("raw", "translated", "affine", "shuffled", "random", "rotated"):
        at.segmented_control(key="map").set_value(arm).run()
        assert not at.exception and f"r_{arm}" in at.dataframe[0].value
    known = table("seed0", "twin", len(open_study("tales").sites) // 2)
    assert known["r_rotated"].dropna().min() > 0.98


def test_another_dictionary_forgets_the_number() -> None:
    at = page(b="seed1", feature="5")
    at.selectbox(key="site").select_index(1).run()
    assert not at.exception
    assert at.number_input(key="feature").value == atlas.exemplar(table("seed0", "seed1", 1))
