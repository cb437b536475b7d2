"""Measure a made study and write everything its pages need: pairs, features, contrasts' effects, study.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import permutations

import msgspec

from explorer import tales
from explorer.catalogue import catalogue
from explorer.contrast_effects import OwnReading, carried_effects, read_own
from explorer.corpus import chunk_documents
from explorer.correspondence import correspond
from explorer.effect import ContrastEffect
from explorer.labels import label_tokens
from explorer.measure import measure_pair
from explorer.models import LanguageModel, digest
from explorer.pair_files import save_tensors
from explorer.recipe import Workshop, document_loss
from explorer.results import PairResult
from explorer.sae import SAE
from explorer.site_maps import SiteMaps
from explorer.sites import Site
from explorer.study import (
    SCHEMA,
    DictionaryEntry,
    ModelEntry,
    PairEntry,
    Study,
    StudyFile,
    TextEntry,
    encode,
    write_atomically,
)

HELD_OUT = "held-out"
ENTROPY_DOCUMENTS = 240
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "umap-learn", "safetensors")


def build_study(workshop: Workshop) -> None:
    """Measure everything that exists in the workshop's folder; finished parts are kept, study.json is written last."""
    builder = _Builder(workshop)
    builder.catalogues()
    for source, target in builder.pairs():
        builder.pair(source, target)
    builder.write_study()


class _Builder:
    """Holds the models in memory while a study is measured."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop, self.out = workshop, workshop.out
        self.names = [f"seed{s}" for s in workshop.recipe.seeds if workshop.model_folder(f"seed{s}").exists()]
        self.study = Study(self.out, self._file((), ()))
        self.models: dict[str, LanguageModel] = {}
        self.readings: dict[str, list[OwnReading]] = {}
        self.documents = list(tales.documents(HELD_OUT, workshop.recipe.held_out))
        first = self.model(self.names[0])
        self.chunks = chunk_documents([d.text for d in self.documents], first.tokenizer, self.study.file.text.context)
        self.test = self.chunks.split("test")

    def model(self, name: str) -> LanguageModel:
        """A model, kept in memory."""
        if name not in self.models:
            self.models[name] = self.study.load_model(name)
        return self.models[name]

    def dictionaries(self, name: str) -> dict[Site, SAE]:
        """A model's dictionaries by site (a twin's are its original's, rotated)."""
        found = {s: self.study.load_dictionary(name, s) for s in self.study.sites}
        return {s: sae for s, sae in found.items() if sae is not None}

    def pairs(self) -> list[tuple[str, str]]:
        """Every ordered pair of seeds, and seed 0 with its twin, its early checkpoint and its untrained weights."""
        return [*permutations(self.names, 2), ("seed0", "twin"), ("seed0", "early"), ("seed0", "step0")]

    def catalogues(self) -> None:
        """features/<model>.parquet for every seed."""
        labels = None
        for name in self.names:
            path = self.out / "features" / f"{name}.parquet"
            if path.exists():
                continue
            labels = labels or label_tokens(self.documents, self.test, self.model(name).tokenizer)
            self.workshop.log(f"{name}: catalogue of features")
            frame = catalogue(self.model(name), self.test, self.dictionaries(name), labels)
            path.parent.mkdir(exist_ok=True)
            frame.to_parquet(path.with_suffix(".partial"), index=False)
            path.with_suffix(".partial").rename(path)

    def pair(self, source: str, target: str) -> None:
        """pairs/<source>-<target>/: result, maps, clouds, correspondences, effects of the ready contrasts."""
        folder = self.study.pair_path(source, target)
        if (folder / "effects.json").exists():
            return
        self.workshop.log(f"pair {source} → {target}")
        a, b = self.model(source), self.model(target)
        own = self.dictionaries(source)
        hashes = (self.study.model_entry(source).sha256, self.study.model_entry(target).sha256)
        by_name = {s.name: sae for s, sae in own.items()}
        measured = measure_pair(a, b, self.chunks, self.study.sites, by_name, hashes)
        save_tensors(folder, measured.maps, measured.clouds)
        frame = correspond(a, b, self.test, measured.maps, measured.firing, own, self.dictionaries(target))
        frame.to_parquet(folder / "features.parquet", index=False)
        write_atomically(folder / "result.json", encode(measured.result))
        write_atomically(folder / "effects.json", encode(self.effects(source, target, measured.maps)))

    def effects(self, source: str, target: str, fitted: Mapping[str, SiteMaps]) -> list[ContrastEffect]:
        """The ready contrasts of the source on the target, at the middle site."""
        site = self.study.sites[len(self.study.sites) // 2]
        for name in (source, target):
            if name not in self.readings:
                self.readings[name] = read_own(self.model(name), site, self.chunks)
        own = self.readings
        return carried_effects(self.model(target), site, fitted[site.name], own[source], own[target])

    def write_study(self) -> None:
        """study.json, with the losses against the grammar's entropy and the dictionaries' ceilings."""
        self.workshop.log("study.json: losses, entropy, ceilings")
        texts = [d.text for d in self.documents[:ENTROPY_DOCUMENTS]]
        losses = {n: document_loss(self.model(n), texts) for n in (*self.names, "early", "step0")}
        tokens = losses[self.names[0]][1]
        per_token = {name: loss / tokens for name, (loss, _) in losses.items()}
        entropy = tales.entropy(texts) / tokens
        dictionaries = tuple(self._dictionary(n, s) for n in self.names for s in self.study.sites)
        file = self._file(dictionaries, self.pairs(), per_token, entropy)
        write_atomically(self.out / "study.json", encode(file))
        spread = max(per_token[n] for n in self.names) - min(per_token[n] for n in self.names)
        self.workshop.log(
            f"entropy {entropy:.4f}; losses "
            + ", ".join(f"{n} {v:.4f} ({v / entropy - 1:+.1%})" for n, v in per_token.items())
            + f"; spread of the seeds {spread:.4f} nats per token"
        )

    def _dictionary(self, name: str, site: Site) -> DictionaryEntry:
        folder = self.workshop.sae_folder(name, site)
        other = next(n for n in self.names if n != name)
        result = msgspec.json.decode((self.study.pair_path(name, other) / "result.json").read_bytes(), type=PairResult)
        scores = next(s.dictionary for s in result.sites if s.site == site.name)
        assert scores is not None
        frame = self.study.features(name)
        alive = float((frame[frame.site == site.index].density > 0).mean())
        path = str(folder.relative_to(self.out))
        return DictionaryEntry(name, site.name, path, scores.ceiling.paper.value, scores.ceiling.l0, alive)

    def _file(
        self,
        dictionaries: tuple[DictionaryEntry, ...],
        pairs: Iterable[tuple[str, str]],
        losses: Mapping[str, float] | None = None,
        entropy: float = 0.0,
    ) -> StudyFile:
        recipe, losses = self.workshop.recipe, losses or {}
        entries = [self._entry(n, "seed", f"independent seed {n.removeprefix('seed')}", losses) for n in self.names]
        entries.append(replace(self._entry("seed0", "twin", "seed0 rotated by a known Q", losses), name="twin"))
        early = f"seed0 after {recipe.early:.0%} of its training"
        entries.append(self._entry("early", "early", early, losses))
        entries.append(self._entry("step0", "untrained", "seed0 before training", losses))
        if not dictionaries:
            dictionaries = tuple(
                DictionaryEntry(n, f.name, str(f.relative_to(self.out)), 0, 0, 0)
                for n in self.names
                for f in sorted((self.out / "dictionaries" / n).iterdir())
                if not f.name.endswith(".partial")
            )
        return StudyFile(
            SCHEMA,
            "tales",
            f"Tales: {len(self.names)} language models of one story grammar",
            recipe.model.d_model,
            recipe.model.n_layers,
            tuple(entries),
            dictionaries,
            TextEntry(HELD_OUT, recipe.held_out, 128, entropy),
            tuple(PairEntry(a, b) for a, b in pairs),
            json.loads(msgspec.json.encode(asdict(recipe))),
            {name: version(name) for name in LIBRARIES},
        )

    def _entry(self, name: str, kind: str, title: str, losses: Mapping[str, float]) -> ModelEntry:
        folder = self.workshop.model_folder(name)
        seed = int(name.removeprefix("seed")) if name.startswith("seed") and kind == "seed" else 0
        return ModelEntry(name, kind, title, f"models/{name}", digest(folder), seed, losses.get(name, float("nan")))
