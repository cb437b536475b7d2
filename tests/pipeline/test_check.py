"""`check` from the command line on tiny models: outputs, exit codes, cache, text, dictionaries, comparisons."""

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer

from explorer.alignment.results import VERDICTS
from explorer.alignment.twin import make_twin
from explorer.cli import command_line as cli
from explorer.models.language_model import LanguageModel, load_model
from explorer.number_text import minus, number as written
from explorer.report.outputs import provenance_of
from explorer.sae import fit as sae_fit
from explorer.study.library import open_study
from explorer.study.recordings import read_recording
from explorer.text.tales import contrasts, stories as tales

FEW = ["--context", "32", "--device", "cpu", "--tokens"]
TALES = [*FEW, "26000"]
"""Enough documents for every split."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Any:
    """Two tiny Llama folders, a cache of its own, and short dictionary training."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("check")
    for name, seed in (("a", 0), ("b", 1)):
        tiny.save("llama", tokenizer, root / name, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(root / "cache"))
        patch.setattr(sae_fit, "ROWS", 8_000)
        patch.setattr(contrasts, "PLANS", contrasts.PLANS[:1])
        lines = [json.dumps({"text": text}) for text in tiny.stories(9000)]
        (root / "tales.jsonl").write_text("\n".join(lines))
        yield root


@pytest.fixture(scope="module")
def checked(place: Path) -> Path:
    """The folder of one check, with dictionaries and copied models."""
    out = place / "out"
    assert run(place, "a", "b", "--out", out, *TALES, "--copy-models", "--sites", "1,blocks.2.hook_resid_post") == 1
    return out


def run(place: Path, source: str, target: str, *more: Any) -> int:
    return cli.main(["check", str(place / source), str(place / target), *map(str, more)])


def plain(place: Path) -> list[Any]:
    """Without dictionaries, and on a file, which has no ready contrasts to measure."""
    return [*FEW, 9000, "--text", place / "tales.jsonl", "--sae", "none"]


def numbers(value: Any, name: str = "") -> dict[str, Any]:
    """Every leaf of a site in report.json by dotted name, written apart from the library's own."""
    if isinstance(value, dict):
        return {k: v for key, below in value.items() for k, v in numbers(below, f"{name}.{key}".strip(".")).items()}
    return {name: value}


def test_the_outputs_are_those_of_the_contract(checked: Path) -> None:
    assert sorted(p.name for p in checked.iterdir()) == [
        "report.html",
        "report.json",
        "rotations.safetensors",
        "sites.csv",
        "study",
    ]
    report = json.loads((checked / "report.json").read_text())
    assert report["schema"] == 1
    contract = {"id", "revision", "sha256", "d_model", "n_layers", "parameters"}
    assert set(report["models"]["source"]) == {*contract, "weights", "dictionaries"}
    assert set(report["rows"]) == {"fit", "validation", "test", "dropped"}
    assert set(report["function"]) == {"loss_source", "loss_target", "kl", "top1_agreement", "by_position"}
    assert {"ev_cross_site", "steering", "verdict", "reasons", "next", "command", "versions", "seconds"} <= set(report)
    assert [s["site"] for s in report["sites"]] == ["blocks.1.hook_resid_pre", "blocks.2.hook_resid_post"]
    for site in report["sites"]:
        assert set(site["ev"]) == {
            *("mean", "identity", "translation", "identity_scale", "permutation"),
            *("orthogonal", "orthogonal_scale", "affine", "token_residual"),
        }
        assert set(site["nulls"]) == {"shuffled", "untrained", "haar", "pca_signs", "token_lookup"}
        assert set(site["nulls_affine"]) == set(site["nulls_scale"]) == {"shuffled", "untrained"}
        arms = {"raw", "translated", "rotated", "affine"}
        assert set(site["sae"]) == {*("ceiling", "rotated_faithful", "shuffled", "l0"), *arms}
        assert set(site["sae_faithful"]) == {"ceiling", "shuffled", *arms}
        assert set(site["restored"]) == {"faithful", "paper"}
        for reading, evs in (("faithful", site["sae_faithful"]), ("paper", site["sae"])):
            assert set(site["restored"][reading]) == arms
            for arm, back in site["restored"][reading].items():
                room = evs["ceiling"] - evs["shuffled"]
                assert back is None or back == pytest.approx((evs[arm] - evs["shuffled"]) / room)
        assert site["dictionary"].startswith("TopK of 96 features, k = 6, ") and site["rows_test"] > 100
        assert set(site["rotation"]) == {
            *("frobenius_from_identity", "sqrt_2d", "det", "identified_rank"),
            *("identity_share", "haar_p", "ks_p_paper", "scale"),
        }
        assert set(site["stitch"]) == {"source_to_target", "target_to_source"}
        for arms in site["stitch"].values():
            assert {"mean", "orthogonal", "orthogonal_scale", "affine", "shuffled"} <= set(arms)
        assert set(site["firing"]) == {"raw", "rotated"}
        assert {"site", "rho", "rho_scale", "p", "decoder_cosine", "intervals", "verdict", "reasons"} <= set(site)
        assert set(site["similarity"]) == {"cka", "procrustes", "cca", "knn"}
        for name, index in site["similarity"].items():
            assert set(index) == {"value", "shuffled", "shuffled_best", "p", "twin"}
            assert index["twin"] == pytest.approx(0 if name == "procrustes" else 1, abs=1e-3), name
        assert site["pw_mcc"] is None, "the target has no dictionary"
        assert site["verdict"] in VERDICTS
        assert all(low <= high for low, high in site["intervals"].values())
    for name, best in report["similarity"].items():
        most = min if name == "procrustes" else max
        assert best["value"] == most(site["similarity"][name]["value"] for site in report["sites"])
    assert np.shape(report["ev_cross_site"]) == (2, 2)
    assert report["command"].startswith("python -m explorer check ")


def test_models_that_do_not_know_the_text_are_not_steered(checked: Path) -> None:
    assert json.loads((checked / "report.json").read_text())["steering"] is None
    assert '<h2>Steering</h2>\n<p class="quiet">Not judged' in (checked / "report.html").read_text()
    study = open_study(checked / "study")
    assert study.responses("A", "B") == []


def test_html_json_and_csv_agree(checked: Path) -> None:
    report = json.loads((checked / "report.json").read_text())
    rows = list(csv.DictReader((checked / "sites.csv").open()))
    html = (checked / "report.html").read_text()
    assert len(rows) == len(report["sites"])
    intervals: dict[str, Any] = {}
    body = re.sub(r"<[^>]+>", " ", html.split("<h2>Site by site</h2>")[1])
    for row, site in zip(rows, report["sites"], strict=True):
        bounds = site.pop("intervals")
        intervals[site["site"]] = {
            (reading, arm): bounds.get(f"restored.{reading}.{arm}", ())
            for reading, by_arm in site["restored"].items()
            for arm in by_arm
        }
        for name, value in numbers(site).items():
            if isinstance(value, float | int):
                assert float(row[name]) == value, name
            elif value is None:
                assert row[name] == ""
        for name, (low, high) in bounds.items():
            assert (float(row[f"{name}.low"]), float(row[f"{name}.high"])) == (low, high)
        shown = [site["ev"]["orthogonal"], site["ev"]["affine"], site["sae"]["rotated"], site["nulls"]["token_lookup"]]
        shown += [site["ev"]["orthogonal_scale"], site["rho_scale"], max(site["nulls_scale"].values())]
        shown += [site["stitch"]["target_to_source"]["orthogonal_scale"], site["rotation"]["frobenius_from_identity"]]
        for value in shown:
            assert written(value) in body
    for text in (report["verdict"].capitalize(), report["meaning"], *map(minus, report["reasons"]), report["next"]):
        assert text in html.replace("&#39;", "'").replace("&gt;", ">").replace("&lt;", "<")
    assert report["models"]["target"]["sha256"] in html
    unit, made = report["unit"], datetime.fromisoformat(report["date"])
    assert f"a bootstrap over {unit['count']:,} {unit['kind']} of the test text" in html
    assert f"{made.day} {made:%B %Y, %H:%M}" in html and abs((datetime.now(UTC) - made).total_seconds()) < 3600
    for site in report["sites"]:
        for reading, evs in (("faithful", site["sae_faithful"]), ("paper", site["sae"])):
            for arm, back in site["restored"][reading].items():
                ends = intervals[site["site"]][reading, arm]
                told = [*(written(v) for v in (back, *ends)), f"EV {written(evs[arm])}"]
                assert all(text in body for text in told), (reading, arm)
        assert site["dictionary"] in html and f"{site['rows_test']:,} test rows" in html
    figures = re.findall(r"<svg.*?</svg>", html)
    assert len(figures) == 8 and all(f.count('class="axis"') == 2 for f in figures[1:]), "titles on both axes"
    # Self-contained: nothing is fetched.
    assert not re.findall(r'(?:src|href)="(?!#)|url\(|@import|<script', html)


def test_losses_by_position_are_those_of_the_whole(checked: Path) -> None:
    report = json.loads((checked / "report.json").read_text())
    whole, bins = report["function"], report["function"]["by_position"]
    assert (report["context"], report["bos"]) == (32, True), "the shipped tokenizer adds an end of text"
    tokens = sum(b["tokens"] for b in bins)
    for name in ("loss_source", "loss_target", "kl"):
        assert sum(b["tokens"] * b[name] for b in bins) / tokens == pytest.approx(whole[name])
    assert [b["first"] for b in bins] == [0, *(b["last"] + 1 for b in bins[:-1])] and bins[-1]["last"] == 31
    figure = (checked / "report.html").read_text().split("Nats per token against the position")[2]
    assert figure.split("</svg>")[0].count("<circle") == 3 * len(bins)


def test_the_verdict_rests_on_one_number_with_its_null_and_its_references(checked: Path) -> None:
    report = json.loads((checked / "report.json").read_text())
    html = (checked / "report.html").read_text()
    by = report["decided_by"]
    (site,) = (s for s in report["sites"] if s["site"] == by["site"])
    assert site["verdict"] == report["verdict"]
    failed = report["verdict"] == "not aligned"
    assert by["rung"] == ("affine" if failed else "orthogonal_scale")
    nulls = site["nulls_affine" if failed else "nulls_scale"]
    assert (by["ev"], by["null"]) == (site["ev"][by["rung"]], max(nulls.values()))
    own, twin, untrained, shuffled = by["axis"]
    assert (own["ev"], [own["low"], own["high"]]) == (by["ev"], site["intervals"][f"ev.{by['rung']}"])
    assert twin["ev"] == pytest.approx(1, abs=1e-3), "the positive control stands for the twin"
    assert (untrained["ev"], shuffled["ev"]) == (nulls["untrained"], nulls["shuffled"])
    head = html.split("<h2>")[0]
    for value in (by["ev"], by["null"], untrained["ev"], shuffled["ev"]):
        assert f">{written(value)}</" in head
    assert "explained variance of A&#39;s rows" in head or "explained variance of A's rows" in head


def test_the_rotations_are_those_of_the_study(checked: Path) -> None:
    found = load_file(checked / "rotations.safetensors")
    study = open_study(checked / "study")
    maps = study.maps("A", "B")
    assert set(found) == {f"{site}.{part}" for site in maps for part in ("R", "mean_source", "mean_target")}
    x = torch.randn(5, 24)
    for site, m in maps.items():
        assert found[f"{site}.R"].dtype == torch.float32
        by_hand = (x - found[f"{site}.mean_target"]) @ found[f"{site}.R"] + found[f"{site}.mean_source"]
        np.testing.assert_allclose(m["rotated"](x), by_hand, atol=1e-5)


def test_the_study_opens_with_its_models_and_dictionaries(checked: Path) -> None:
    study = open_study(checked / "study")
    assert [m.name for m in study.file.models] == ["A", "B"]
    assert [s.index for s in study.sites] == [1, 3]
    assert all(
        (study.folder / m.path / "model.safetensors").is_file() and not Path(m.path).is_absolute()
        for m in study.file.models
    )
    result = study.pair("A", "B")
    report = json.loads((checked / "report.json").read_text())
    assert [s.ladder["orthogonal"].value for s in result.sites] == [s["ev"]["orthogonal"] for s in report["sites"]]
    assert len(study.features("A")) == 2 * 4 * 24
    assert len(study.correspondence("A", "B")) == 2 * 4 * 24
    assert set(study.clouds("A", "B")) == {s.name for s in study.sites}
    sae = study.load_dictionary("A", study.sites[0])
    assert sae is not None
    assert (sae.n_features, sae.k) == (96, 6)
    assert study.load_model("B").d_model == 24
    assert study.file.text.kind == "tales"


def test_a_second_run_is_at_least_ten_times_faster(place: Path, checked: Path) -> None:
    first = json.loads((checked / "report.json").read_text())
    again = place / "again"
    assert run(place, "a", "b", "--out", again, *TALES, "--copy-models", "--sites", "1,blocks.2.hook_resid_post") == 1
    second = json.loads((again / "report.json").read_text())
    assert second["seconds"] * 10 < first["seconds"]
    assert second["sites"] == first["sites"]
    assert str(again) in second["command"]


def test_without_tokens_a_copy_is_settled_before_all_is_read_and_the_report_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / "grown"
    options = ["--context", 32, "--device", "cpu", "--sae", "none", "--sites", "2"]
    assert run(place, "a", "a", "--out", out, *options) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["verdict"] == "shared basis"
    assert report["read"]["tokens"] < 0.4 * report["read"]["of"] and report["read"]["of"] >= 65_536
    assert report["rows"]["fit"] < 0.3 * report["read"]["of"]
    written_on = (out / "report.html").read_text(), capsys.readouterr().out
    assert all(report["reading"] in text for text in written_on)
    assert f"after {report['read']['tokens']:,} of" in report["reading"]
    study = open_study(out / "study")
    assert study.pair("A", "B").read is not None, "pages know it as well"


def test_a_model_with_itself_is_a_shared_basis_and_json_is_one_object(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(place, "a", "a", "--out", place / "self", *plain(place), "--sites", "2", "--json")
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report == json.loads((place / "self" / "report.json").read_text())
    assert (code, report["verdict"]) == (0, "shared basis")
    site = report["sites"][0]
    assert site["sae"] is None
    assert site["firing"] is None
    assert site["rotation"]["identified_rank"] == 24
    assert site["rotation"]["identity_share"] == pytest.approx(1, abs=1e-4)
    study = open_study(place / "self" / "study")
    assert all(Path(m.path).is_absolute() for m in study.file.models)


def test_a_text_of_ones_own_is_stored_in_the_study(place: Path) -> None:
    text = place / "mine.txt"
    text.write_text(" ".join(d.text for d in tales.documents("example", 160)))
    out = place / "own"
    more = ["--text", text, "--sae", "none", "--sites", "1"]
    assert run(place, "a", "b", "--out", out, *FEW, 58_000, *more) == 1
    study = open_study(out / "study")
    assert study.file.text.kind == "file"
    texts = [d.text for d in study.corpus.documents()]
    assert texts == [text.read_text()[: len(texts[0])]], "one long document stays whole, so that no context is cut"
    assert len(study.chunks().document.unique()) > 5, "and is split by its blocks"
    report = json.loads((out / "report.json").read_text())
    assert report["rows"]["fit"] == study.pair("A", "B").rows.fit
    assert "mine.txt" in report["text"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "nowhere"], "there is no folder"),
        (["a", "b", "--tokens", "100"], "not assessable: .* at least 20·d = 480 .* are needed"),
        (["a", "b", "--sites", "9"], "no site '9'"),
        (["a", "b", "--text", "missing.txt"], "cannot read the text 'missing.txt'"),
        (["a", "b", "--sae", "missing"], "missing"),
        (["a", "wide"], "not assessable: widths differ"),
        (["a", "other"], "not assessable: .* token ids"),
        (["a", "broken"], "non-finite weights"),
        (["a", "b", "--device", "tpu"], "auto, cpu, cuda or mps"),
    ],
)
def test_what_cannot_be_assessed_is_one_line_and_writes_nothing(
    arguments: list[str], message: str, place: Path, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments[1] == "wide" and not (place / "wide").exists():
        tiny.network("llama", hidden_size=32).save_pretrained(place / "wide")
        tokenizer.save_pretrained(place / "wide")
    if arguments[1] == "other" and not (place / "other").exists():
        from explorer.training.tokenizer import train_tokenizer

        tiny.save("llama", tokenizer, place / "other", 2)
        train_tokenizer((d.text for d in tales.documents("train", 30)), 300, place / "other")
    if arguments[1] == "broken" and not (place / "broken").exists():
        network = tiny.network("llama", 3)
        with torch.no_grad():
            network.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
        network.save_pretrained(place / "broken")
        tokenizer.save_pretrained(place / "broken")
    out = place / "never"
    assert run(place, arguments[0], arguments[1], "--out", out, *plain(place), *arguments[2:]) == 2
    told = capsys.readouterr()
    assert not out.exists()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("error: ")
    assert re.search(message, line), line


STORY = tiny.stories(9000)[0]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([STORY] * 300, r"1, 1 and 1 different documents"),
        ([f"{STORY[:90]} {name}." for name in ("fox", "owl", "cat")] * 1000, r"3, 3 and 3 different documents"),
        ([f"{STORY[:60]}{'!' * n}" for n in range(80)], r"1?\d\d of them different, .* 5·d = 120"),
        (tiny.stories(9000)[:50], "9 different documents to fit, validate and test, where at least 10"),
    ],
    ids=["one", "three", "template", "few"],
)
def test_text_of_too_little_variety_is_refused_before_a_model_runs(
    texts: list[str], message: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def runs(model: LanguageModel, ids: Tensor) -> None:
        # A model is tried on a token or two as it is opened.
        assert ids.numel() <= 2, "a model reads text"
        model.network(ids)

    monkeypatch.setattr(LanguageModel, "run_blocks", runs)
    monkeypatch.setattr(LanguageModel, "logits", runs)
    text = place / "poor.jsonl"
    text.write_text("\n".join(json.dumps({"text": t}) for t in texts))
    assert run(place, "a", "a", "--out", place / "never", *FEW, 60_000, "--text", text) == 2
    assert not (place / "never").exists()
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert told.out == ""
    assert re.search(f"error: not assessable: .*{message}", line), line


@pytest.mark.parametrize("difference", ["bos", "pad", "rows"])
def test_what_the_text_never_uses_keeps_no_pair_from_being_compared(
    difference: str, place: Path, tokenizer: Any
) -> None:
    """One tokenizer that adds BOS and one that does not; one token more; rows of padding behind the tokens."""
    if difference == "bos":
        tiny.save("llama", tokenizer, place / "bos")
        tiny.with_bos(tokenizer, place / "bos")
    else:
        network = tiny.network("llama")
        network.resize_token_embeddings(tiny.VOCABULARY + {"pad": 1, "rows": 64}[difference])
        network.save_pretrained(place / difference)
        reads = AutoTokenizer.from_pretrained(place / "a")
        reads.add_special_tokens({"pad_token": "[PAD]"} if difference == "pad" else {})
        reads.save_pretrained(place / difference)
    for number, pair in enumerate((("a", difference), (difference, "a"))):
        out = place / f"{difference}{number}"
        assert run(place, *pair, "--out", out, *plain(place), "--sites", "2") == 0
        report = json.loads((out / "report.json").read_text())
        assert report["verdict"] == "shared basis"
        assert report["function"]["kl"] == pytest.approx(0, abs=1e-6)
        assert report["function"]["top1_agreement"] == 1
        assert report["function"]["loss_source"] == pytest.approx(report["function"]["loss_target"], rel=1e-6)
        for scores in report["sites"][0]["stitch"].values():
            assert scores["orthogonal"] == pytest.approx(1, abs=1e-3)


def test_several_targets_give_a_report_each_and_an_overview(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = place / "several"
    targets = [str(place / "b"), str(place / "nowhere")]
    few = [*map(str, plain(place)), "--sites", "1"]
    assert cli.main(["check", str(place / "a"), *targets, "--out", str(out), *few]) == 2
    assert (out / "b" / "report.json").is_file()
    assert not (out / "nowhere").exists()
    sites = [line for line in capsys.readouterr().err.splitlines() if "EV of R" in line]
    assert len(sites) == 1
    assert re.match(r".*b:\s+after 1: [a-z ]+; EV of R with one scale −?\d\.\d\d, affine .*CE", sites[0])
    overview = json.loads((out / "overview.json").read_text())
    assert [t["verdict"] for t in overview["targets"]][1] == "not assessable"
    assert 'href="b/report.html"' in (out / "overview.html").read_text()
    assert cli.main(["compare", str(out / "b"), str(out / "b"), "--json"]) == 0
    same = json.loads(capsys.readouterr().out)["differences"]
    assert len(same) > 30
    assert not any(d["apart"] for d in same)
    by_name = {(d["site"], d["name"]): d for d in same}
    assert all(("", name) in by_name for name in ("verdict", "loss_source", "loss_target", "kl", "top1_agreement"))
    assert by_name["", "kl"]["apart"] is None, "without an interval nothing is judged"
    ev = by_name["blocks.1.hook_resid_pre", "ev.affine"]
    assert ev["apart"] is False and ev["left_interval"] == ev["right_interval"]
    assert cli.main(["compare", str(out / "b"), str(out)]) == 2


@pytest.mark.slow
def test_several_targets_lie_in_one_space_and_r_comes_without_pairs(
    place: Path, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = load_model(place / "a")
    for seed in (1, 2):
        make_twin(source, seed).network.save_pretrained(place / f"twin{seed}")
        tokenizer.save_pretrained(place / f"twin{seed}")
    out, targets = place / "space", [str(place / "twin1"), str(place / "twin2")]
    few = [*map(str, plain(place)), "--sites", "1", "--pairs", "none"]
    cli.main(["check", str(place / "a"), *targets, "--out", str(out), *few])
    said = capsys.readouterr().out
    assert "3 models in one space: at after 1 " in said and "without pairs: R explains" in said
    space = json.loads((out / "one_space.json").read_text())
    assert space["models"] == ["source", "twin1", "twin2"]
    (site,) = space["sites"]
    assert site["cycles"]["largest"] < 1e-3 < site["shuffled_cycles"]["mean"]
    np.testing.assert_allclose(site["through_space"], np.ones((3, 3)), atol=1e-4)
    report = json.loads((out / "twin1" / "report.json").read_text())
    (told,), paths = report["sites"], report["weight_space"]["paths"]
    assert max(paths["rotated"]["losses"]) - min(paths["rotated"]["losses"]) < 1e-3 < paths["plain"]["apart"]
    assert "half way between the weights the loss is" in said
    unpaired = told["unpaired"]
    assert unpaired["paired"] == pytest.approx(1, abs=1e-3)
    assert unpaired["shuffled"] < 0.5
    study = open_study(out / "twin1" / "study").similarity("A", "B")
    assert study is not None and study.sites[0].unpaired is not None
    assert study.sites[0].unpaired.ev == unpaired["ev"]


@pytest.mark.slow
def test_steps_are_named_and_never_go_back(place: Path) -> None:
    from explorer.pipeline.check_options import CheckOptions, Checkpoint
    from explorer.pipeline.estimate import planned
    from explorer.pipeline.progress import CheckProgress
    from explorer.pipeline.run_check import check

    heard: list[tuple[str, float]] = []
    told: list[tuple[str, str]] = []
    options = CheckOptions(tokens=26_000, context=32, sites="0,2", seed=9)
    pair = Checkpoint(str(place / "a")), Checkpoint(str(place / "b"))
    progress = CheckProgress(
        lambda step, share: heard.append((step, share)), lambda site: told.append((site.label, heard[-1][0]))
    )
    made = check(*pair, place / "steps", options, "x", progress)
    assert [share for _, share in heard] == sorted(share for _, share in heard)
    steps = list(dict.fromkeys(step for step, _ in heard))
    known = [part.step for part in planned([place / "a", place / "b"], options)]
    # These models do not know the text, so that no vector is measured in them.
    steered = [step for step in known if "contrasts" in step]
    assert steps == ["looking for the models", *(s for s in known if s not in steered), "done"]
    assert told == [(label, f"nulls at {label}") for label in ("input", "after 2")], "each when it is known"
    assert [site.verdict for site in made.sites] == [site.verdict.verdict for site in progress.sites if site.verdict]
    assert read_recording(open_study(place / "steps" / "study"), "A", "B") is not None


@pytest.mark.slow
def test_a_killed_run_is_taken_up_where_it_stopped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.pipeline.check_options import CheckOptions, Checkpoint
    from explorer.pipeline.progress import CheckProgress
    from explorer.pipeline.run_check import check

    options = CheckOptions(text=str(place / "tales.jsonl"), tokens=9000, context=32, sites="0", seed=5)
    pair = Checkpoint(str(place / "a")), Checkpoint(str(place / "b"))

    class Killed(BaseException):
        pass

    def until(step: str) -> Any:
        def report(now: str, _share: float) -> None:
            steps.append(now)
            if now.startswith(step):
                raise Killed

        return CheckProgress(report)

    steps: list[str] = []
    with pytest.raises(Killed):
        check(*pair, place / "killed", options, "x", until("scoring test text"))
    assert not (place / "killed").exists()
    assert any(s.startswith("dictionary at input") for s in steps)
    steps.clear()
    made = check(*pair, place / "killed", options, "x", until("never"))
    assert not any(s.startswith("dictionary at") for s in steps), "the dictionary was kept"
    assert "reading fit text" not in steps, "the first pass was kept"
    assert "scoring test text" in steps
    assert made.sites[0].sae is not None
    assert not list((place / "cache").rglob("*.partial"))
    monkeypatch.setenv("EXPLORER_CACHE", str(place / "another cache"))
    assert check(*pair, place / "whole", options, "x", until("never")).sites == made.sites


def test_a_check_that_waits_for_the_same_one_can_be_cancelled(place: Path) -> None:
    from explorer.jobs import Cancelled
    from explorer.models.hub import digest
    from explorer.pipeline.check_options import CheckOptions, Checkpoint
    from explorer.pipeline.progress import CheckProgress
    from explorer.pipeline.run_check import _Work, check

    options, places = CheckOptions(tokens=9000, context=32, sites="1", seed=11), [place / "a", place / "b"]

    def report(step: str, _share: float) -> None:
        if step.startswith("waiting for the same check"):
            raise Cancelled

    with (
        _Work(places, [digest(p) for p in places], options).lock(lambda step: report(step, 0.0)),
        pytest.raises(Cancelled),
    ):
        check(*(Checkpoint(str(p)) for p in places), place / "never", options, "x", CheckProgress(report))
    assert not (place / "never").exists()


@pytest.mark.slow
def test_massive_rows_are_put_back_when_asked(place: Path, tokenizer: Any) -> None:
    network = tiny.network("llama", 0)
    with torch.no_grad():
        network.get_input_embeddings().weight[tokenizer(" the", add_special_tokens=False)["input_ids"][0]] *= 300
    network.save_pretrained(place / "massive")
    tokenizer.save_pretrained(place / "massive")
    rows = []
    for more in ([], ["--keep-massive"]):
        run(place, "massive", "massive", "--out", place / "m", *plain(place), "--sites", "0", *more)
        rows.append(json.loads((place / "m" / "report.json").read_text())["rows"])
    assert rows[0]["dropped"] > 0
    assert rows[1]["dropped"] == 0
    assert sum(rows[1][s] for s in ("fit", "validation", "test")) == sum(rows[0].values())


def test_the_report_says_how_the_weights_are_related(checked: Path, place: Path) -> None:
    """Of two seeds, and of a model and itself, which is still checked."""
    report = json.loads((checked / "report.json").read_text())
    assert report["lineage"]["kind"] == "trained apart" and report["lineage"]["ev"] < 0.5
    assert report["lineage"]["sentence"].split(":")[0] in (checked / "report.html").read_text()
    out = place / "same"
    assert run(place, "a", "a", "--out", out, *plain(place), "--sites", "1") in (0, 1)
    report = json.loads((out / "report.json").read_text())
    assert report["lineage"]["kind"] == "same weights"
    assert report["lineage"]["equal"] == report["lineage"]["of"]
    told = provenance_of(open_study(out / "study")).lineage
    assert told is not None and told.sentence == report["lineage"]["sentence"]
