"""The panel of the 98 % through AppTest: it says the stored numbers, and calmly what a study lacks."""

import shutil
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.alignment.decoder_match_results import DecoderStory, FamilyMatch, MatchedDictionary, SiteMatch
from explorer.features.decoder_matching import decoder_match
from explorer.files import encode
from explorer.study.library import SHIPPED, shipped_studies

pytestmark = pytest.mark.skipif("tales" not in shipped_studies(), reason="the shipped study is not made yet")
SITE = "blocks.0.hook_resid_pre"


def panel(where: str, site: str) -> None:
    from explorer.palette import LIGHT
    from explorer.ui import cache
    from explorer.ui.features.decoder_match import draw_decoder_story
    from explorer.ui.frame import View

    study = cache.study(where)
    draw_decoder_story(View(where, study, "seed0", "seed1", study.site(site), "rotated", LIGHT))


def run(where: Path, site: str) -> AppTest:
    at = AppTest.from_function(panel, default_timeout=60, args=(str(where), site)).run()
    assert not at.exception
    return at


def html(at: AppTest) -> str:
    return "\n".join(e.proto.body for e in at.get("html"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study without its data, but with a story: 75 % of all rows match, 60 % of those that are alive."""
    shutil.copy(SHIPPED / "tales" / "study.json", tmp_path)
    source = torch.eye(80)[:, :80]
    target = torch.cat([source[:60], -torch.ones(20, 80)])
    alive = torch.arange(80) >= 30
    match = decoder_match(source, target, alive, alive)
    assert (match.all.share, match.alive.share) == pytest.approx((0.75, 0.6))
    family = FamilyMatch("relu", match, match, match, match)
    one = MatchedDictionary("relu", "seed0", SITE, 0, 80, 0.001, "x", 0.9, 12.0, 0.375, 0.5)
    story = DecoderStory("seed0", "seed1", "a", "b", 10, (one,), (SiteMatch(SITE, "input", (family,)),))
    (tmp_path / "decoder_match.json").write_bytes(encode(story))
    return tmp_path


def test_the_toggle_counts_the_dead_or_leaves_them_out(study: Path) -> None:
    at = run(study, "0")
    assert len(at.get("plotly_chart")) == 2
    assert "<b>60&nbsp;%</b>" in html(at) and "<b>75&nbsp;%</b>" not in html(at) and "37.5 %" in html(at)
    at.segmented_control(key="match_counted").set_value("all").run()
    assert not at.exception
    assert "<b>75&nbsp;%</b>" in html(at) and "<b>60&nbsp;%</b>" not in html(at)
    assert at.dataframe[0].value["above 0.5"].tolist() == [0.75] * 4


def test_a_site_without_dictionaries_names_those_that_have_some(study: Path) -> None:
    at = run(study, "1")
    assert "exist at the sites input" in at.info[0].value and not at.get("plotly_chart")
    assert len(at.dataframe) == 2


def test_a_study_without_the_story_says_so(study: Path) -> None:
    (study / "decoder_match.json").unlink()
    at = run(study, "0")
    assert "cannot tell this story" in at.info[0].value and not at.dataframe


def test_the_shipped_story_is_of_the_shipped_models() -> None:
    from explorer.sae.formats.registry import load_sae
    from explorer.study.library import open_study

    study = open_study("tales")
    story = study.decoder_story()
    assert story is not None
    assert story.source_sha256 == study.model_entry(story.source).sha256
    assert story.target_sha256 == study.model_entry(story.target).sha256
    labels = [s.label for s in study.sites]
    assert {labels[0], labels[len(labels) // 2], labels[-1]} <= {s.label for s in story.sites}
    shipped = [d for d in story.dictionaries if not d.path.startswith("work/")]
    assert {d.model for d in shipped} == {story.source, story.target}
    for d in shipped:
        assert load_sae(study.folder / d.path).n_features == d.width
    for site in story.sites:
        light = site.families[0]
        assert light.same_init is not None and light.independent is not None
        assert (light.same_init.alive.share or 0) > (light.independent.alive.share or 0) + 0.5
