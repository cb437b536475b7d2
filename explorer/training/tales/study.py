"""The study `tales` from its trained models and dictionaries."""

from __future__ import annotations

import json
import string
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from explorer.models import digest
from explorer.pipeline import (
    Yardstick,
    library_versions,
    measure_further_rotations,
    measure_study,
    measure_study_space,
    shrink_study,
    write_layouts,
)
from explorer.study import SCHEMA, DictionaryEntry, ModelEntry, ModelKind, PairEntry, Study, StudyFile, open_study
from explorer.text import HELD_OUT, TextEntry
from explorer.text.tales import Tales, stories as tales
from explorer.training.tales.models import document_loss
from explorer.training.tales.recipe import TalesRecipe, Workshop

ENTROPY_DOCUMENTS = 240


def build_study(workshop: Workshop) -> None:
    """Measure the Tales study in a workshop's folder."""
    measure_study(workshop.out, tales_file(workshop), tales_yardstick, workshop.log)
    measure_further_rotations(open_study(workshop.out), workshop.log)
    measure_study_space(open_study(workshop.out), workshop.log)
    write_layouts(open_study(workshop.out), workshop.log)
    shrink_study(open_study(workshop.out))


def tales_yardstick(study: Study) -> Yardstick:
    """Loss and entropy on the first held-out documents, per token of whole documents."""
    texts = [d.text for d in study.corpus.documents(ENTROPY_DOCUMENTS)]
    tokens = document_loss(study.load_model(study.file.models[0].name), texts)[1]
    return Yardstick(tales.entropy(texts) / tokens, lambda model: document_loss(model, texts)[0] / tokens)


def tales_file(workshop: Workshop) -> StudyFile:
    """What study.json will say, before anything is measured."""
    recipe, out = workshop.recipe, workshop.out
    first = recipe.names[0]
    models = []
    for name in recipe.names:
        cohort, title = recipe.cohort_of(name), f"independent seed {name.lstrip(string.ascii_letters)}"
        if cohort.kind == "adamw":
            title += ", trained with AdamW"
        models.append(replace(model_entry(out, name, "seed", title), seed=recipe.seed_of(name), cohort=cohort.kind))
    early = f"{first} after {recipe.early / recipe.cohorts[0].schedule.steps:.0%} of its training"
    controls = [
        replace(model_entry(out, first, "twin", f"{first} rotated by a known Q"), name="twin"),
        model_entry(out, "early", "early", early),
        model_entry(out, "step0", "untrained", f"{first} before training"),
    ]
    models += [
        replace(m, cohort=recipe.cohorts[0].kind, seed=0 if m.kind == "twin" else recipe.seed_of(first))
        for m in controls
    ]
    return StudyFile(
        SCHEMA,
        Tales.kind,
        f"Tales: {len(recipe.names)} language models of one story grammar",
        recipe.model.d_model,
        recipe.model.n_layers,
        tuple(models),
        dictionary_entries(out, recipe.names),
        TextEntry(Tales.kind, HELD_OUT, recipe.held_out, recipe.model.context, bos=True, cut=False),
        tuple(PairEntry(a, b) for a, b in pairs(recipe)),
        json.loads(msgspec.json.encode(asdict(recipe))),
        library_versions(),
    )


def pairs(recipe: TalesRecipe) -> list[tuple[str, str]]:
    """The first model with every other of its cohort, one way back, and its controls; and each further cohort.

    All ordered pairs of all models would take a hundred megabytes more.
    """
    (first, *others), *further = (cohort.names for cohort in recipe.cohorts)
    found = [*((first, other) for other in others), *((other, first) for other in others[:1])]
    found += [(first, control) for control in ("twin", "early", "step0")]
    for names in further:
        found += [(first, names[0]), *((names[0], other) for other in names[1:])]
    return found


def model_entry(out: Path, name: str, kind: ModelKind, title: str) -> ModelEntry:
    """A model in models/<name>, its loss not known yet."""
    return ModelEntry(name, kind, title, f"models/{name}", digest(out / "models" / name), 0, float("nan"))


def dictionary_entries(out: Path, names: list[str]) -> tuple[DictionaryEntry, ...]:
    """The dictionaries in dictionaries/<model>/<site>, their scores not known yet."""
    return tuple(
        DictionaryEntry(name, folder.name, str(folder.relative_to(out)), 0, 0, 0)
        for name in names
        for folder in sorted((out / "dictionaries" / name).glob("*"))
        if not folder.name.endswith(".partial")
    )
