"""The Dyck-3 study from a finished recipe: its models, pairs and dictionaries, measured."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import msgspec
import torch

from explorer.models import LanguageModel
from explorer.pipeline import Yardstick, library_versions, measure_study, shrink_study, write_layouts
from explorer.study import SCHEMA, DictionaryEntry, PairEntry, Study, StudyFile, open_study
from explorer.text import HELD_OUT, TextEntry
from explorer.text.dyck import Dyck3, language as dyck
from explorer.training.dyck.recipe import ENDINGS, DyckWorkshop
from explorer.training.tales import model_entry

LOSS_DOCUMENTS = 1000
TITLE = (
    "Dyck-3: the paper's toy. Stock Llamas (RMSNorm, no biases) read brackets; label tokens in their vocabulary say "
    "bracket, depth and validity. Cohort A shares A0's trained embedding and unembedding, cohort B shares nothing"
)


def build_study(workshop: DyckWorkshop) -> None:
    """Measure everything that the recipe made, and write study.json."""
    measure_study(workshop.out, study_file(workshop), yardstick, workshop.log)
    write_layouts(open_study(workshop.out), workshop.log)
    shrink_study(open_study(workshop.out))


def yardstick(study: Study) -> Yardstick:
    """Loss and entropy on the first held-out documents, per bracket and closing mark."""
    texts = [d.text for d in study.corpus.documents(LOSS_DOCUMENTS)]
    tokens = sum(len(text) for text in texts)
    return Yardstick(dyck.entropy(texts) * len(texts) / tokens, lambda model: next_token_loss(model, texts))


@torch.inference_mode()
def next_token_loss(model: LanguageModel, texts: list[str]) -> float:
    """Loss on every bracket and on the mark that ends the document, nats per token."""
    total, tokens = 0.0, 0
    rows = torch.zeros(len(texts), dyck.CONTEXT, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = torch.from_numpy(dyck.encode(text))
    for ids in rows.split(256):
        counted = torch.cat([torch.ones(len(ids), 1, dtype=torch.bool), ids[:, 1:-1] > 0], 1)
        log_p = model.logits(ids)[:, :-1].log_softmax(-1)
        total -= float(log_p.gather(2, ids[:, 1:, None])[..., 0][counted].sum())
        tokens += int(counted.sum())
    return total / tokens


def study_file(workshop: DyckWorkshop) -> StudyFile:
    """What study.json will say, before anything is measured."""
    recipe, out = workshop.recipe, workshop.out
    models = []
    for name in recipe.names:
        title = f"cohort {name[0]}, seed {name[1:]}"
        if name[0] == "A" and name != "A0":
            title += ", A0's embedding and unembedding frozen"
        models.append(replace(model_entry(out, name, "seed", title), seed=int(name[1:]), cohort=f"cohort {name[0]}"))
    models += [
        replace(model_entry(out, "A0", "twin", "A0 rotated by a known Q"), name="twin"),
        model_entry(out, "early", "early", f"A0 after {recipe.early:.0%} of its training"),
        model_entry(out, "step0", "untrained", "A0 before training"),
    ]
    dictionaries = tuple(
        DictionaryEntry(name, folder.name.removesuffix(".relu"), folder.relative_to(out).as_posix(), 0, 0, 0, kind)
        for name in recipe.names
        for kind, ending in ENDINGS.items()
        for folder in sorted((out / "dictionaries" / name).glob(f"*{ending}"))
        if not folder.name.endswith(".partial") and folder.name.endswith(".relu") == bool(ending)
    )
    return StudyFile(
        SCHEMA,
        Dyck3.kind,
        TITLE,
        recipe.model.d_model,
        recipe.model.n_layers,
        tuple(models),
        dictionaries,
        TextEntry(Dyck3.kind, HELD_OUT, recipe.held_out, dyck.CONTEXT, cut=False),
        tuple(PairEntry(a, b) for a, b in pairs(recipe.cohorts)),
        json.loads(msgspec.json.encode(asdict(recipe))),
        library_versions(),
    )


def pairs(cohorts: dict[str, tuple[int, ...]]) -> list[tuple[str, str]]:
    """A0 and B0 to every other of their cohort, with one way back; A0 to B0, and to its three controls."""
    found = []
    for cohort, seeds in cohorts.items():
        first, *others = (f"{cohort}{seed}" for seed in seeds)
        found += [*((first, other) for other in others), (others[0], first)]
    return [*found, *(("A0", other) for other in ("B0", "twin", "early", "step0"))]
