"""The user's own studies: listed, renamed, deleted, exported and imported; a broken archive leaves nothing behind."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from explorer.errors import InputError
from explorer.files import write_bytes, write_json
from explorer.models.hub import digest
from explorer.pipeline.allowed_paths import allowed_path
from explorer.study import library as studies
from explorer.study.archive import archive_size, export_study, import_study
from explorer.study.library import SHIPPED, open_study, own_names, own_studies, own_study, studies_folder
from explorer.study.schema import SCHEMA, ModelEntry, StudyFile
from explorer.text.documents import TextEntry
from explorer.text.file_corpus import write_texts


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of this test's own."""
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder outside any study, as a check leaves it where it is."""
    return tiny.save("gpt_neox", tokenizer, tmp_path_factory.mktemp("models") / "A")


def make(model: Path, name: str = "first", title: str = "A pair") -> studies.OwnStudy:
    """A study of one model, with a report beside it, as a check would leave it."""
    folder = studies.unfinished_folder()
    write_texts(folder / "study" / "text.jsonl", ["One story.", "Another one."])
    entry = ModelEntry("A", "seed", "first of the pair", str(model), digest(model), 0, 3.0)
    text = TextEntry("file", "text.jsonl", 2, 16)
    file = StudyFile(SCHEMA, "?", title, 24, 3, (entry,), (), text, (), {"seed": 0}, {})
    write_json(folder / "study" / "study.json", file)
    write_bytes(folder / "report.json", b'{"schema": 1}\n')
    write_bytes(folder / "report.html", b"<p>report</p>")
    return studies.adopt(folder, name)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def packed(entry: studies.OwnStudy, weights: bool = True) -> io.BytesIO:
    out = io.BytesIO()
    export_study(entry, out, weights)
    return out


def repacked(archive: io.BytesIO, change: Callable[[dict[str, bytes]], None]) -> io.BytesIO:
    """The archive with its members changed."""
    with zipfile.ZipFile(archive) as old:
        members = {i.filename: old.read(i) for i in old.infolist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)
    return out


def test_the_newest_is_listed_first_with_what_it_holds(model: Path) -> None:
    assert own_studies() == [] and own_names() == []
    first, second = make(model), make(model, "second", "Another pair")
    os.utime(first.folder / "study" / "study.json", (time.time() - 60,) * 2)
    assert [s.name for s in own_studies()] == ["second", "first"]
    assert second.title == "Another pair" and second.models == ("first of the pair",)
    assert second.size == sum(map(len, files(second.folder).values()))
    assert open_study("second").file.title == "Another pair", "a study opens by its name"
    assert open_study("second").file.name == "second"


def test_a_damaged_study_is_listed_with_what_is_wrong(model: Path) -> None:
    entry = make(model)
    (entry.folder / "study" / "study.json").write_text('{"schema": 99}')
    (listed,) = own_studies()
    assert not listed.whole and "schema 99" in listed.title
    studies.delete("first")
    assert own_studies() == []


def test_a_name_that_is_taken_gets_a_number_whatever_its_case(model: Path) -> None:
    assert [make(model, wish).name for wish in ("pair", "pair", "Pair", "tales", "a/b: c", "///")] == [
        "pair", "pair-2", "Pair-3", "tales-2", "a-b-c", "study",
    ]  # fmt: skip


def test_renaming_moves_the_folder_and_the_name_within(model: Path) -> None:
    make(model)
    before = files(studies_folder() / "first")
    renamed = studies.rename("first", " better ")
    assert renamed.name == open_study("better").file.name == "better" and own_names() == ["better"]
    after = files(studies_folder() / "better")
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == ["study/study.json"]


@pytest.mark.parametrize("new", ["", "../up", "a/b", ".hidden", "tales", "Second", "x" * 61, "a b"])
def test_a_bad_or_taken_name_changes_nothing(model: Path, new: str) -> None:
    make(model), make(model, "second")
    before = files(studies_folder())
    with pytest.raises(InputError):
        studies.rename("first", new)
    assert files(studies_folder()) == before


@pytest.mark.parametrize("name", ["..", "../first", "", ".", "missing", "/etc"])
def test_only_a_study_can_be_deleted(model: Path, name: str) -> None:
    make(model)
    before = files(studies_folder())
    with pytest.raises(InputError, match="no study of yours"):
        studies.delete(name)
    assert files(studies_folder()) == before


def test_deleting_removes_the_folder_and_no_model(model: Path) -> None:
    make(model), make(model, "second")
    studies.delete("first")
    assert own_names() == ["second"] and (model / "config.json").is_file()
    assert [p.name for p in studies_folder().iterdir()] == ["second"]


def test_abandoned_folders_go_and_fresh_ones_stay(model: Path) -> None:
    old, fresh = studies_folder() / ".unfinished-0123", studies.unfinished_folder()
    old.mkdir()  # nobody holds it: whoever made it is gone
    studies.unfinished_folder()
    assert not old.exists() and fresh.exists() and own_studies() == []


def test_an_archive_brings_the_study_back_with_its_models(model: Path) -> None:
    entry = make(model)
    archive = packed(entry)
    before = files(entry.folder)
    studies.delete("first")
    back = import_study(archive)
    assert back.name == "first"
    found = files(back.folder)
    assert found["report.json"] == before["report.json"] and found["study/text.jsonl"] == before["study/text.jsonl"]
    assert "report.html" not in found, "a web page from elsewhere stays outside"
    study = open_study("first")
    assert study.file.models[0].path == "models/A"
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (study.folder / "models" / "A" / name).read_bytes() == (model / name).read_bytes()
    assert study.load_model("A").d_model == 24
    again = import_study(archive)
    assert again.name == "first-2", "a name that is taken gets a number"
    third = files(import_study(packed(again)).folder)
    assert {k: v for k, v in third.items() if k != "study/study.json"} == {
        k: v for k, v in found.items() if k != "study/study.json"
    }


def test_files_that_only_older_versions_wrote_are_let_be(model: Path) -> None:
    entry = make(model)
    older = {"pairs/A-B/effects.json": b'[{"name": "sea", "native": 1.5}]', "dyck.json": b'{"models": [], "relu": []}'}
    for name, data in older.items():
        write_bytes(entry.folder / "study" / name, data)
    assert open_study("first").file.models[0].name == "A"
    back = import_study(packed(entry))
    assert open_study(back.name).file.models[0].name == "A"
    assert {name: (back.folder / "study" / name).read_bytes() for name in older} == older


def test_without_weights_the_archive_is_small_and_says_so_when_a_model_is_wanted(model: Path) -> None:
    entry = make(model)
    assert archive_size(entry, weights=True) - archive_size(entry, weights=False) == sum(
        p.stat().st_size for p in model.glob("*.safetensors")
    )
    back = import_study(packed(entry, weights=False))
    study = open_study(back.name)
    assert len(study.chunks().ids) >= 1, "the tokenizer came along"
    with pytest.raises(InputError, match="safetensors"):
        study.load_model("A")


def _drop(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.pop(name) and None


def _put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({name: data})


def _study(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        import json

        members["study/study.json"] = json.dumps({**json.loads(members["study/study.json"]), **changes}).encode()

    return change


def _model(**changes: str) -> Callable[[dict[str, bytes]], None]:
    entry = {"name": "A", "kind": "seed", "title": "", "path": "models/A", "sha256": "", "seed": 0, "loss": 1.0}
    return _study(models=[{**entry, **changes}])


BROKEN: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "no study": (_drop("study/study.json"), "no study"),
    "other schema": (_study(schema=2), "schema 2"),
    "not JSON": (_put("study/study.json", b"{"), "damaged"),
    "outside": (_put("../evil.json", b"{}"), "outside the study"),
    "absolute": (_put("/tmp/evil.json", b"{}"), "outside the study"),
    "backslash": (_put("study\\evil.json", b"{}"), "outside the study"),
    "drive": (_put("C:evil.json", b"{}"), "outside the study"),
    "hidden": (_put("study/.evil.json", b"{}"), "outside the study"),
    "pickle": (_put("study/models/A/pytorch_model.bin", b"x"), "never pickle"),
    "script": (_put("study/run.py", b"x"), "never pickle"),
    "twice": (_put("study/TEXT.jsonl", b"{}"), "twice"),
    "broken weights": (_put("study/models/A/model.safetensors", b"\xff" * 64), "damaged"),
    "broken side file": (_put("study/more.json", b"{"), "more.json' is damaged"),
    "no text": (_drop("study/text.jsonl"), "not in the archive"),
    "model elsewhere": (_model(path="/etc"), "not in the archive"),
    "climbing model": (_model(path=".."), "not in the archive"),
    "name of a model": (_model(name="../A"), r"damaged: models\[.\]\.name"),
    "pair not there": (_study(pairs=[{"source": "A", "target": "A"}]), "is not measured"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_archive_leaves_nothing_behind(model: Path, cache: Path, kind: str) -> None:
    change, message = BROKEN[kind]
    make(model)
    archive = packed(own_study("first"))
    before = files(cache)
    with pytest.raises(InputError, match=message):
        import_study(repacked(archive, change))
    assert files(cache) == before and [p.name for p in studies_folder().iterdir()] == ["first"]


@pytest.mark.parametrize("cut", [0, 10, 400, -30])
def test_half_an_archive_leaves_nothing_behind(model: Path, cut: int) -> None:
    whole = packed(make(model)).getvalue()
    with pytest.raises(InputError, match="no archive of a study"):
        import_study(io.BytesIO(whole[:cut]))
    assert [p.name for p in studies_folder().iterdir()] == ["first"]


def test_other_weights_than_those_measured_are_refused(model: Path, tokenizer: Any, tmp_path: Path) -> None:
    other = tiny.save("gpt_neox", tokenizer, tmp_path / "other", seed=5) / "model.safetensors"
    changed = repacked(packed(make(model)), _put("study/models/A/model.safetensors", other.read_bytes()))
    with pytest.raises(InputError, match="weights of A are not those"):
        import_study(changed)


def test_links_and_bombs_are_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(make(model))
    link = zipfile.ZipInfo("study/link.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="plain files only"):
        import_study(archive)
    bomb = repacked(packed(own_study("first")), _put("study/zeros.json", b" " * 3_000_000 + b"{}"))
    monkeypatch.setattr("explorer.study.archive.MAX_BYTES", 2_000_000)
    with pytest.raises(InputError, match="unfolds to more than"):
        import_study(bomb)
    monkeypatch.setattr("explorer.study.archive.MAX_FILES", 3)
    with pytest.raises(InputError, match="at most 3"):
        import_study(packed(own_study("first")))
    assert [p.name for p in studies_folder().iterdir()] == ["first"]


def test_an_unwritable_cache_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="set EXPLORER_CACHE"):
        studies.unfinished_folder()
    assert own_studies() == []


def test_only_allowed_folders_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (inside / "link").symlink_to(outside)
    monkeypatch.setenv("EXPLORER_ROOTS", str(inside))
    assert allowed_path(str(inside / "a" / ".." / "b")) == inside / "b"
    for path in (outside, inside / ".." / "out", inside / "link" / "x", "/etc/passwd", "~"):
        with pytest.raises(InputError, match="EXPLORER_ROOTS"):
            allowed_path(str(path))
    with pytest.raises(InputError, match="zero byte"):
        allowed_path("a\0b")
    monkeypatch.delenv("EXPLORER_ROOTS")
    assert allowed_path(str(SHIPPED / "tales")) == SHIPPED / "tales"
    assert allowed_path("~/models") == Path.home().resolve() / "models"
