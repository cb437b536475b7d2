"""Opening a study: what is wrong is said in a sentence, and nothing half-written is ever seen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from explorer.alignment import Cloud
from explorer.errors import InputError
from explorer.files import encode, write_bytes
from explorer.study import library
from explorer.study.library import open_study
from explorer.study.pair_tensors import save_tensors
from explorer.study.recordings import read_recording
from explorer.study.schema import SCHEMA, DictionaryEntry, ModelEntry, PairEntry, StudyFile
from explorer.study.study import Study
from explorer.study.training_rows import read_training_table
from explorer.text.documents import TextEntry


def example() -> StudyFile:
    return StudyFile(
        schema=SCHEMA,
        name="mine",
        title="A study of mine",
        d_model=24,
        n_layers=3,
        models=tuple(ModelEntry(f"seed{i}", "seed", f"seed {i}", f"models/seed{i}", "00", i, 1.5) for i in range(3)),
        dictionaries=(DictionaryEntry("seed0", "blocks.1.hook_resid_pre", "dictionaries/a", 0.9, 16.0, 1.0),),
        text=TextEntry("tales", "held-out", 10, 128, 1.2),
        pairs=(PairEntry("seed0", "seed1"), PairEntry("seed0", "seed2"), PairEntry("seed1", "seed0")),
        recipe={"seeds": [0, 1]},
        versions={"torch": "2"},
    )


def write(folder: Path, content: bytes | dict[str, Any] | StudyFile) -> Path:
    data = content if isinstance(content, bytes) else encode(content)
    write_bytes(folder / "study.json", data)
    return folder


def test_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    opened = open_study(write(tmp_path / "s", example()))
    assert opened.file == example()
    assert opened.folder == (tmp_path / "s").resolve()
    assert opened == open_study(str(tmp_path / "s"))
    assert [s.label for s in opened.sites] == ["input", "after 1", "after 2", "end"]
    assert opened.sources() == ["seed0", "seed1"]
    assert opened.targets("seed0") == ["seed1", "seed2"]
    assert opened.targets("seed2") == []
    assert opened.site("blocks.2.hook_resid_post") == opened.site("3") == opened.sites[3]
    entry = opened.dictionary_entry("seed0", opened.sites[1])
    assert entry is not None
    assert entry.l0 == 16
    assert opened.dictionary_entry("seed0", opened.sites[2]) is None
    assert opened.load_dictionary("seed1", opened.sites[1]) is None


def test_a_study_from_before_cohorts_opens(tmp_path: Path) -> None:
    content = json.loads(encode(example()))
    for model in content["models"]:
        del model["cohort"]
    assert open_study(write(tmp_path / "s", content)).model_entry("seed1").cohort == ""


def test_names_open_shipped_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SHIPPED", tmp_path)
    write(tmp_path / "tales", example())
    write(tmp_path / "dyck3", example())
    (tmp_path / "no-study").mkdir()
    assert library.shipped_studies() == ["tales", "dyck3"]
    assert open_study("tales").folder == tmp_path / "tales"
    with pytest.raises(InputError, match=r"no study 'tails': give a folder with a study.json, or .* \(tales, dyck3\)"):
        open_study("tails")


def test_a_missing_study(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for where in (tmp_path / "nowhere", tmp_path / "empty", tmp_path / "nowhere" / "deeper"):
        with pytest.raises(InputError, match="there is no study"):
            open_study(where)


@pytest.mark.parametrize("schema", [0, 2, 99, "1", None])
def test_an_unknown_schema(tmp_path: Path, schema: Any) -> None:
    content = {**json.loads(encode(example())), "schema": schema}
    with pytest.raises(InputError, match=f"has schema {schema}; this version of the explorer reads schema 1"):
        open_study(write(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"null", b'{"schema": 1}', b"\xff\xfe", b'"text"'])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"is damaged|has schema None") as caught:
        open_study(write(tmp_path, content))
    assert str(tmp_path) in str(caught.value)


def test_wrong_types_are_named(tmp_path: Path) -> None:
    content = {**json.loads(encode(example())), "d_model": "wide"}
    with pytest.raises(InputError, match=r"damaged: d_model: Expected int, got str; delete"):
        open_study(write(tmp_path, content))


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    opened = open_study(write(tmp_path, example()))
    with pytest.raises(InputError, match="study 'mine' has no model 'seed9': it has seed0, seed1, seed2"):
        opened.load_model("seed9")
    with pytest.raises(InputError, match="no site '7'"):
        opened.site("7")
    with pytest.raises(InputError, match="the pair seed1 → seed2 is not measured"):
        opened.pair("seed1", "seed2")


READERS: dict[str, Callable[[Study], object]] = {
    "pairs/seed0-seed1/result.json": lambda study: study.pair("seed0", "seed1"),
    "pairs/seed0-seed1/steering.json": lambda study: study.responses("seed0", "seed1"),
    "pairs/seed0-seed1/story.json": lambda study: read_recording(study, "seed0", "seed1"),
    "decoder_match.json": lambda study: study.decoder_story(),
    "training.json": lambda study: read_training_table(study.folder),
}


@pytest.mark.parametrize("content", [b"{", b"{}", b"[{}]", b'{"source": 3}', b"\xff"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_side_file_is_named_with_what_helps(tmp_path: Path, name: str, content: bytes) -> None:
    opened = open_study(write(tmp_path, example()))
    write_bytes(opened.folder / name, content)
    with pytest.raises(InputError, match=rf"{name}' is damaged: .*; remove it and .* again"):
        READERS[name](opened)


def test_writes_are_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file"
    write_bytes(path, b"old")

    def full_disk(_self: Path, _data: bytes) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_encoded_files_end_with_a_newline_and_round_trip() -> None:
    data = encode(example())
    assert data.endswith(b"}\n")
    assert msgspec.json.decode(data, type=StudyFile) == example()
    assert isinstance(Study(Path("x"), example()).sites, list)


def test_large_numbers_stay_finite_on_disk(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small, large = torch.randn(3, 5, 2), 1e6 * torch.randn(3, 5, 2)
    save_tensors(tmp_path, {}, {"small": Cloud(small[0].clone(), small), "large": Cloud(large[0].clone(), large)})
    found = load_file(tmp_path / "clouds.safetensors")
    assert (found["small.target"].dtype, found["large.target"].dtype) == (torch.float16, torch.float32)
    assert torch.equal(found["large.target"], large)
    assert torch.equal(found["small.target"], small.half())
