"""Every figure below the first screen of the Rotation page shows the pair's own numbers."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohorts import PLANTED, cohort_study, planted

from explorer.alignment.grounds import ROTATION, rotation_nulls
from explorer.alignment.map_registry import rungs, seams, shown
from explorer.alignment.pair_verdict import deciding_site
from explorer.alignment.results import PairResult
from explorer.number_text import minus
from explorer.palette import DARK, LIGHT
from explorer.presentation.check import axis
from explorer.presentation.rotation import (
    captions as rotation_sentences,
    over_training,
    questions as figures_rotation,
    randomness,
    sites as figures,
)
from explorer.study import references, verdict_axis
from explorer.study.cohort_draws import rotation_draws
from explorer.study.library import open_study, shipped_studies
from explorer.study.training_rows import TrainingRow


@pytest.fixture(scope="module")
def results() -> list[PairResult]:
    study = open_study("tales")
    return [study.pair(p.source, p.target) for p in study.file.pairs]


@pytest.fixture(scope="module")
def result(results: list[PairResult]) -> PairResult:
    return next(r for r in results if (r.source, r.target) == ("seed0", "seed1"))


def named(figure: Any, name: str) -> Any:
    return next(t for t in figure.data if t.y is not None and list(t.y)[:1] == [name])


def test_ladder_has_every_rung_the_token_and_the_controls(result: PairResult) -> None:
    for site in result.sites:
        figure = figures.ladder(site, LIGHT)
        for rung, m in shown(rungs()).items():
            assert named(figure, m.title).x[0] == site.ladder[rung].value
        assert named(figure, "token lookup").x[0] == site.token.lookup.value
        assert tuple(named(figure, "shuffled pairs").x) == rotation_nulls(site).shuffled
        assert tuple(named(figure, "untrained target").x) == rotation_nulls(site).untrained
        assert tuple(named(figure, "random rotation").x) == site.nulls.haar


def test_spectrum_shows_counts_and_the_haar_band(result: PairResult) -> None:
    found = result.sites[2].rotation.spectrum
    bars, low, high, mean = figures_rotation.spectrum(found, LIGHT).data
    assert tuple(bars.y) == found.counts and sum(found.counts) == result.d_model
    assert (tuple(low.y), tuple(high.y), tuple(mean.y)) == (found.haar_low, found.haar_high, found.haar_mean)
    assert bars.x[0] == pytest.approx(np.degrees(found.edges[:2]).mean())


def test_fit_curve_ends_at_the_ladders_values(result: PairResult) -> None:
    site = result.sites[2]
    affine, rotation = figures_rotation.fit_curve(site.fit_curve, result.d_model, LIGHT).data
    assert tuple(rotation.y) == site.fit_curve.orthogonal and tuple(affine.y) == site.fit_curve.affine
    assert rotation.x[-1] == site.rows_fit
    assert rotation.y[-1] == pytest.approx(site.ladder["orthogonal"].value, abs=2e-3)


def test_stitching_shows_both_directions(result: PairResult) -> None:
    site = result.sites[3]
    assert site.stitch is not None
    down, up = figures_rotation.stitching(site, ("A", "B"), LIGHT).data
    for trace, scores in ((down, site.stitch.source_to_target), (up, site.stitch.target_to_source)):
        passing = ["mean", *(seam for seam in shown(seams()) if seam in scores.seams)]
        assert list(trace.x) == [scores[seam].value for seam in passing]
        lows = [scores[seam].low for seam in passing]
        assert np.allclose(np.array(trace.x) - np.array(trace.error_x.arrayminus), lows)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_heat_maps_hold_the_tables_and_write_every_cell(
    results: list[PairResult], result: PairResult, palette: Any
) -> None:
    depths = figures_rotation.cross_site(result, palette, palette is DARK)
    assert np.allclose(depths.data[0].z, result.ev_cross_site)
    for i, site in enumerate(result.sites):
        assert result.ev_cross_site[i][i] == pytest.approx(site.ladder["orthogonal"].value, abs=2e-3)
    pairs = figures_rotation.pairs_by_site(results, palette, palette is DARK)
    assert list(pairs.data[0].y) == [f"{r.source} → {r.target}" for r in results]
    written = [a.text for a in pairs.layout.annotations]
    assert written == [f"{s.ladder[ROTATION].value:.2f}".replace("-", "−") for r in results for s in r.sites]


@pytest.mark.parametrize("name", shipped_studies())
def test_no_untrained_target_stands_above_a_seed(name: str) -> None:
    study = open_study(name)
    found = [study.pair(p.source, p.target) for p in study.file.pairs]
    failed = [r for r in found if study.model_entry(r.target).kind == "untrained"]
    assert failed and all(r.verdict is not None and r.verdict.verdict in ("not aligned", "affine only") for r in failed)
    cells = {(r.source, r.target): row for r, row in zip(found, pairs_drawn(found), strict=True)}
    for pair in failed:
        own, *references = verdict_axis(study, pair)
        sister = next(m for m in references if m.name.startswith("sister"))
        assert own.value < sister.value
        seeds = [t for t in study.targets(pair.source) if study.model_entry(t).kind == "seed"]
        for seed in seeds:
            rows = zip(cells[pair.source, pair.target], cells[pair.source, seed], strict=True)
            assert all(control < independent for control, independent in rows), (pair.target, seed)


def pairs_drawn(results: list[PairResult]) -> Any:
    """The numbers in the heat map of pairs."""
    return figures_rotation.pairs_by_site(results, LIGHT, False).data[0].z


def test_references_are_measured_pairs_of_the_same_source_and_site() -> None:
    study = open_study("tales")
    pair = study.pair("seed0", "seed1")
    site = deciding_site(pair.sites)
    marks = verdict_axis(study, pair)
    own, twin, sister, untrained, fresh, shuffled = marks
    ladder = {
        t: next(s for s in study.pair("seed0", t).sites if s.site == site.site).ladder for t in study.targets("seed0")
    }
    assert own.estimate == site.ladder[ROTATION]
    assert (twin.name, twin.estimate) == ("twin: seed0 → twin", ladder["twin"][ROTATION])
    assert (sister.name, sister.estimate) == ("sister: seed0 → seed2", ladder["seed2"][ROTATION])
    assert (untrained.name, untrained.estimate) == ("untrained: seed0 → step0", ladder["step0"][ROTATION])
    assert [fresh.value, shuffled.value] == [
        max(n) for n in (rotation_nulls(site).untrained, rotation_nulls(site).shuffled)
    ]
    pair = study.pair("seed0", "step0")
    failed, where = verdict_axis(study, pair), deciding_site(pair.sites).site
    affine = [
        next(s for s in study.pair("seed0", t).sites if s.site == where).ladder["affine"] for t in ("step0", "twin")
    ]
    assert [failed[0].estimate, failed[1].estimate] == affine
    assert [trace.x[0] for trace in axis.verdict_axis(marks, references(site), LIGHT).data] == [m.value for m in marks]


def row(name: str, tokens: int, orthogonal: float) -> TrainingRow:
    return TrainingRow(name, tokens, 128, 1.0, 1.1, orthogonal, 0.8, 0.9, 0.1, 0.6, 0.3, 2.0, 1.5)


def test_table_over_training_is_drawn_and_told_as_it_is() -> None:
    rows = [row("a", 10**6, 0.2), row("b", 10**7, 0.5)]
    figure = over_training.over_training(rows, LIGHT)
    lines = {field: t for (field, *_), t in zip(over_training.CURVES, figure.data, strict=True)}
    assert list(lines["orthogonal"].y) == [0.2, 0.5] and list(lines["orthogonal"].x) == [10**6, 10**7]
    frame = over_training.training_frame(rows)
    assert list(frame["direct: R"]) == [0.2, 0.5] and frame["steering R / own"][0] == 0.75
    back = (0.6 - 0.3) / (0.9 - 0.3)
    assert list(lines["restored"].y) == pytest.approx([back, back]) and "paper-style" in figure.layout.yaxis.title.text
    assert list(frame["restored, paper-style"]) == pytest.approx(2 * [back]) and frame["EV rotated"][0] == 0.6
    faithful = [replace(r, restored=0.1 * (i + 1)) for i, r in enumerate(rows)]
    figure = over_training.over_training(faithful, LIGHT)
    assert list(figure.data[0].y) == pytest.approx([0.1, 0.2]) and "faithful" in figure.layout.yaxis.title.text
    assert "what comes back rises from 0.10 to 0.20" in " ".join(
        rotation_sentences.training(faithful, ("seed0", "seed1"))
    )
    text = " ".join(rotation_sentences.training(rows, ("seed0", "seed1")))
    assert "what comes back goes from 0.50 to 0.50, which is little" in text
    assert "EV of R rises from 0.20 to 0.50" in text
    assert "of the affine map goes from 0.80 to 0.80, which is little" in text


def test_sentences_say_what_was_measured(results: list[PairResult], result: PairResult) -> None:
    site = result.sites[2]
    maps = " ".join(rotation_sentences.maps(site))
    assert minus(f"{site.token.lookup.value:.2f}") in maps and f"p = {site.ladder.p:.2g}" in maps
    assert ("less than that" in maps) == (site.ladder[ROTATION].value <= site.token.lookup.value)
    scale = site.rotation.scale
    told = f" (s = {scale:.2f})" if scale is not None and abs(scale - 1) > 0.05 else ""
    assert f"R with one scale{told} explains {site.ladder[ROTATION].value:.2f} of the rows" in maps
    matrix = " ".join(rotation_sentences.matrix(result, site))
    assert f"{site.rotation.identified_rank} of {result.d_model} directions" in matrix
    assert ("No deviation from Haar detected" in matrix) == (site.rotation.haar.p > 0.05) and "is Haar" not in matrix
    assert result.verdict is not None and result.verdict.verdict in rotation_sentences.verdict(result)
    reasons = " ".join(rotation_sentences.reasons(result, site))
    assert all(minus(escape(r, False)) in reasons for r in result.verdict.reasons) and result.verdict.next in reasons
    twin = next(r for r in results if r.target == "twin")
    assert "one R does not serve all depths" not in " ".join(rotation_sentences.depths(twin))
    assert (
        "<b>Best aligned</b>" in rotation_sentences.pairs(results)[0] and "twin" in rotation_sentences.pairs(results)[0]
    )


@pytest.mark.parametrize("name", shipped_studies())
def test_no_sentence_says_what_is_not_so_of_any_pair(name: str) -> None:
    study = open_study(name)
    for entry in study.file.pairs:
        result = study.pair(entry.source, entry.target)
        depths = " ".join(rotation_sentences.depths(result))
        if result.target == "twin":  # one Q at every depth, though the text may not fix it everywhere
            assert "one R serves all depths" in depths
        for site in result.sites:
            r, d = site.rotation, result.d_model
            said = " ".join(rotation_sentences.matrix(result, site))
            trace = d - r.frobenius_from_identity**2 / 2
            assert ("the trace of R is near 0" in said) == (abs(r.frobenius_from_identity / (2 * d) ** 0.5 - 1) <= 0.05)
            if "leans towards the identity" in said:
                assert f"{trace:.0f} of at most {d}" in said
            assert ("R is arbitrary" in said) == (r.identified_rank < d)
            assert ("A random rotation hardly ever" in said) == (r.haar.p < 0.05)
            assert ("finds no deviation in nearly every" in said) == (r.haar.ks_p_paper >= 0.05)
            assert "-0.0" not in " ".join(rotation_sentences.text_needed(result, site))


def test_draws_are_grouped_marked_and_written_out(tmp_path: Path) -> None:
    draws = rotation_draws(cohort_study(tmp_path / "study"))
    assert draws is not None
    figure = randomness.p_values(draws, LIGHT)
    colours = {t.name: t.marker.color for t in figure.data}
    assert [name for name, colour in colours.items() if colour == LIGHT.rotated] == [
        pair.name for pair in draws.of("theorem", "optimiser")
    ]
    rows = {t.name: np.mean(t.y) for t in figure.data}
    assert rows["seed0 → seed2"] < rows["adam0 → adam1"] < rows["seed0 → twin"]
    assert dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True)) == pytest.approx(rows)
    frame = randomness.draws_frame(draws)
    assert list(frame["p"]) == [p for p_values, _ in PLANTED.values() for p in p_values]
    assert list(frame.pair[frame.counted].unique()) == ["seed0 → seed1", "seed0 → seed2"]
    result, site = open_study("tales").pair("seed0", "seed1"), 0
    for p, expected in ((0.01, "one test in twenty falls so low by chance"), (0.4, "for this pair a theorem does")):
        given = planted(result, [p] * len(result.sites), 3.0)
        assert expected in " ".join(rotation_sentences.matrix(given, given.sites[site], draws))
