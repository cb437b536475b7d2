"""Every way in which a file comes into the program: a valid example of each, and what reads it and shows it."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explorer.study import SHIPPED, Study, open_study

STUDY, SOURCE, TARGET = "dyck3", "A0", "A1"
"""The example study is a part of this shipped one."""
WIDTH = 16
"""Width of the example vectors and dictionaries."""


@dataclass(frozen=True)
class Loader:
    """One file that is read."""

    name: str
    """What the table calls it."""
    file: Path
    """The file, valid; it is replaced by damaged ones."""
    load: Callable[[], object]
    """Reads it as the program does, and does with it what a page does."""
    weight: float = 1.0
    """How often it is tried, against the others."""


def example(root: Path) -> tuple[Loader, ...]:
    """Valid files of every kind in a folder, and what reads them."""
    study = small_study(root)
    return (*_of_study(study), *_of_model(root), *_of_dictionary(root), *_of_vector(root), *_of_person(root, study))


def small_study(root: Path) -> Path:
    """One pair of the shipped toy, with models and dictionaries, as a check leaves it."""
    from explorer.files import write_json
    from explorer.report import Circumstances, ModelFacts, Models, make_report
    from explorer.study import verdict_axis
    from explorer.text import write_texts

    whole = open_study(SHIPPED / STUDY)
    folder = root / "own" / "study"
    pair = whole.pair_path(SOURCE, TARGET).relative_to(whole.folder)
    for part in (pair, Path("features"), Path(f"models/{SOURCE}"), Path(f"models/{TARGET}")):
        shutil.copytree(whole.folder / part, folder / part)
    for entry in whole.file.dictionaries:
        if entry.model == SOURCE:
            shutil.copytree(whole.folder / entry.path, folder / entry.path, dirs_exist_ok=True)
    plain = json.loads((whole.folder / "study.json").read_bytes())
    for key, kept in (("models", "name"), ("dictionaries", "model")):
        plain[key] = [entry for entry in plain[key] if entry[kept] in (SOURCE, TARGET)]
    plain["dictionaries"] = [d for d in plain["dictionaries"] if d["model"] == SOURCE]
    plain["pairs"] = [{"source": SOURCE, "target": TARGET}]
    (folder / "study.json").write_text(json.dumps(plain))
    write_texts(folder / "text.jsonl", ["One story.", "Another one.", "A third."])
    study = open_study(folder)
    result = study.pair(SOURCE, TARGET)
    facts = ModelFacts("a", None, "0", study.file.d_model, study.file.n_layers, 1)
    circumstances = Circumstances(Models(facts, facts), "text", 16, False, "command", {}, 1.0)
    report = make_report(result, study.responses(SOURCE, TARGET), circumstances, {}, verdict_axis(study, result))
    write_json(folder.parent / "report.json", report)
    return folder


def _of_study(folder: Path) -> Iterator[Loader]:
    pair = folder / "pairs" / f"{SOURCE}-{TARGET}"

    def of_pair(read: Callable[[Study], object]) -> Callable[[], object]:
        return lambda: read(open_study(folder))

    yield Loader("study.json", folder / "study.json", lambda: _show_study(folder), 2)
    yield Loader("result.json", pair / "result.json", of_pair(_show_result), 2)
    yield Loader("steering.json", pair / "steering.json", of_pair(_show_responses), 2)
    yield Loader("maps", pair / "maps.safetensors", of_pair(_show_maps), 2)
    yield Loader("clouds", pair / "clouds.safetensors", of_pair(lambda s: s.clouds(SOURCE, TARGET)), 2)
    yield Loader("catalogue", folder / "features" / f"{SOURCE}.parquet", of_pair(_show_features))
    yield Loader("correspondence", pair / "features.parquet", of_pair(_show_features))
    yield Loader("readings", pair / "readings.parquet", of_pair(_show_features), 0.5)
    yield Loader("layout", pair / "layout.parquet", of_pair(_read_layout), 0.5)
    for name, file, read in _recordings():
        if (pair / file).is_file():
            yield Loader(name, pair / file, of_pair(read))


def _recordings() -> tuple[tuple[str, str, Callable[[Study], object]], ...]:
    from explorer.study import recordings, stage_material

    def every(read: Callable[..., object]) -> Callable[[Study], object]:
        return lambda s: [read(s, SOURCE, TARGET, site) for site in s.sites]

    def motion(s: Study) -> object:
        readers = (stage_material.read_motion, stage_material.read_inside, stage_material.read_register)
        return [every(read)(s) for read in readers]

    return (
        ("story.json", "story.json", lambda s: recordings.read_recording(s, SOURCE, TARGET)),
        ("story.safetensors", "story.safetensors", every(recordings.read_correlation)),
        ("stage.json", "stage.json", lambda s: stage_material.read_material(s, SOURCE, TARGET)),
        ("stage.safetensors", "stage.safetensors", motion),
        ("reading.json", "reading.json", _show_shares),
    )


def _show_study(folder: Path) -> object:
    """What the frame and the list of studies do."""
    study = open_study(folder)
    sites = [s.label for s in study.sites]
    for source in study.sources():
        for target in study.targets(source):
            study.model_entry(source), study.model_entry(target), study.pair(source, target)
    return sites, study.site(sites[0]), study.corpus.files(), study.file.text.begin


def _show_result(study: Study) -> object:
    from explorer.palette import DARK
    from explorer.presentation import captions
    from explorer.presentation.check import captions as of_check
    from explorer.presentation.rotation import captions as of_rotation, opening_picture, sites

    result = study.pair(SOURCE, TARGET)
    shown: list[object] = []
    for site in result.sites:
        shown += [captions.rotation(result, site, arm) for arm in ("rotated", "raw", "affine")]
        shown += [of_rotation.reasons(result, site), of_rotation.maps(site), of_rotation.matrix(result, site)]
        shown += [sites.ladder(site, DARK), opening_picture.opening(result, "rotated", site.site, DARK)]
    if result.verdict is None:
        return shown
    return shown, of_check.headline(result), of_check.subline(result), of_check.criteria(result)


def _show_responses(study: Study) -> object:
    from explorer.palette import DARK
    from explorer.presentation.steering import dose, dose_captions

    found = study.responses(SOURCE, TARGET)
    named = {s.name: s.label for s in study.sites}
    shown: list[object] = [dose_captions.response(r, SOURCE, TARGET, r.site) for r in found[:3]]
    shown += [dose.dose_table(r) for r in found[:3]]
    return (
        shown,
        dose.transfer_grid(found, named, study.sites[1].name),
        dose.dose_figure(found[0], DARK) if found else 0,
    )


def _show_shares(study: Study) -> object:
    from explorer.palette import DARK
    from explorer.presentation.steering import dose

    return [dose.share_figure(found, DARK) for found in study.reading_shares(SOURCE, TARGET)]


def _show_maps(study: Study) -> object:
    study.arms(SOURCE, TARGET)
    return [
        (study.site_maps(SOURCE, TARGET, site)["rotated"].matrix.sum(), study.rotation(SOURCE, TARGET, site))
        for site in study.sites
    ]


def _show_features(study: Study) -> object:
    from explorer.features import feature_table
    from explorer.study import READINGS, read_optional

    known, fates = study.features(SOURCE), study.correspondence(SOURCE, TARGET)
    path = study.pair_path(SOURCE, TARGET) / READINGS
    for site in study.sites:
        f1 = [f"f1_{arm}" for arm in study.arms(SOURCE, TARGET)]
        table = feature_table.atlas(known, fates, site, read_optional(path, site, ["site", "feature", *f1]))
        if not table.empty:
            feature_table.fate(table, "rotated"), feature_table.exemplar(table)
    return None


def _read_layout(study: Study) -> object:
    from explorer.study import LAYOUT, read_optional

    return [read_optional(study.pair_path(SOURCE, TARGET) / LAYOUT, site) for site in study.sites]


def _of_model(root: Path) -> Iterator[Loader]:
    from explorer.models import load_model, read_shape

    folder = root / "model"
    shutil.copytree(SHIPPED / STUDY / "models" / SOURCE, folder)
    for path in folder.iterdir():
        path.chmod(0o644)

    def load() -> object:
        read_shape(str(folder))
        model = load_model(folder)
        return model.logits(_ids(model))

    yield Loader("config.json", folder / "config.json", load, 3)
    yield Loader("weights", folder / "model.safetensors", load)
    yield Loader("tokenizer.json", folder / "tokenizer.json", load)
    yield Loader("tokenizer_config.json", folder / "tokenizer_config.json", load)


def _ids(model: Any) -> Any:
    import torch

    from explorer.models import tokenised

    return torch.tensor([tokenised(model.tokenizer, "( [ ] )").ids or [0]])


def _of_dictionary(root: Path) -> Iterator[Loader]:
    from safetensors.numpy import save_file

    from explorer.sae.formats import load_sae

    r = np.random.default_rng(0)
    f = 40
    tensors = {
        "W_enc": r.normal(size=(WIDTH, f)), "b_enc": r.normal(size=f), "W_dec": r.normal(size=(f, WIDTH)),
        "b_dec": r.normal(size=WIDTH), "threshold": np.abs(r.normal(size=f)),
    }  # fmt: skip
    tensors = {name: t.astype(np.float32) for name, t in tensors.items()}
    linear = {"encoder.weight": tensors["W_enc"].T.copy(), "encoder.bias": tensors["b_enc"],
              "decoder.weight": tensors["W_dec"].T.copy(), "bias": tensors["b_dec"]}  # fmt: skip
    mixed = {n: t for n, t in (tensors | linear).items() if n in ("W_dec", "b_dec", "encoder.weight", "encoder.bias")}
    gemma = {{"W_enc": "w_enc", "W_dec": "w_dec"}.get(n, n): t for n, t in tensors.items()}
    saelens = {"architecture": "topk", "k": 4, "d_in": WIDTH, "d_sae": f, "apply_b_dec_to_input": True,
               "normalize_activations": "none", "metadata": {"hook_name": "blocks.1.hook_resid_pre"}}  # fmt: skip
    sparse = {"activation": "topk", "k": 4, "num_latents": f, "d_in": WIDTH, "transcode": False}
    learned = {"trainer": {"dict_class": "AutoEncoderTopK", "k": 4, "submodule_name": "resid_post_layer_1"}}
    folders: tuple[tuple[str, str, dict[str, Any], str, dict[str, Any]], ...] = (
        ("saelens", "cfg.json", saelens, "sae_weights.safetensors", tensors),
        ("layers.1", "cfg.json", sparse, "sae.safetensors", mixed),
        ("learned", "config.json", learned, "ae.safetensors", linear),
        ("resid_post/layer_1_width_40", "config.json", {"architecture": "jump_relu"}, "params.safetensors", gemma),
    )  # fmt: skip
    for name, settings, held, weights, arrays in folders:
        folder = root / "sae" / name
        folder.mkdir(parents=True)
        (folder / settings).write_text(json.dumps(held))
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / weights)
        yield Loader(f"SAE settings ({name.split('/')[0]})", folder / settings, _reads(load_sae, folder))
        yield Loader(f"SAE weights ({name.split('/')[0]})", folder / weights, _reads(load_sae, folder), 0.5)
    folder = root / "sae" / "layer_1"
    folder.mkdir()
    np.savez(folder / "params.npz", **tensors)  # type: ignore[arg-type]
    yield Loader("SAE params.npz", folder / "params.npz", _reads(load_sae, folder))
    plain = root / "sae" / "plain.safetensors"
    said = {"architecture": "topk", "k": "4", "hook_name": "blocks.1.hook_resid_pre"}
    save_file(tensors, plain, said)
    yield Loader("SAE in one file", plain, _reads(load_sae, plain))


def _reads(load: Callable[[Path], Any], path: Path) -> Callable[[], object]:
    def read() -> object:
        import torch

        return load(path).encode(torch.zeros(2, WIDTH))

    return read


def _of_vector(root: Path) -> Iterator[Loader]:
    import torch
    from safetensors.numpy import save

    from explorer.models import Site
    from explorer.steering import load_vector

    rows = np.random.default_rng(0).normal(size=(4, WIDTH)).astype(np.float32)
    npy, pt = io.BytesIO(), io.BytesIO()
    np.save(npy, rows)
    torch.save({"layer_activations": {i: torch.tensor(row) for i, row in enumerate(rows)}}, pt)
    made = {
        ".npy": npy.getvalue(),
        ".safetensors": save({f"layer{i}": row for i, row in enumerate(rows)}),
        ".gguf": gguf({f"direction.{i}": row for i, row in enumerate(rows)}),
        ".pt": pt.getvalue(),
    }
    for suffix, data in made.items():
        path = root / f"vector{suffix}"
        path.write_bytes(data)
        yield Loader(f"vector {suffix}", path, lambda path=path: load_vector(path, WIDTH, Site(1, 4)))  # type: ignore[misc]


def gguf(vectors: dict[str, Any], offsets: int | None = None) -> bytes:
    """A control vector as llama.cpp writes it; with `offsets` every tensor says that it lies there."""

    def text(s: str) -> bytes:
        return struct.pack("<Q", len(s.encode())) + s.encode()

    facts = text("general.architecture") + struct.pack("<I", 8) + text("controlvector")
    table, body = b"", b""
    for name, vector in vectors.items():
        body += b"\0" * (-len(body) % 32)
        at = len(body) if offsets is None else offsets
        table += text(name) + struct.pack("<IQIQ", 1, len(vector), 0, at)
        if offsets is None or not body:
            body += vector.astype("<f4").tobytes()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(vectors), 1) + facts + table
    return head + b"\0" * (-len(head) % 32) + body


def _of_person(root: Path, study: Path) -> Iterator[Loader]:
    """Texts, archives, lists and reports that a person brings."""
    import gzip

    import pandas as pd

    from explorer.features.stars import Star, export_stars, import_stars
    from explorer.report import compare, outputs, read_report
    from explorer.study import open_study as opened
    from explorer.text import read_text

    report = study.parent / "report.json"

    def compared() -> object:
        found = read_report(report.parent)
        return compare(found, found), outputs.provenance_of(opened(study))

    yield Loader("report.json", report, compared)
    stars = root / "stars.json"
    stars.write_bytes(export_stars([Star("tales", "seed0", "x", i, "a note", ("a", "b")) for i in range(3)]))
    yield Loader("stars", stars, lambda: import_stars(stars.read_bytes()))
    lines = root / "text.jsonl"
    lines.write_text("".join(json.dumps({"text": f"a document of number {i}", "n": i}) + "\n" for i in range(9)))
    table = root / "text.parquet"
    pd.DataFrame({"text": ["one document", "another"] * 9, "n": range(18)}).to_parquet(table)
    plain = root / "text.txt"
    plain.write_text("One text.<|endoftext|>Another text, with é.\n")
    packed = root / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    for path in (lines, table, plain, packed):
        yield Loader(f"text {''.join(path.suffixes)}", path, lambda path=path: read_text(str(path), 100))  # type: ignore[misc]
    from explorer.text.file_corpus import read_texts

    yield Loader("text of a study", study / "text.jsonl", lambda: read_texts(study / "text.jsonl"), 0.5)
    archive = root / "archive.zip"
    archive.write_bytes(packed_study(study))
    yield Loader("archive", archive, lambda: _imported(archive), 0.7)


def packed_study(study: Path) -> bytes:
    """An archive of a study that was made small: numbers without weights."""
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(study.rglob("*")):
            if path.suffix in (".json", ".jsonl") or (path.suffix == ".safetensors" and "pairs" in path.parts):
                archive.write(path, f"study/{path.relative_to(study).as_posix()}")
    return out.getvalue()


def _imported(archive: Path) -> object:
    from explorer.study import import_study, library

    with archive.open("rb") as file:
        made = import_study(file)
    library.own_studies()
    library.delete(made.name)
    return None


@contextmanager
def damaged(loader: Loader, data: bytes) -> Iterator[None]:
    """The loader's file holds other bytes."""
    valid = loader.file.read_bytes()
    loader.file.write_bytes(data)
    try:
        yield
    finally:
        loader.file.write_bytes(valid)
