"""What a link asks for and is not there is said, for every parameter; what there is, is shown without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer.narrative import TERMS
from explorer.narrative.scenes import scenes_of
from explorer.narrative.story import open_story
from explorer.study.library import open_study, shipped_studies
from explorer.ui.links import MOST, sentence

APP = str(Path(__file__).resolve().parents[2] / "explorer" / "app.py")
BESIDE = "The link asks for"


def opened(page: str, **link: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=180)
    for key, value in link.items():
        app.query_params[key] = value
    app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception and not app.error, [e.value for e in app.error]
    return app


def said(app: AppTest) -> list[str]:
    return [h.proto.body for h in app.get("html") if BESIDE in h.proto.body]


STUDY = open_study("tales")
SITES = [site.label for site in STUDY.sites]
SCENES = [scene.name for scene in scenes_of(open_story(STUDY, "seed0", "seed1", 2))]
UNKNOWN = [
    ("rotation", "study", "dales", "tales", shipped_studies()),
    ("rotation", "a", "nobody", "seed0", STUDY.sources()),
    ("rotation", "b", "nobody", "seed1", STUDY.targets("seed0")),
    ("rotation", "b", "seed0", "seed1", STUDY.targets("seed0")),
    ("rotation", "site", "after 9", "after 2", SITES),
    ("rotation", "map", "bent", "rotated", ["raw", "translated", "rotated", "affine", "shuffled", "random"]),
    ("rotation", "ask", "Why?", "Turn the dial", ["Turn the dial", "Every map"]),
    ("steering", "vector", "contrast:gossip", "contrast:", ["contrast:"]),
    ("story", "scene", "overture", SCENES[0], SCENES),
    ("features", "feature", "999999", "", ["0 to "]),
]


@pytest.mark.parametrize(("page", "key", "asked", "shown", "there"), UNKNOWN, ids=[f"{u[1]}={u[2]}" for u in UNKNOWN])
def test_what_is_not_there_is_said(page: str, key: str, asked: str, shown: str, there: list[str]) -> None:
    app = opened(page, **{key: asked})
    (told,) = said(app)
    assert f"“{asked}”" in told and f"you see “{shown}" in told
    assert all(word in told for word in there[:MOST])
    app.run()
    assert len(said(app)) == 1, "it stays until something else is chosen"


def test_it_is_gone_when_another_is_chosen() -> None:
    app = opened("rotation", b="nobody", map="bent")
    assert len(said(app)) == 2
    app.selectbox(key="b").set_value("twin").run()
    (told,) = said(app)
    assert "“bent”" in told


def test_a_good_link_and_none_are_quiet() -> None:
    assert said(opened("rotation")) == []
    app = opened("rotation", study="tales", a="seed1", b="twin" if "twin" in STUDY.targets("seed1") else "seed0")
    assert said(app) == []
    assert said(opened("story", scene="twin")) == [], "links of older versions lead on"


def test_the_sentence_escapes_what_it_is_given_and_counts_the_rest() -> None:
    told = sentence("site", "<b>" + "x" * 100, "input", [f"after {i}" for i in range(20)])
    assert "<b>" not in told and "&lt;b&gt;" in told and "…" in told and f"and {20 - MOST} more" in told


def test_terms_are_found_where_they_stand_and_nowhere_else() -> None:
    by_name = {term.name: term for term in TERMS}
    for term in TERMS:
        assert term.text.endswith(".") and len(term.text) < 230, term.name
    for name, text in (
        ("site", "at the site after 2"),
        ("KL", "KL 0.008"),
        ("faithful", "Faithful asks"),
        ("ρ", "ρ = 0.75"),
    ):
        assert by_name[name].found(text), name
    for name, text in (("site", "the website"), ("R, the orthogonal map", "‖R − I‖ of Rome"), ("dose", "overdosed")):
        assert not by_name[name].found(text), name
