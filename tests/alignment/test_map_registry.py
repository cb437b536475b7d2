"""A new rung is one entry of the registry and one function; what lies on disk is read as it was written."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
import tiny
import torch

from explorer import metrics
from explorer.alignment import map_registry, maps, stitching as stitch
from explorer.alignment.control_runs import controls
from explorer.alignment.map_registry import MAPS, FitMoments, MapEntry
from explorer.alignment.maps import ResidualMap
from explorer.alignment.pair import Pair, measure_pair
from explorer.alignment.result_json import decode_result, encode_result
from explorer.cache import Cache
from explorer.errors import InputError
from explorer.features import feature_table
from explorer.models.hooks import residuals
from explorer.palette import LIGHT
from explorer.presentation.features import captions as feature_sentences
from explorer.presentation.rotation import sites as figures
from explorer.presentation.steering.captions import lane_titles
from explorer.report import html as report_html
from explorer.report.make import make_report, sites_csv
from explorer.report.schema import Circumstances, ModelFacts, Models
from explorer.steering import arms
from explorer.study.library import open_study, shipped_studies
from explorer.study.pair_tensors import load_maps, save_tensors, shrink_maps

CHUNKS = tiny.chunks(70)
STORED = ["identity", "translation", "identity_scale", "permutation", "orthogonal", "orthogonal_scale", "affine"]
"""Rungs that the shipped studies hold."""
LEFT_OUT = {"rescaled", "permutation", "orthogonal_scale", "diagonal", "special", "shuffled_special"}
"""Maps that no page reads from disk."""


def stretched_axes(m: FitMoments) -> ResidualMap:
    """A diagonal map: every dimension stretched by itself, by least squares."""
    scale = m.fit.cross.diagonal() / m.fit.covariance_target.diagonal()
    return maps.with_means(m.fit, scale.diag(), scale.sign().diag())


DIAGONAL = MapEntry(
    "diagonal", stretched_axes, "each axis stretched", "f(x) = (x − μ_B) diag(s) + μ_A.", "translated", rung="diagonal"
)


@pytest.fixture(scope="module")
def measured(tokenizer: Any) -> Iterator[Pair]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    shared = controls(a, b, CHUNKS, a.sites[:2], ("", ""), lambda _s, _p: None, Cache(None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stitch, "TOKENS", 200)
        patch.setitem(MAPS, "diagonal", DIAGONAL)
        yield measure_pair(a, b, CHUNKS, a.sites[:2], {}, controls=shared)


def test_a_new_rung_is_measured_drawn_and_reported(measured: Pair, tokenizer: Any) -> None:
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    facts = ModelFacts("a", None, "0" * 64, a.d_model, a.n_layers, 1)
    report = make_report(
        measured.result, [], Circumstances(Models(facts, facts), "a text", 24, False, "the command", {}, 1.0)
    )
    told = json.loads(msgspec.json.encode(report))
    table = list(csv.DictReader(io.StringIO(sites_csv(report))))
    page = report_html.report_html(report, measured.result)
    assert "each axis stretched" in page
    for index, found in enumerate(measured.result.sites):
        rows = {
            (m.name, s): residuals(m, CHUNKS.split(s).ids, a.sites)[a.sites[index]][:, 1:].flatten(0, 1).double()
            for m in (a, b)
            for s in ("fit", "test")
        }
        x, y = (rows[m.name, "fit"] - rows[m.name, "fit"].mean(0) for m in (a, b))
        guess = (rows[b.name, "test"] - rows[b.name, "fit"].mean(0)) * (x * y).sum(0) / (y * y).sum(0)
        expected = metrics.explained_variance(rows[a.name, "test"], guess + rows[a.name, "fit"].mean(0))
        e = found.ladder["diagonal"]
        assert e.value == pytest.approx(expected, abs=1e-4) and e.low <= e.value <= e.high
        assert list(found.ladder.rungs)[-1] == "diagonal"
        drawn = {t.y[0]: t.x[0] for t in figures.ladder(found, LIGHT).data}
        assert drawn["each axis stretched"] == e.value and drawn["affine"] == found.ladder["affine"].value
        assert told["sites"][index]["ev"]["diagonal"] == e.value
        assert told["sites"][index]["intervals"]["ev.diagonal"] == [e.low, e.high]
        assert float(table[index]["ev.diagonal"]) == e.value
        assert float(table[index]["ev.diagonal.high"]) == e.high
    assert decode_result(encode_result(measured.result)) == measured.result


def test_results_and_figures_without_the_rung_stay_as_they_are(measured: Pair) -> None:
    site = measured.result.sites[0]
    older = replace(site.ladder, rungs={k: e for k, e in site.ladder.rungs.items() if k != "diagonal"})
    assert "each axis stretched" not in {t.y[0] for t in figures.ladder(replace(site, ladder=older), LIGHT).data}


def differences(written: Any, stored: Any) -> list[Any]:
    """What a result says otherwise than its file; fields that the file is too old for are null, and no difference."""
    if isinstance(written, dict) and isinstance(stored, dict):
        missing = [key for key in set(written) ^ set(stored) if written.get(key, 0) is not None]
        return missing + [d for key in set(written) & set(stored) for d in differences(written[key], stored[key])]
    if isinstance(written, list) and isinstance(stored, list) and len(written) == len(stored):
        return [d for pair in zip(written, stored, strict=True) for d in differences(*pair)]
    return [] if written == stored else [(written, stored)]


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_results_and_maps_open_unchanged(name: str) -> None:
    study = open_study(name)
    for pair in study.file.pairs:
        data = (study.pair_path(pair.source, pair.target) / "result.json").read_bytes()
        result = decode_result(data)
        assert not differences(json.loads(encode_result(result)), json.loads(data))
        (raw,) = (s for s in json.loads(data)["sites"] if s["site"] == study.sites[0].name)
        ladder = result.sites[0].ladder
        assert list(ladder.rungs) == STORED
        assert {k: raw["ladder"][k]["value"] for k in ladder.rungs} == {k: e.value for k, e in ladder.rungs.items()}
        assert ladder.shuffled == tuple(raw["ladder"]["shuffled"])
    fitted = study.maps(pair.source, pair.target)[study.sites[1].name]
    assert set(map_registry.arms()) == set(fitted.by_name)
    with pytest.raises(InputError, match="no map 'diagonal' here: there are raw, translated"):
        fitted["diagonal"]


def test_maps_survive_the_disk(measured: Pair, tmp_path: Path) -> None:
    save_tensors(tmp_path, measured.maps, measured.clouds)
    x = torch.randn(9, measured.result.d_model)
    for site, stored in load_maps(tmp_path / "maps.safetensors").items():
        fitted = measured.maps[site]
        assert set(fitted.by_name) - set(stored.by_name) == LEFT_OUT
        for name, m in stored.by_name.items():
            close = {"atol": 1e-6} if MAPS[name].is_orthogonal else {"rtol": 0.01, "atol": 0.05}
            np.testing.assert_allclose(m(x), fitted[name](x), **close)
            np.testing.assert_allclose(m.forward, fitted[name].forward, **close)


def test_shrunk_maps_are_nearly_what_they_were(measured: Pair, tmp_path: Path) -> None:
    save_tensors(tmp_path, measured.maps, measured.clouds)
    path = tmp_path / "maps.safetensors"
    size, whole = path.stat().st_size, load_maps(path)
    shrink_maps(path)
    once = load_maps(path)
    shrink_maps(path)
    twice, eye = load_maps(path), torch.eye(measured.result.d_model)
    assert path.stat().st_size < 0.7 * size
    for site, fitted in whole.items():
        for name, m in fitted.by_name.items():
            found = once[site][name]
            lost = (found.matrix - m.matrix).norm() / m.matrix.norm()
            assert lost < (1e-3 if name == "rotated" else 2e-2), (site, name, lost)
            assert (found.forward - m.forward).norm() < 2e-2 * m.forward.norm()
            if MAPS[name].is_orthogonal:
                np.testing.assert_allclose(found.matrix @ found.matrix.T, eye, atol=1e-5)
            np.testing.assert_allclose(twice[site][name].matrix, found.matrix, atol=1e-5)


def test_damaged_results_are_told(measured: Pair) -> None:
    for data in (b"{", b"[]", b"{}", b'{"sites": [{"ladder": 3}]}', b'{"sites": [{"ladder": {}}]}'):
        with pytest.raises(msgspec.DecodeError):
            decode_result(data)


def test_the_table_says_what_holds_of_the_matrices(measured: Pair) -> None:
    eye = torch.eye(measured.result.d_model)
    for fitted in measured.maps.values():
        for name, entry in MAPS.items():
            m = fitted[name].matrix
            assert bool(((m @ m.T - eye).abs() < 1e-4).all()) == entry.is_orthogonal, name
            if entry.is_orthogonal:
                assert torch.equal(fitted[name].forward, m.T), "one matrix on disk is enough"
    for name in map_registry.arms():
        entry = MAPS[name]
        assert entry.is_drawn or entry.tensor, "an arm of the switch can be read from disk"
        assert entry.short and entry.read


def test_the_arms_of_steering_are_the_switchs_maps_and_two_more() -> None:
    assert set(get_args(arms.Arm)) == {"native", "none", *map_registry.arms()}
    contract = "native raw rotated affine shuffled random none"
    assert list(arms.ARMS) == contract.split(), "scripts pass these to --arm"
    assert set(arms.COMPARED) | set(arms.RECORDED) <= set(arms.ARMS)


def test_studies_that_are_older_than_an_arm_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    study, pair = open_study("tales"), ("seed0", "seed1")
    table = feature_table.atlas(study.features("seed0"), study.correspondence(*pair), study.sites[2])
    before = study.arms(*pair), feature_sentences.readings(table, 7), lane_titles("A", "B")
    assert before[0] == map_registry.arms()
    new = replace(DIAGONAL, is_arm=True, short="through diag(s)", tensor="diagonal")
    monkeypatch.setitem(MAPS, "diagonal", new)
    assert map_registry.arms() == (*before[0], "diagonal")
    assert (study.arms(*pair), feature_sentences.readings(table, 7)) == before[:2]
    assert lane_titles("A", "B") == before[2] | {"diagonal": ("B + diagonal", "A’s v, through diag(s)")}
    assert LIGHT.arm(map_registry.colour_of("diagonal")) == LIGHT.translated
