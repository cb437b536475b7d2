"""Speed of the Features page: `.venv/bin/python tests/benchmarks/features.py`. Prints a table; asserts nothing.

A synthetic study of 16,384 features: random models of the shipped shape, random TopK dictionaries, everything measured
and written by the library's own functions, then opened and drawn by the page itself (AppTest: no browser).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

FEATURES, DOCUMENTS, K = 16384, 60, 32


def make(folder: Path) -> Any:
    """Write the study; return its maps."""

    from safetensors.torch import save_file

    from explorer.files import write_json
    from explorer.models.sites import Site
    from explorer.pipeline import study_measurement as build
    from explorer.sae.formats.saelens import save_sae
    from explorer.sae.sae import SAE
    from explorer.study.library import open_study
    from explorer.study.schema import SCHEMA, PairEntry, StudyFile
    from explorer.text import documents as study_text, file_corpus
    from explorer.text.tales import stories as tales
    from explorer.training.llamas import Llamas, ModelRecipe
    from explorer.training.tales.study import dictionary_entries, model_entry
    from explorer.training.tokenizer import train_tokenizer

    texts = [d.text for d in tales.documents("example", DOCUMENTS)]
    file_corpus.write_texts(folder / "text.jsonl", texts)
    recipe = ModelRecipe()
    for seed, name in enumerate("AB"):
        path = folder / "models" / name
        train_tokenizer(texts, 1024, path)
        recipe.config(1024).save_pretrained(path)
        save_file(Llamas(recipe, 1024, (seed,)).state(0), path / "model.safetensors", {"format": "pt"})
    site = Site(recipe.n_layers // 2, recipe.n_layers)
    for seed, name in enumerate("AB"):
        rows = torch.randn(FEATURES, recipe.d_model, generator=torch.Generator().manual_seed(seed))
        rows /= rows.norm(dim=1, keepdim=True)
        sae = SAE("topk", K, rows.T.contiguous(), torch.zeros(FEATURES), rows, torch.zeros(recipe.d_model), site.name)
        save_sae(sae, folder / "dictionaries" / name / site.name, name, 128)
    file = StudyFile(
        SCHEMA,
        "wide",
        "A synthetic study with wide dictionaries",
        recipe.d_model,
        recipe.n_layers,
        tuple(replace(model_entry(folder, n, "seed", n), loss=0.0) for n in "AB"),
        dictionary_entries(folder, ["A", "B"]),
        study_text.TextEntry("file", "text.jsonl", DOCUMENTS, 128),
        (PairEntry("A", "B"),),
        {},
        build.library_versions(),
    )
    write_json(folder / "study.json", file)
    return measure(folder, open_study(folder), site)


def measure(folder: Path, study: Any, site: Any) -> Any:
    """Catalogues, correspondences and readings, each timed."""
    from explorer.alignment import maps
    from explorer.alignment.map_registry import MAPS
    from explorer.alignment.orthogonal import haar
    from explorer.alignment.second_pass import FeatureFiring
    from explorer.alignment.site_maps import SiteMaps
    from explorer.pipeline.feature_files import write_catalogue, write_pair

    a, b = study.load_model("A"), study.load_model("B")
    test = study.chunks().split("test")
    own, theirs = ({site: study.load_dictionary(n, site)} for n in "AB")
    d = a.d_model
    zero, eye = torch.zeros(d), torch.eye(d)
    plain = {name: maps.ResidualMap(eye, zero, zero, eye) for name in MAPS}
    for i, name in enumerate(("rotated", "affine", "shuffled", "random")):
        q = haar(d, i).float()
        plain[name] = maps.ResidualMap(q, zero, zero, q.T.contiguous())
    fitted = {site.name: SiteMaps(plain)}
    r = torch.rand(FEATURES)
    from explorer.alignment.map_registry import arms

    fires = {site.name: {arm: FeatureFiring(r, r) for arm in arms()}}
    say("catalogue of A", lambda: write_catalogue(folder / "features" / "A.parquet", a, test, own), 1)
    write_catalogue(folder / "features" / "B.parquet", b, test, theirs)
    known = study.features("A")
    path = study.pair_path("A", "B")
    say("correspondences and readings", lambda: write_pair(path, (a, b), test, fitted, fires, (own, theirs), known), 1)
    return fitted[site.name]["rotated"]


def say(what: str, work: Callable[[], object], repeats: int = 5) -> None:
    """Time a piece of work and print its median."""
    times = []
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - began, time.process_time() - used))
    wall, cpu = (statistics.median(t[i] for t in times) for i in (0, 1))
    print(f"{what:<48}{wall:8.2f} s   ({cpu:.2f} s of processor)")


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        show(folder, make(folder))


def show(folder: Path, fitted: Any) -> None:
    """The page's own functions, cold and warm."""
    from explorer.features import feature_search, feature_table as atlas
    from explorer.features.contexts import top_contexts
    from explorer.study.feature_tables import READINGS, read_optional
    from explorer.study.library import open_study

    study = open_study(folder)
    site = study.sites[len(study.sites) // 2]

    def table() -> Any:
        path = study.pair_path("A", "B") / READINGS
        light = read_optional(path, site, ["site", "feature"])
        return atlas.atlas(study.features("A"), study.correspondence("A", "B"), site, light)

    say(f"open the table of {FEATURES} features", table)
    known = table()
    for query in (
        feature_search.Query(),
        feature_search.Query(text="sea"),
        feature_search.Query(ranges={"r_rotated": (0.5, 1.0)}, sort="density"),
    ):
        say(f"search {query.text or query.sort}", lambda q=query: feature_search.search(known, q))  # type: ignore[misc]
    heavy = read_optional(study.pair_path("A", "B") / READINGS, site)
    say(
        "load the distributions",
        lambda: read_optional(study.pair_path("A", "B") / "readings.parquet", site),
    )
    assert heavy is not None
    a, b, sae = study.load_model("A"), study.load_model("B"), study.load_dictionary("A", site)
    chunks = study.chunks().split("test")
    feature = int(known["density"].idxmax())
    numbers = torch.tensor([int(n) for n in known.loc[feature, "contexts"][:6]])
    say("contexts of a card", lambda: top_contexts(a, b, fitted, sae, site, feature, chunks[numbers]))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
