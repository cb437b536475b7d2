"""Check a pair without a browser: fields examined, the estimate within reason, the states of the page (AppTest)."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import tiny
from background import until
from streamlit.testing.v1 import AppTest
from test_rotation_page import figure, values

from explorer.alignment.pair_verdict import deciding_site, decisive
from explorer.alignment.verdict import MOSTLY
from explorer.errors import InputError
from explorer.files import write_json
from explorer.models import polypythias as pair_presets
from explorer.models.shape import ModelShape, read_shape, shape_of
from explorer.models.sites import all_sites
from explorer.number_text import duration, number as written
from explorer.palette import LIGHT
from explorer.pipeline import asked_checks, estimate, machine_memory
from explorer.pipeline.asked_checks import AskedCheck, lost
from explorer.pipeline.check_form import Fields, examine
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.check_queue import CHECKS
from explorer.pipeline.progress import CheckProgress, PlannedPart
from explorer.pipeline.run_check import check
from explorer.presentation.check import captions as sentences
from explorer.presentation.rotation import questions as figures_rotation, sites as figures
from explorer.progress import Report
from explorer.report import outputs as study_outputs
from explorer.study import library as studies, references, verdict_axis
from explorer.study.archive import export_study, import_study
from explorer.study.library import OwnStudy, adopt, open_study, own_names, shipped_pair, unfinished_folder

ROOT = Path(__file__).resolve().parents[2]
APP = str(ROOT / "explorer" / "app.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pair")


@pytest.fixture(scope="module")
def models(folder: Path, tokenizer: Any) -> tuple[Path, Path]:
    """Two random models of one shape, and in odd/ some that cannot be paired with them."""
    wide = tiny.network("llama", hidden_size=32)
    wide.save_pretrained(folder / "odd" / "wide")
    tokenizer.save_pretrained(folder / "odd" / "wide")
    deep = tiny.network("llama", num_hidden_layers=4)
    deep.save_pretrained(folder / "odd" / "deep")
    tokenizer.save_pretrained(folder / "odd" / "deep")
    flax = tiny.save("llama", tokenizer, folder / "odd" / "flax")
    (flax / "model.safetensors").rename(flax / "flax_model.msgpack")
    (folder / "odd" / "empty").mkdir()
    a, b = (tiny.save("llama", tokenizer, folder / name, seed) for seed, name in enumerate("AB"))
    return a, b


@pytest.fixture(autouse=True)
def places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of this module's own, and only its folder may be read."""
    monkeypatch.setenv("EXPLORER_CACHE", str(folder / "cache"))
    monkeypatch.setenv("EXPLORER_ROOTS", str(folder))


@pytest.fixture(scope="module")
def checked(folder: Path, models: tuple[Path, Path]) -> Iterator[OwnStudy]:
    """A real check of the pair, as the queue would leave it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(folder / "cache"))
        made = unfinished_folder()
        # A file: unlike the grammar it has no ready contrasts, which take longest.
        text = folder / "stories.txt"
        text.write_text("<|endoftext|>".join(tiny.stories(4000)))
        options = CheckOptions(str(text), sae="none", tokens=4000, context=32, sites="0,2,3")
        check(Checkpoint(str(models[0])), Checkpoint(str(models[1])), made, options, "python -m explorer check …")
        yield adopt(made, "a-b")


def fields(models: tuple[Path, Path], **changes: Any) -> Fields:
    return replace(Fields(str(models[0]), str(models[1]), "", tokens=4000, context=32), **changes)


def test_a_good_form_becomes_the_request_of_the_command_line(models: tuple[Path, Path], folder: Path) -> None:
    (folder / "mine.txt").write_text("Some text.")
    request = examine(fields(models, text=f" {folder}/mine.txt ", sites="0, 2", sae="none", seed=3, copy_models=True))
    assert request.source == Checkpoint(str(models[0])) and request.target == Checkpoint(str(models[1]))
    expected = CheckOptions(
        str(folder / "mine.txt"), sites="0, 2", sae="none", tokens=4000, context=32, seed=3, copy_models=True
    )
    assert request.options == expected
    assert request.title == "A → B" and request.wish == "a-b"
    assert request.command == (
        f"python -m explorer check {models[0]} {models[1]} --out DIR --text {folder}/mine.txt --sites '0, 2' "
        "--sae none --tokens 4000 --context 32 --seed 3 --copy-models"
    )
    hub = examine(Fields("EleutherAI/pythia-14m-seed1", "EleutherAI/pythia-14m-seed2", "", "step1000", "step1000"))
    assert hub.source == Checkpoint("EleutherAI/pythia-14m-seed1", "step1000")
    assert hub.title == "pythia-14m-seed1@step1000 → pythia-14m-seed2@step1000"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"source": ""}, "Source A is empty"),
    ({"target": "   "}, "Target B is empty"),
    ({"source": "/etc"}, "Source A: '/etc' lies outside"),
    ({"target": "{folder}/../../etc"}, "Target B: .* lies outside"),
    ({"source": "{folder}/missing"}, "Source A: there is no folder"),
    ({"source": "{folder}/odd/empty"}, "no config.json"),
    ({"source": "{folder}/odd/flax"}, "holds no weights"),
    ({"source": "a\x00b"}, "control characters"),
    ({"source": "x" * 501}, "too long"),
    ({"source": "not a hub id"}, "lies outside"),
    ({"target": "{folder}/odd/wide"}, "the widths differ .A 24, B 32"),
    ({"target": "{folder}/odd/deep"}, "the depths differ .A 3, B 4"),
    ({"revision_source": "step1"}, "a folder has no revision 'step1'"),
    ({"text": "/etc/passwd"}, "Text: '/etc/passwd' lies outside"),
    ({"text": "{folder}/missing.txt"}, "Text: there is no file"),
    ({"text": "{folder}/A/model.safetensors"}, "Text: 'model.safetensors' is of no kind"),
    ({"sites": "0,9"}, "Sites: no site '9'"),
    ({"sites": "middle"}, "Sites: no site 'middle'"),
    ({"sae": "file"}, "Dictionaries: give the folder"),
    ({"sae": "file", "sae_path": "/etc"}, "Dictionaries: '/etc' lies outside"),
    ({"sae": "file", "sae_path": "{folder}/missing"}, "Dictionaries: there is no"),
    ({"sae": "borrow"}, "Dictionaries: 'borrow'"),
    ({"tokens": 10}, "Tokens: 10; give 2,000 to"),
    ({"tokens": 10**9}, "Tokens: 1,000,000,000; give"),
    ({"context": 1}, "Context: 1; give 16"),
    ({"context": 512}, "at most 256"),
    ({"seed": -1}, "Seed: -1; give 0"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message[:24] for _, message in BAD])
def test_a_mistake_is_one_line_that_names_the_field(
    models: tuple[Path, Path], folder: Path, changes: dict[str, Any], message: str
) -> None:
    given = {k: v.format(folder=folder) if isinstance(v, str) else v for k, v in changes.items()}
    with pytest.raises(InputError, match=message) as raised:
        examine(fields(models, **given))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("family", sorted(tiny.SETTINGS))
@pytest.mark.parametrize("tied", [False, True])
def test_the_shape_of_a_config_is_that_of_the_model(family: str, tied: bool) -> None:
    made = tiny.network(family, tied=tied)
    shape = shape_of(made.config.to_dict())
    assert shape is not None
    assert (shape.d_model, shape.n_layers, shape.vocabulary) == (24, 3, tiny.VOCABULARY)
    matrices = sum(
        p.numel() for n, p in made.named_parameters() if p.ndim == 2 and "position" not in n and "wpe" not in n
    )
    assert shape.parameters == matrices, "norms, biases and positions are left out, and nothing else"


def test_what_is_no_model_has_no_shape(folder: Path) -> None:
    assert shape_of({}) is None and shape_of({"hidden_size": 8}) is None
    assert read_shape(str(folder / "missing")) is None and read_shape(str(folder)) is None
    (folder / "config.json").write_text("[1]")
    with pytest.raises(InputError, match=r"config\.json' is damaged: Expected object, got array; give the config"):
        read_shape(str(folder))
    assert read_shape("somebody/something") is None, "the hub is not asked"


def test_a_polypythia_is_known_before_it_is_downloaded() -> None:
    for size, parameters in (("14m", 14e6), ("31m", 31e6), ("70m", 70e6), ("160m", 162e6), ("410m", 405e6)):
        shape = read_shape(pair_presets.pythia(size, 3))
        assert shape is not None and abs(shape.parameters / parameters - 1) < 0.05
    assert read_shape("EleutherAI/pythia-14m-seed10") is None
    assert [pair_presets.revision(s) for s in (0, 512, 143_000)] == ["step0", "step512", "step143000"]
    for bad in (3, 1500, 144_000, -1):
        with pytest.raises(InputError, match="no checkpoint"):
            pair_presets.revision(bad)
    for size, seed in (("70m", 0), ("70m", 10), ("12b", 1)):
        with pytest.raises(InputError, match="no PolyPythia"):
            pair_presets.pythia(size, seed)
    for model in shipped_pair():
        assert (model / "config.json").is_file()


SMALL = ModelShape(128, 4, 800_000, 2048, 1_300_000, 256)
PYTHIA = ModelShape(512, 6, 18_900_000, 50_304, 70_400_000, 2048)


def needs(shape: ModelShape = SMALL, sites: int = 5, speed: float = 5e10, **options: Any) -> estimate.CheckEstimate:
    return estimate.estimate(shape, shape, CheckOptions(**options), all_sites(sites - 1), speed)


def test_the_estimate_grows_with_everything_that_costs() -> None:
    base = needs()
    for more in (needs(PYTHIA), needs(sites=6)):
        assert more.seconds > base.seconds and more.memory >= base.memory
    fixed, longer = needs(tokens=65_536), needs(tokens=131_072)
    assert longer.seconds > fixed.seconds and longer.memory >= fixed.memory
    assert needs(PYTHIA).memory > base.memory and needs(sites=6).memory > base.memory
    for less in (needs(sae="none"), needs(speed=1e11)):
        assert less.seconds < base.seconds and less.memory <= base.memory
    for changes in ({"d_model": 256}, {"n_layers": 8, "blocks": 1_600_000}, {"vocabulary": 50_000}):
        assert needs(replace(SMALL, **changes)).seconds > base.seconds
    assert needs(replace(SMALL, parameters=2 * SMALL.parameters)).memory > base.memory


def test_the_estimate_of_the_contract_is_about_ten_minutes() -> None:
    found = needs(PYTHIA, sites=7, speed=2e11, text="pile.jsonl")
    assert 240 < found.seconds < 1500 and 1e9 < found.memory < 8e9
    # Nobody steers a model by contrasts of a text that it does not know.
    assert needs(PYTHIA, sites=7, speed=2e11) == found
    assert needs().seconds > needs(text="pile.jsonl").seconds


def test_the_speed_is_that_of_a_machine() -> None:
    assert 1e8 < estimate.speed() < 1e14
    memory = machine_memory()
    assert memory is None or memory > 1e8


def test_words_for_time_and_size() -> None:
    assert [duration(s) for s in (1, 33, 60, 600, 9000)] == [
        "5 seconds", "35 seconds", "1 minute", "10 minutes", "2.5 hours",
    ]  # fmt: skip
    assert [sentences.size(s) for s in (10, 2_500, 3e6, 2.34e9)] == ["1 kB", "2 kB", "3 MB", "2.3 GB"]
    parts = (PlannedPart("one", 60.0),)
    assert "not be enough" in sentences.estimate(estimate.CheckEstimate(parts, 8e9), 8e9)
    assert "not be enough" not in sentences.estimate(estimate.CheckEstimate(parts, 1e9), 8e9)


def open_page(**state: Any) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=180)
    app.switch_page("../pages/check.py")
    for key, value in state.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return unescape(" ".join(h.proto.body for h in app.get("html")))


def filled(app: AppTest, models: tuple[Path, Path]) -> AppTest:
    app.text_input(key="check_source").set_value(str(models[0]))
    app.text_input(key="check_target").set_value(str(models[1]))
    app.number_input(key="check_tokens").set_value(4000)
    app.number_input(key="check_context").set_value(32)
    return app.run()


def test_the_empty_page_says_what_to_do(models: tuple[Path, Path]) -> None:
    app = open_page()
    assert "Give two checkpoints" in html(app)
    app.button(key="check_start").click().run()
    assert [e.value.strip("`") for e in app.error] == [
        "Source A is empty: give a folder with config.json and safetensors, or a hub id (owner/name)"
    ]
    filled(app, models)
    assert "of memory on this machine" in html(app)
    app.text_input(key="check_target").set_value("/etc").run()
    assert "lies outside the folders" in html(app)


def test_presets_fill_the_fields() -> None:
    app = open_page()
    app.button(key="pythia_use").click().run()
    assert app.text_input(key="check_source").value == "EleutherAI/pythia-14m-seed1"
    assert app.text_input(key="check_target").value == "EleutherAI/pythia-14m-seed2"
    assert app.text_input(key="check_revision_b").value == "step143000"
    app.button(key="check_shipped").click().run()
    assert app.text_input(key="check_source").value == str(shipped_pair()[0])
    assert app.text_input(key="check_revision_a").value == ""
    assert not app.exception


def test_a_check_runs_is_found_again_and_cancelled(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sites = open_study("tales").pair("seed0", "seed1").sites[2:4]
    entered, left, pause = threading.Event(), threading.Event(), threading.Event()

    def slow(*given: Any) -> None:
        report: CheckProgress = given[-1]
        report.plan([PlannedPart("reading fit text", 100.0), PlannedPart("nulls at input", 0.0, "input")])
        for site in sites:
            report.tell(site)
        entered.set()
        try:
            while True:
                report("reading fit text", 0.4)
                pause.wait(0.01)
        finally:
            left.set()

    monkeypatch.setattr("explorer.ui.check.job.check", slow)
    app = filled(open_page(), models)
    before = own_names()
    app.button(key="check_start").click().run()
    assert not app.error and entered.wait(120)
    app.switch_page("../pages/rotation.py").run()
    app.switch_page("../pages/check.py").run()
    assert "Checking A → B" in html(app) and "reading fit text · 40% done" in html(app)
    assert "left" in html(app) and "not known" not in html(app)
    (table,) = re.findall(r"<table class='sites'>.*?</table>", html(app))
    head, *rows = (re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table))
    assert [row[0] for row in rows] == [*(s.label for s in sites), "input"], "what is measured, then the others"
    affine = [row[head.index("EV affine")] for row in rows]
    assert affine == [*(written(s.ladder["affine"].value) for s in sites), ""]
    assert app.query_params["check"] == "a-b" and "check?check=a-b" in html(app), "a link leads back to it"
    least = min(sites, key=lambda s: decisive(s).estimate.value)
    assert least.verdict is not None and f"<b>{least.verdict.verdict.capitalize()}</b>, after 2 of 3 sites" in html(app)
    marks = [t for t in figure(app, 0)["data"] if t["name"] in {s.label for s in sites}]  # type: ignore[attr-defined]
    assert [values(t, "x")[0] for t in marks] == [decisive(s).estimate.value for s in sites]
    assert rows[-1][1] == "not yet measured" and {len(row) for row in rows} == {len(head)}
    other = filled(open_page(), models)
    assert "1 check is before it; it would begin in about" in html(other)
    other.button(key="check_start").click().run()
    assert "Waiting: A → B" in html(other) and "1 check is before yours; it should begin in about" in html(other)
    other.button(key="check_cancel").click().run()
    app.button(key="check_cancel").click().run()
    assert left.wait(120)
    assert "was cancelled" in html(app) and app.text_input(key="check_source").value == str(models[0])
    assert own_names() == before


def test_the_link_to_a_check_shows_it_to_others_and_then_its_result(
    models: tuple[Path, Path], checked: OwnStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, entered, pause = threading.Event(), threading.Event(), threading.Event()

    def copied(_source: Any, _target: Any, out: Path, *given: Any) -> None:
        entered.set()
        while not over.is_set():
            given[-1]("reading fit text", 0.4)
            pause.wait(0.01)
        shutil.copytree(checked.folder, out, dirs_exist_ok=True)

    monkeypatch.setattr("explorer.ui.check.job.check", copied)
    app = filled(open_page(), models)
    app.button(key="check_start").click().run()
    assert entered.wait(120)
    name = str(app.query_params["check"])
    assert name == "a-b-2", "no other study has it"
    monkeypatch.setattr("explorer.ui.check.job.visitor", lambda: "somebody else")
    later = linked(name)
    assert "Checking A → B" in html(later) and "check_cancel" not in [b.key for b in later.button]
    over.set()
    until(lambda: name in own_names())
    later.run()
    assert not later.exception and later.selectbox(key="study").value == name and "What decided it" in titles(later)
    for again in (linked(name), linked(name)):
        assert again.selectbox(key="study").value == name and "What decided it" in titles(again)
        assert "check" not in again.query_params, "the address names the study from now on"
    studies.delete(name)
    gone = linked(name)
    assert f"asks for the check “{name}”" in html(gone) and gone.button(key="check_start")


def linked(name: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=180)
    app.query_params["check"] = name
    app.switch_page("../pages/check.py").run()
    assert not app.exception and not app.error
    return app


def titles(app: AppTest) -> str:
    return " ".join(m.value for m in app.markdown)


def test_a_check_that_was_lost_with_its_app_is_offered_again(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()

    def endless(*given: Any) -> None:
        entered.set()
        while True:
            given[-1]("reading fit text", 0.4)

    monkeypatch.setattr("explorer.ui.check.job.check", endless)
    monkeypatch.setattr("explorer.ui.check.job.visitor", lambda: "ann")
    asked = AskedCheck("ann", "A → B", "lost-one", Fields(str(models[0]), str(models[1]), "", tokens=9000))
    path = asked_checks._path(asked.visitor, asked.name)
    assert path is not None
    write_json(path, asked)  # what a killed process leaves: nobody holds its lock
    app = linked("lost-one")
    assert "Your check of A → B had not ended when the app was stopped" in html(app)
    assert "asks for the check" not in html(app) and app.button(key="check_start"), "the form is there, too"
    app.button(key="check_again").click().run()
    assert not app.exception and entered.wait(120) and "Checking A → B" in html(app)
    assert lost("ann") == [], "what is under way is not lost"
    app.button(key="check_cancel").click().run()
    until(lambda: CHECKS.empty)
    cancelled = CHECKS.find("ann")
    assert cancelled is not None
    CHECKS.dismiss(cancelled)
    write_json(path, asked)
    other = linked("lost-one")
    other.button(key="check_forget").click().run()
    assert lost("ann") == [] and "check_again" not in [b.key for b in other.button]


def test_example_texts_are_left_out_and_asked_for_again(checked: OwnStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    done, left, pause = threading.Event(), threading.Event(), threading.Event()

    def slow(_study: Any, report: Report) -> list[str]:
        left.clear()
        try:
            while not done.is_set():
                report("example text 12 of 36", 1 / 3)
                pause.wait(0.01)
        finally:
            left.set()
        return []

    monkeypatch.setattr("explorer.pipeline.check_queue.record_study", slow)
    monkeypatch.setattr("explorer.ui.check.recording.lacks_run", lambda *_given: not done.is_set())
    app = open_page(study=checked.name)
    app.button(key="record_start").click().run()
    until(lambda: "Recording for Story: example text 12 of 36, about" in html(app.run()))
    assert "What decided it" in " ".join(m.value for m in app.markdown), "the result is there all the while"
    app.button(key="record_cancel").click().run()
    assert left.wait(120) and app.run().button(key="record_start")
    app.button(key="record_start").click().run()
    assert app.button(key="record_cancel")
    done.set()
    until(lambda: CHECKS.empty)
    app.run()
    assert not app.exception and "Recording" not in html(app)
    assert "record_start" not in [b.key for b in app.button]


def test_offline_and_crashes_are_calm_lines(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    for failure in (InputError("the hub does not answer"), KeyError("secret")):

        def fail(*_given: Any, failure: Exception = failure) -> None:
            raise failure

        monkeypatch.setattr("explorer.ui.check.job.check", fail)
        app = filled(open_page(), models)
        app.button(key="check_start").click().run()
        until(lambda app=app: app.run().error)
        told.append(app.error[0].value.strip("`"))
        assert app.button(key="check_start"), "the form is there again"
    assert told[0] == "A → B: the hub does not answer"
    assert "the check failed (KeyError)" in told[1] and "secret" not in told[1]


def test_the_verdict_its_numbers_and_their_thresholds(checked: OwnStudy) -> None:
    app = open_page(study=checked.name)
    study = open_study(checked.name)
    result = study.pair("A", "B")
    assert result.verdict is not None
    shown = html(app)
    assert result.verdict.verdict.capitalize() in shown and result.verdict.next in shown
    site = deciding_site(result.sites)
    assert site.verdict is not None and site.verdict.verdict == result.verdict.verdict
    assert sentences.meaning(result) in unescape(shown)
    by = decisive(site)
    for value in (by.estimate.value, by.nulls.gate):
        assert f"<b>{written(value)}</b>" in sentences.subline(result)
    assert by.title in sentences.subline(result) and sentences.subline(result) in shown
    axis = figure(app, 0)["data"]  # type: ignore[index]
    held = {a["text"] for a in figure(app, 0)["layout"]["annotations"]}  # type: ignore[index]
    assert {f"{r.name} {written(r.value)}" for r in references(site)} <= held
    assert [float(values(trace, "x")[0]) for trace in axis] == [m.value for m in verdict_axis(study, result)]
    assert values(axis[0], "x")[0] == by.estimate.value, "the sentence's number is the picture's"
    found = {c.name: c for c in sentences.criteria(result)}
    rotation = found["EV of R with one scale"]
    assert rotation.value.startswith(f"{site.ladder['orthogonal_scale'].value:.2f}".replace("-", "−"))
    assert rotation.met == (site.ladder["orthogonal_scale"].low >= 0.8)
    if site.rho_scale is not None:
        assert found["ρ = EV of R with one scale / EV of the affine map"].met == (site.rho_scale.low >= MOSTLY)
    for c in found.values():
        assert c.value in shown
    table = app.dataframe[0].value
    assert list(table["R with one scale"]) == [s.ladder["orthogonal_scale"].value for s in result.sites]
    assert list(table["site"]) == ["input", "after 2", "end"]
    assert [o.path.name for o in study_outputs.outputs(study)] == [
        "report.html", "report.json", "sites.csv", "rotations.safetensors",
    ]  # fmt: skip
    assert study_outputs.outputs(open_study("tales")) == []


def test_the_frame_lists_own_studies_and_other_pages_open_them(checked: OwnStudy) -> None:
    app = open_page(study="tales")
    assert "Give two checkpoints" in html(app)
    app.button(key=f"open-{checked.name}").click().run()
    assert app.selectbox(key="study").value == checked.name and app.selectbox(key="site").options == [
        "input", "after 2", "end",
    ]  # fmt: skip
    for page in ("rotation", "features", "steering"):
        app.switch_page(f"../pages/{page}.py").run()
        assert not app.exception, page
        assert app.selectbox(key="study").value == checked.name


def test_your_studies_are_renamed_and_deleted_after_a_question(checked: OwnStudy, folder: Path) -> None:
    with (folder / "a-b.zip").open("w+b") as archive:
        export_study(checked, archive, weights=False)
        back = import_study(archive)
    assert back.name == "a-b-2"
    busy = st.cache_resource(lambda: object())
    kept = busy()
    app = open_page(study=back.name)
    app.text_input(key=f"name-{back.name}").set_value("no/slash")
    app.button(key=f"rename-{back.name}").click().run()
    assert "cannot be a study's name" in app.error[0].value
    app.text_input(key=f"name-{back.name}").set_value("copy")
    app.button(key=f"rename-{back.name}").click().run()
    assert own_names() == ["a-b", "copy"] and app.selectbox(key="study").value == "copy"
    assert "is now called 'copy'" in html(app)
    assert busy() is kept, "other visitors' work lives in caches, too"
    app.button(key="delete-copy").click().run()
    assert own_names() == ["a-b", "copy"], "not before the question is answered"
    app.button(key="delete_really").click().run()
    assert own_names() == ["a-b"] and not app.exception
    app.run()
    assert app.selectbox(key="study").value != "copy"


def test_the_queue_of_the_pages_is_left_empty() -> None:
    until(lambda: CHECKS.empty)


def numbers(found: Any) -> Iterator[float]:
    """Every number of a JSON document."""
    if isinstance(found, dict | list):
        for part in found.values() if isinstance(found, dict) else found:
            yield from numbers(part)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield float(found)


def test_every_figure_of_the_rotation_page_shows_numbers_of_the_report(checked: OwnStudy) -> None:
    study = open_study(checked.name)
    result = study.pair("A", "B")
    path = next(o.path for o in study_outputs.outputs(study) if o.path.name == "report.json")
    report = json.loads(path.read_text(encoding="utf-8"))
    for entry, site in zip(report["sites"], result.sites, strict=True):
        told = np.array(sorted(numbers(entry)))
        drawn = {
            "ladder": [t.x[0] for t in figures.ladder(site, LIGHT).data if len(t.x) == 1],
            "stitching": [x for t in figures_rotation.stitching(site, ("A", "B"), LIGHT).data for x in t.x],
        }
        for name, found in drawn.items():
            assert found
            missing = [v for v in found if np.abs(told - v).min() > 1e-6]
            assert not missing, (name, missing)
