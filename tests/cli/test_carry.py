"""transfer --probe and --lens from the command line: on the twin, what is carried does as at home; files come back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from test_live import site_maps

from explorer.alignment.orthogonal import haar
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.twin import twin_rotation
from explorer.cli import command_line as cli
from explorer.errors import InputError
from explorer.files import write_json
from explorer.models.sites import all_sites
from explorer.pipeline.carried_files import measure_carried_readers
from explorer.study.library import open_study
from explorer.study.pair_tensors import save_tensors
from explorer.study.schema import SCHEMA, PairEntry, StudyFile
from explorer.text.documents import TextEntry

D, LAYERS = tiny.SHAPE["hidden_size"], tiny.SHAPE["num_hidden_layers"]
SITES = all_sites(LAYERS)


@pytest.fixture(scope="module")
def study(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """seed0 → twin through its Q, and seed0 → seed1, measured at one site only."""
    folder = tmp_path_factory.mktemp("studies") / "mine"
    models = tiny.seeds_and_twin(tokenizer, folder)

    def maps(r: torch.Tensor) -> SiteMaps:
        made = site_maps(r)
        wrong = replace(made["rotated"], matrix=haar(D, 7).float(), forward=haar(D, 7).float().T.contiguous())
        return SiteMaps({**made.by_name, "shuffled": wrong})

    save_tensors(folder / "pairs" / "seed0-twin", {s.name: maps(twin_rotation(D, 0).T) for s in SITES}, {})
    save_tensors(folder / "pairs" / "seed0-seed1", {SITES[1].name: maps(haar(D, 3))}, {})
    text = TextEntry("tales", "held-out", 60, 48, 0.9)
    pairs = (PairEntry("seed0", "twin"),)
    file = StudyFile(SCHEMA, "mine", "A tiny study", D, LAYERS, models, (), text, pairs, {}, {})
    write_json(folder / "study.json", file)
    return folder


def transfer(study: Path, out: Path, **options: object) -> list[str]:
    chosen = {"source": "seed0", "target": "twin", "out": out} | options
    said = {f"--{name.replace('_', '-')}": value for name, value in chosen.items()}
    return ["transfer", str(study), *(name if value is None else f"{name}={value}" for name, value in said.items())]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_probe_that_is_fitted_first(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main([*transfer(study, out, probe="fit", labels="slot=people", site=1), "--json"]) == 0
    printed, noise = capsys.readouterr()
    assert (printed.count("\n"), noise) == (1, "")
    found = json.loads(printed)
    assert json.loads((out / "scores.json").read_text()) == found
    assert found["classes"] == ["all others", "people"]
    assert found["scores"]["rotated"]["auc"] == pytest.approx(found["scores"]["home"]["auc"], abs=1e-3)
    assert found["scores"]["home"]["auc"] > found["scores"]["shuffled"]["auc"] + 0.05
    made, carried = load_file(out / "probe_source.safetensors"), load_file(out / "probe.safetensors")
    np.testing.assert_allclose(carried["weight"], made["weight"] @ twin_rotation(D, 0).float(), atol=1e-3)
    # The same probe from its file, with labels from a file: for each document whether it is long.
    texts = [d.text for d in open_study(study).corpus.documents()]
    middle = sorted(map(len, texts))[30]
    lines = [json.dumps({"text": text, "label": len(text) > middle}) for text in texts]
    (tmp_path / "long.jsonl").write_text("\n".join(lines))
    again = transfer(
        study, tmp_path / "b", probe=out / "probe_source.safetensors", labels=tmp_path / "long.jsonl", site=1
    )
    assert cli.main(again) == 0
    assert "long.jsonl (false, true) at after 1" in capsys.readouterr().out
    for name, tensor in load_file(tmp_path / "b" / "probe.safetensors").items():
        torch.testing.assert_close(tensor, carried[name])


def test_lenses_of_every_layer_and_of_a_file(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main([*transfer(study, out, lens="fit"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [lens["site"] for lens in found["lenses"]] == [site.name for site in SITES[:-1]]
    for lens in found["lenses"]:
        kl = {name: score["kl"]["value"] for name, score in lens["scores"].items()}
        assert kl["rotated"] == pytest.approx(kl["home"], abs=1e-3)
        assert kl["raw"] > kl["home"] < kl["shuffled"]
    source, carried = load_file(out / "lens_source.safetensors"), load_file(out / "lens.safetensors")
    assert set(source) == set(carried) == {f"{s.name}.{part}" for s in SITES[:-1] for part in ("weight", "bias")}
    stored = {"layer_translators.1.weight": source[f"{SITES[1].name}.weight"] - torch.eye(D)}
    save_file(stored, tmp_path / "tuned.safetensors")
    tuned = transfer(study, tmp_path / "b", lens=tmp_path / "tuned.safetensors", lens_form="residual", site=1)
    assert cli.main(tuned) == 0
    assert "lens at after 1" in capsys.readouterr().out
    written = load_file(tmp_path / "b" / "lens.safetensors")
    assert set(written) == {"layer_translators.1.weight", "layer_translators.1.bias"}
    q = twin_rotation(D, 0).float()
    expected = q.T @ source[f"{SITES[1].name}.weight"] @ q - torch.eye(D)
    np.testing.assert_allclose(written["layer_translators.1.weight"], expected, atol=1e-4)
    assert cli.main(transfer(study, tmp_path / "c", lens="logit", site="after 2")) == 0
    assert "twin's logit lens" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": "fit", "site": 1}, "--probe needs --labels: a jsonl file, or a label of the study's text"),
        ({"probe": "fit", "labels": "mood"}, "--probe needs --site"),
        ({"probe": "fit", "labels": "lake", "site": 1}, "--labels 'lake': there is no such label"),
        ({"probe": "gone.safetensors", "labels": "mood", "site": 1}, "'gone.safetensors' is no file"),
        (
            {"probe": "{three}", "labels": "slot=people", "site": 1},
            "has 3 rows, and --labels 2 classes (all others, pe",
        ),
        ({"lens": "{three}"}, "and no layer of 3 blocks"),
        ({"lens": "fit", "target": "seed1", "site": 1}, "blocks.2.hook_resid_post is not measured for seed0 → seed1"),
        ({"lens": "fit", "probe": "fit"}, "argument --probe: not allowed with argument --lens"),
        ({"lens": "fit", "lens_form": "odd"}, "invalid choice: 'odd'"),
        ({"sae": "a"}, "--sae needs --site"),
        ({"sae": "a", "site": 1, "json": None}, "--json says how a probe or a lens does"),
        ({"site": 1}, "one of the arguments --sae --probe --lens"),
    ],
)
def test_what_cannot_be_carried_is_one_line(
    options: dict[str, object], message: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"weight": torch.randn(3, D), "bias": torch.randn(3)}, tmp_path / "three.safetensors")
    three = tmp_path / "three.safetensors"
    given = {k: v if v is None else str(v).format(three=three) for k, v in options.items()}
    assert message in refused(transfer(study, tmp_path / "out", **given), capsys)
    assert not (tmp_path / "out").exists(), "exit 2 writes nothing"


def test_a_study_keeps_them(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_study(study)
    assert opened.carried("seed0", "twin") is None
    monkeypatch.setattr(type(opened.corpus), "probe_labels", ("slot=people",))
    lines: list[str] = []
    measure_carried_readers(opened, lines.append)
    assert lines == ["probes and lenses of seed0 → twin"]
    found = opened.carried("seed0", "twin")
    assert found is not None
    assert [p.site for p in found.probes] == [s.name for s in SITES]
    assert [lens.site for lens in found.lenses] == [s.name for s in SITES[:-1]]
    measure_carried_readers(opened, lines.append)
    assert len(lines) == 1, "what is there is kept"
    path = opened.pair_path("seed0", "twin") / "carried.json"
    path.write_text(path.read_text().replace('"shuffled"', '"shuffeld"'))
    with pytest.raises(InputError, match=r"carried.json' is damaged: what it says of blocks.0.* lacks 'shuffled'"):
        opened.carried("seed0", "twin")


def test_weights_that_do_not_fit_together_are_damaged() -> None:
    shipped = open_study("tales").weight_space("seed0", "twin")
    assert shipped is not None
    assert abs(shipped.paths["rotated"].barrier) < 1e-3 < shipped.paths["plain"].barrier
    for broken in (replace(shipped, shares=(0.0, 1.0)), replace(shipped, paths={"plain": shipped.paths["plain"]})):
        with pytest.raises(ValueError, match=r"2 shares|lacks the path 'permuted'"):
            broken.check()
