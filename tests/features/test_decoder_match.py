"""Decoder cosines: planted truth, chance against simulation, figures and sentences that say the stored numbers."""

import numpy as np
import pytest
import torch

from explorer.alignment.decoder_match_results import (
    BINS,
    CASES,
    DecoderStory,
    FamilyMatch,
    MatchedDictionary,
    SiteMatch,
)
from explorer.alignment.orthogonal import haar
from explorer.features.decoder_matching import chance, decoder_match
from explorer.palette import DARK, LIGHT
from explorer.presentation.features.decoder_match import dictionary_table, match_bars, match_histogram, match_table
from explorer.presentation.features.decoder_match_captions import dead_sentence, story_sentences

D, N = 64, 300


def directions(n: int, seed: int, d: int = D) -> torch.Tensor:
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


EVERY = torch.ones(N, dtype=torch.bool)


def test_a_rotated_copy_is_at_chance_raw_and_perfect_after_r() -> None:
    source, q = directions(N, 0), haar(D, 3).float()
    copy = source @ q
    raw = decoder_match(source, copy, EVERY, EVERY).all
    assert raw.share is not None and raw.share < 0.01
    assert raw.mean == pytest.approx(raw.chance.mean, abs=0.01)
    after = decoder_match(source, copy @ q.T, EVERY, EVERY).all
    assert (after.share, after.rows, after.histogram[-1]) == (1.0, N, N)
    assert after.mean == pytest.approx(1, abs=1e-5)


def test_scale_does_not_count_but_sign_does() -> None:
    source = directions(20, 0)
    every = torch.ones(20, dtype=torch.bool)
    assert decoder_match(source, 7 * source, every, every).all.mean == pytest.approx(1, abs=1e-5)
    turned = decoder_match(source[:1], -source[:1], every[:1], every[:1]).all
    assert turned.mean == pytest.approx(-1, abs=1e-5)
    assert (turned.share, turned.histogram[0], sum(turned.histogram)) == (0.0, 1, 1)


def test_dead_features_count_only_among_all() -> None:
    source = directions(N, 0)
    target = torch.cat([source[:100], directions(N - 100, 1)])
    alive = torch.arange(N) < 150
    found = decoder_match(source, target, alive, alive)
    assert found.all.share == pytest.approx(100 / N, abs=0.02)
    assert found.alive.share == pytest.approx(100 / 150, abs=0.02)
    assert (found.alive.rows, found.alive.partners) == (150, 150)
    silent = decoder_match(source, target, ~EVERY, alive).alive
    assert (silent.share, silent.mean, silent.rows) == (None, None, 0)


def test_the_histogram_agrees_with_the_share() -> None:
    source = directions(N, 0, d=8)
    found = decoder_match(source, directions(N, 1, d=8), EVERY, EVERY).all
    assert found.share is not None and found.share > 0.5
    assert sum(found.histogram) == N
    assert sum(found.histogram[BINS // 2 :]) / N == pytest.approx(found.share, abs=1e-6)


@pytest.mark.parametrize(("partners", "d"), [(1, 8), (40, 8), (300, 16), (1024, 128)])
def test_chance_is_what_random_directions_reach(partners: int, d: int) -> None:
    rng = np.random.default_rng(0)
    rows = 4000
    # By symmetry one fixed direction against fresh partners is enough: its cosines are their first coordinates.
    gaussian = rng.standard_normal((rows, partners))
    rest = rng.chisquare(d - 1, (rows, partners))
    largest = (gaussian / np.sqrt(gaussian**2 + rest)).max(1)
    found = chance(partners, d)
    assert found.mean == pytest.approx(largest.mean(), abs=4 * largest.std() / np.sqrt(rows) + 1e-4)
    share = (largest > 0.5).mean()
    assert found.share == pytest.approx(share, abs=4 * np.sqrt(max(share, 1e-3) / rows))


def test_a_tiny_chance_is_not_rounded_to_zero() -> None:
    assert 0 < chance(1024, 128).share < 1e-4
    assert chance(1024, 128).share == pytest.approx(1024 * chance(1, 128).share, rel=1e-3)
    assert chance(0, 128).share == 0


@pytest.fixture
def story() -> DecoderStory:
    """A story whose four bars are 100 %, 0 %, half of the rows, and all but a tenth."""
    source, q = directions(N, 0), haar(D, 3).float()
    half = torch.cat([source[: N // 2], directions(N // 2, 1)])
    ninety = torch.cat([source[: 9 * N // 10], directions(N // 10, 2)])

    def match(rows: torch.Tensor):  # type: ignore[no-untyped-def]
        return decoder_match(source, rows, EVERY, EVERY)

    families = (
        FamilyMatch("relu", match(source), match(half @ q), match(half), match(ninety)),
        FamilyMatch("topk", None, match(half @ q), match(half), None),
    )
    dictionaries = (
        MatchedDictionary("relu", "seed0", "blocks.0.hook_resid_pre", 0, N, 0.001, "a", 0.9, 30.0, 0.25, 0.875),
        MatchedDictionary("relu", "seed1", "blocks.0.hook_resid_pre", 0, N, 0.001, "b", 0.9, 50.0, 0.0, 0.875),
        MatchedDictionary("topk", "seed0", "blocks.0.hook_resid_pre", None, N, None, "c", 0.9, 16.0, 0.0, None),
    )
    site = SiteMatch("blocks.0.hook_resid_pre", "input", families)
    return DecoderStory("seed0", "seed1", "x", "y", 10, dictionaries, (site,))


def test_the_bars_are_the_stored_shares(story: DecoderStory) -> None:
    figure = match_bars(story, story.sites[0], True, LIGHT)
    heights = {bar.name: list(bar.y) for bar in figure.data}
    assert heights["same start, raw"] == [1.0, None]
    assert heights["independent, raw"] == pytest.approx([0, 0], abs=0.01)
    assert heights["independent, after R"] == pytest.approx([0.5, 0.5], abs=0.01)
    assert heights["same model twice"][0] == pytest.approx(0.9, abs=0.01)
    assert [label.split("<br>")[-1] for label in figure.data[0].x] == ["40 of 300 fire", "16 of 300 fire"]
    colours = {bar.name: bar.marker.color for bar in match_bars(story, story.sites[0], True, DARK).data}
    assert colours["independent, after R"] == DARK.rotated and colours["same model twice"] == DARK.ink


def test_the_histograms_are_whole(story: DecoderStory) -> None:
    figure = match_histogram(story.sites[0].families[0], False, LIGHT)
    assert len(figure.data) == len(CASES)
    assert all(sum(line.y) == pytest.approx(1) for line in figure.data)
    assert len(match_histogram(story.sites[0].families[1], False, LIGHT).data) == 2


def test_the_words_say_the_numbers(story: DecoderStory) -> None:
    site = story.sites[0]
    first, topk = story_sentences(story, site, alive=True)
    for part in ("100&nbsp;%", "0&nbsp;%", "50&nbsp;%", "90&nbsp;%", "0.88"):
        assert f"<b>{part}</b>" in first
    assert "<b>50&nbsp;%</b> after R" in topk
    assert "0.0–25.0 %" in dead_sentence(story, site)


def test_the_tables_hold_every_bar_and_dictionary(story: DecoderStory) -> None:
    table = match_table(story, alive=True)
    assert len(table) == 4 + 2
    assert table["above 0.5"].iloc[0] == 1.0
    dictionaries = dictionary_table(story)
    assert list(dictionaries["L0"]) == [30.0, 50.0, 16.0]
    assert list(dictionaries["start"]) == ["0", "0", "its own"]
