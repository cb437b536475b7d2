"""The Dyck-3 study from a finished recipe: its models, pairs and dictionaries, measured, and the paper's toy table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import msgspec
import torch

from explorer import dyck
from explorer.build import HELD_OUT, Yardstick, library_versions, measure_study, model_entry
from explorer.dictionary_results import DictionaryScore
from explorer.dyck_corpus import Dyck3
from explorer.dyck_heads import HeadAccuracy, head_accuracy
from explorer.dyck_recipe import DyckWorkshop
from explorer.feature_files import write_layouts
from explorer.files import write_json
from explorer.measure import measure_pair
from explorer.models import LanguageModel
from explorer.study import SCHEMA, DictionaryEntry, PairEntry, Study, StudyFile, open_study
from explorer.study_text import TextEntry

LOSS_DOCUMENTS = 1000
ACCURACY_DOCUMENTS = 4000
TITLE = (
    "Dyck-3: the paper's toy. Stock Llamas (RMSNorm, no biases) read brackets; label tokens in their vocabulary say "
    "bracket, depth and validity. Cohort A shares A0's trained embedding and unembedding, cohort B shares nothing"
)


@dataclass(frozen=True)
class ToyModel:
    """How well one model does what it was trained for."""

    name: str
    """The model."""
    accuracy: HeadAccuracy
    """On held-out documents that no other number uses."""


@dataclass(frozen=True)
class ToySite:
    """The source's ReLU dictionary on the target at one site."""

    source: str
    """The source."""
    target: str
    """The target."""
    site: str
    """Name of the site."""
    scores: Mapping[str, DictionaryScore]
    """EV under every map."""


@dataclass(frozen=True)
class ToyFacts:
    """What only this study has: dyck.json."""

    models: tuple[ToyModel, ...]
    """The trained models."""
    relu: tuple[ToySite, ...]
    """ReLU dictionaries on the pairs within a cohort."""


def build_study(workshop: DyckWorkshop) -> None:
    """Measure everything that the recipe made, and write study.json and dyck.json."""
    measure_study(workshop.out, study_file(workshop), yardstick, workshop.log)
    write_layouts(open_study(workshop.out), workshop.log)
    study = open_study(workshop.out)
    if not (study.folder / "dyck.json").exists():
        workshop.log("dyck.json: accuracies, ReLU dictionaries")
        write_json(study.folder / "dyck.json", facts(study, workshop.recipe.names))


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
        models.append(replace(model_entry(out, name, "seed", title), seed=int(name[1:])))
    models += [
        replace(model_entry(out, "A0", "twin", "A0 rotated by a known Q"), name="twin"),
        model_entry(out, "early", "early", f"A0 after {recipe.early:.0%} of its training"),
        model_entry(out, "step0", "untrained", "A0 before training"),
    ]
    dictionaries = tuple(
        DictionaryEntry(name, folder.name.removesuffix(".relu"), folder.relative_to(out).as_posix(), 0, 0, 0, kind)
        for name in recipe.names
        for kind, ending in (("topk", ""), ("standard", ".relu"))
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
        TextEntry(Dyck3.kind, HELD_OUT, recipe.held_out, dyck.CONTEXT),
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


def facts(study: Study, names: list[str]) -> ToyFacts:
    """Accuracies of the label heads, and the ReLU dictionaries of each cohort's first model on the others."""
    tokens = dyck.rows("accuracy", ACCURACY_DOCUMENTS)
    models = {name: study.load_model(name) for name in names}
    accuracies = tuple(ToyModel(name, head_accuracy(model, tokens)) for name, model in models.items())
    chunks, relu = study.chunks(), []
    for source, target in ((a, b) for a in ("A0", "B0") for b in names if b[0] == a[0] and b != a):
        found = {s.name: study.load_dictionary(source, s, "standard") for s in study.sites}
        own = {name: sae for name, sae in found.items() if sae is not None}
        measured = measure_pair(models[source], models[target], chunks, study.sites, own)
        relu += [ToySite(source, target, s.site, s.dictionary) for s in measured.result.sites if s.dictionary]
    return ToyFacts(accuracies, tuple(relu))


def load_facts(study: Study) -> ToyFacts:
    """dyck.json of an opened study."""
    return msgspec.json.decode((study.folder / "dyck.json").read_bytes(), type=ToyFacts)


def toy_table(study: Study) -> str:
    """The paper's toy table in Markdown: each cohort's first model on the others, site by site, both architectures."""
    relu = {(s.source, s.target, s.site): s.scores for s in load_facts(study).relu}
    lines = [
        "| pair | site | SAE | ceiling | raw | rotated | shuffled | direct: R | direct: affine | ‖R−I‖ (√(2d)) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for pair in study.file.pairs:
        if pair.source[0] != pair.target[0] or pair.source[1:] != "0":
            continue
        for s in study.pair(pair.source, pair.target).sites:
            direct = [s.ladder["orthogonal"].value, s.ladder["affine"].value]
            turned = f"{s.rotation.frobenius_from_identity:.2f} ({(2 * study.file.d_model) ** 0.5:.2f})"
            for kind, scores in (("TopK", s.dictionary), ("ReLU", relu.get((pair.source, pair.target, s.site)))):
                if scores is None:
                    continue
                evs = [x.paper.value for x in (scores["ceiling"], scores["raw"], scores["rotated"], scores["shuffled"])]
                numbers = " | ".join(f"{x:.2f}".replace("-", "−") for x in (*evs, *direct))
                lines.append(f"| {pair.source} → {pair.target} | {s.label} | {kind} | {numbers} | {turned} |")
    return "\n".join(lines)


def accuracy_table(study: Study) -> str:
    """Loss and head accuracies of every trained model in Markdown."""
    lines = [
        "| model | next-token loss (entropy) | bracket | depth | validity |",
        "|---|---|---|---|---|",
    ]
    for m in load_facts(study).models:
        a, loss = m.accuracy, study.model_entry(m.name).loss
        shares = " | ".join(f"{x:.3%}" for x in (a.bracket, a.depth, a.validity))
        lines.append(f"| {m.name} | {loss:.3f} ({study.file.text.entropy:.3f}) | {shares} |")
    return "\n".join(lines)


def dictionary_table(study: Study) -> str:
    """EV, L0 and share of living features of each cohort's dictionaries in Markdown."""
    lines = ["| model | site | architecture | EV | L0 | alive |", "|---|---|---|---|---|---|"]
    for d in study.file.dictionaries:
        kind = "TopK" if d.architecture == "topk" else "ReLU"
        lines.append(f"| {d.model} | {study.site(d.site).label} | {kind} | {d.ev:.3f} | {d.l0:.1f} | {d.alive:.0%} |")
    return "\n".join(lines)
