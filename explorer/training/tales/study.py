"""The study `tales` from its trained models and dictionaries."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from explorer.models import digest
from explorer.pipeline import Yardstick, library_versions, measure_study, write_layouts
from explorer.study import SCHEMA, DictionaryEntry, ModelEntry, ModelKind, PairEntry, Study, StudyFile, open_study
from explorer.text import HELD_OUT, TextEntry
from explorer.text.tales import Tales, stories as tales
from explorer.training.tales.models import document_loss
from explorer.training.tales.recipe import Workshop

ENTROPY_DOCUMENTS = 240


def build_study(workshop: Workshop) -> None:
    """Measure the Tales study in a workshop's folder."""
    names = [f"seed{s}" for s in workshop.recipe.seeds if workshop.model_folder(f"seed{s}").exists()]
    measure_study(workshop.out, tales_file(workshop, names), tales_yardstick, workshop.log)
    write_layouts(open_study(workshop.out), workshop.log)


def tales_yardstick(study: Study) -> Yardstick:
    """Loss and entropy on the first held-out documents, per token of whole documents."""
    texts = [d.text for d in study.corpus.documents(ENTROPY_DOCUMENTS)]
    tokens = document_loss(study.load_model(study.file.models[0].name), texts)[1]
    return Yardstick(tales.entropy(texts) / tokens, lambda model: document_loss(model, texts)[0] / tokens)


def tales_file(workshop: Workshop, names: list[str]) -> StudyFile:
    """What study.json will say, before anything is measured."""
    recipe, out = workshop.recipe, workshop.out
    models = [model_entry(out, n, "seed", f"independent seed {n.removeprefix('seed')}") for n in names]
    models = [replace(m, seed=int(m.name.removeprefix("seed"))) for m in models]
    models += [
        replace(model_entry(out, "seed0", "twin", "seed0 rotated by a known Q"), name="twin"),
        model_entry(out, "early", "early", f"seed0 after {recipe.early_of_all:.0%} of its training"),
        model_entry(out, "step0", "untrained", "seed0 before training"),
    ]
    # The first seed with every other, and one pair in both directions: all twelve would take 40 MB more.
    first, *others = names
    pairs = [(first, n) for n in (*others, "twin", "early", "step0")]
    pairs.insert(len(others), (others[0], first))
    return StudyFile(
        SCHEMA,
        Tales.kind,
        f"Tales: {len(names)} language models of one story grammar",
        recipe.model.d_model,
        recipe.model.n_layers,
        tuple(models),
        dictionary_entries(out, names),
        TextEntry(Tales.kind, HELD_OUT, recipe.held_out, recipe.model.context, cut=False),
        tuple(PairEntry(a, b) for a, b in pairs),
        json.loads(msgspec.json.encode(asdict(recipe))),
        library_versions(),
    )


def model_entry(out: Path, name: str, kind: ModelKind, title: str) -> ModelEntry:
    """A model in models/<name>, its loss not known yet."""
    return ModelEntry(name, kind, title, f"models/{name}", digest(out / "models" / name), 0, float("nan"))


def dictionary_entries(out: Path, names: list[str]) -> tuple[DictionaryEntry, ...]:
    """The dictionaries in dictionaries/<model>/<site>, their scores not known yet."""
    return tuple(
        DictionaryEntry(name, folder.name, str(folder.relative_to(out)), 0, 0, 0)
        for name in names
        for folder in sorted((out / "dictionaries" / name).iterdir())
        if not folder.name.endswith(".partial")
    )
