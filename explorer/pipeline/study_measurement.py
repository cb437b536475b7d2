"""Measure a made study and write everything its pages need: pairs, features, dose–responses, study.json."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import torch

from explorer import metrics, ranks
from explorer.alignment import Grown, Pair, SiteResult, controls, encode_result, measure_pair
from explorer.cache import Cache, user_cache
from explorer.files import write_bytes, write_json
from explorer.models import MASSIVE, LanguageModel, Site, residuals
from explorer.pipeline.check_steering import contrast_responses
from explorer.pipeline.dose_responses import CHUNKS as RESPONSE_CHUNKS, measure_responses
from explorer.pipeline.feature_files import write_catalogue, write_pair
from explorer.pipeline.known_text import knows_text
from explorer.pipeline.recording import record_study
from explorer.pipeline.similarity_files import write_similarity
from explorer.progress import Report, silent
from explorer.sae import SAE
from explorer.steering import DoseResponse, own_contrasts
from explorer.study import RESPONSES, DictionaryEntry, Study, StudyFile, open_study, save_tensors
from explorer.text import LabelMatrix, label_tokens

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "umap-learn", "safetensors")


@dataclass(frozen=True)
class Yardstick:
    """What the models' losses are compared with."""

    entropy: float | None
    """The grammar's exact −log P, nats per token; None for text of no grammar."""
    loss: Callable[[LanguageModel], float]
    """A model's loss on the same text, nats per token."""


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide the numbers."""
    return {name: version(name) for name in LIBRARIES}


def measure_study(
    out: Path,
    file: StudyFile,
    yardstick: Callable[[Study], Yardstick],
    log: Callable[[str], None],
    report: Report = silent,
    models: Mapping[str, LanguageModel] | None = None,
    brief: bool = False,
    massive: float = MASSIVE,
    tell: Callable[[SiteResult], None] = lambda _site: None,
    grown: Grown | None = None,
) -> None:
    """Measure everything that `file` lists; finished parts are kept, study.json is written last.

    Of several ranks each measures its share of every pair; all else is done, and everything written, by the first.
    `report` hears of the steps within a pair, `tell` of each site's result; `models` are those that are in memory
    already. `brief` steers only where both models know the text, at the middle site and without features, and records
    no steered text: what a check can afford. Rows of more than `massive` × the median norm are left out. `grown` is what
    was read of the one pair already.
    """
    builder = _Builder(Study(out, file), log, report, brief, massive, tell, grown)
    builder.models.update(models or {})
    builder.catalogues()
    for pair in file.pairs:
        builder.pair(pair.source, pair.target)
    if ranks.rank():
        return
    with ranks.alone():
        builder.finish(yardstick)


def measure_again(study: Study, log: Callable[[str], None]) -> None:
    """Measure every pair of a finished study again in place: numbers, maps and clouds; the other files stay.

    For a change of what is measured: `python -m explorer.pipeline.study_measurement tales`.
    """
    builder = _Builder(study, log)
    for pair in study.file.pairs:
        folder = study.pair_path(pair.source, pair.target)
        measured = builder.measured(pair.source, pair.target)
        save_tensors(folder, measured.maps, measured.clouds)
        write_bytes(folder / "result.json", encode_result(measured.result))


class _Builder:
    """Holds the models in memory while a study is measured."""

    def __init__(
        self,
        study: Study,
        log: Callable[[str], None],
        report: Report = silent,
        brief: bool = False,
        massive: float = MASSIVE,
        tell: Callable[[SiteResult], None] = lambda _site: None,
        grown: Grown | None = None,
    ) -> None:
        self.study, self.log, self.report, self.brief, self.massive = study, log, report, brief, massive
        self.tell, self.grown = tell, grown
        self.models: dict[str, LanguageModel] = {}
        self.chunks = study.chunks()
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

    def catalogues(self) -> None:
        """features/<model>.parquet for every model with dictionaries of its own."""
        if ranks.rank():
            return
        with ranks.alone():
            self._write_catalogues()

    def _write_catalogues(self) -> None:
        for name in dict.fromkeys(d.model for d in self.study.file.dictionaries):
            path = self.study.folder / "features" / f"{name}.parquet"
            if ranks.agreed(path.exists()):
                continue
            self.log(f"{name}: catalogue of features")
            write_catalogue(path, self.model(name), self.test, self.dictionaries(name), self.labels, self.report)

    @cached_property
    def labels(self) -> LabelMatrix | None:
        """Labels of the test tokens, where a grammar wrote the text."""
        if not self.study.corpus.has_labels:
            return None
        return label_tokens(
            self.study.corpus.documents(), self.test, self.model(self.study.file.models[0].name).tokenizer
        )

    def pair(self, source: str, target: str) -> None:
        """pairs/<source>-<target>/: result, maps, clouds, correspondences; in brief, the contrasts' dose–response too.

        The file written last says that the pair is finished.
        """
        folder = self.study.pair_path(source, target)
        if ranks.agreed((folder / (RESPONSES if self.brief else "result.json")).exists()):
            return
        measured = self.measured(source, target)
        if not ranks.rank():
            with ranks.alone():
                self._write_pair(source, target, measured)

    def _write_pair(self, source: str, target: str, measured: Pair) -> None:
        folder = self.study.pair_path(source, target)
        a, b, own = self.model(source), self.model(target), self.dictionaries(source)
        save_tensors(folder, measured.maps, measured.clouds)
        if own:
            dictionaries, known = (own, self.dictionaries(target)), self.study.features(source)
            write_pair(
                folder, (a, b), self.test, measured.maps, measured.firing, dictionaries, known, self.labels, self.report
            )
        if measured.similarity is not None:
            write_similarity(self.study, source, target, measured.similarity)
        write_bytes(folder / "result.json", encode_result(measured.result))
        if self.brief:
            write_json(folder / RESPONSES, self.responses(source, target, measured))

    def measured(self, source: str, target: str) -> Pair:
        """A pair, measured with all its controls."""
        self.log(f"pair {source} → {target}")
        a, b = self.model(source), self.model(target)
        own = {s.name: sae for s, sae in self.dictionaries(source).items()}
        hashes = (self.study.model_entry(source).sha256, self.study.model_entry(target).sha256)
        shared = None
        if self.grown is None:
            shared = controls(a, b, self.chunks, self.study.sites, hashes, self.report, user_cache(), self.massive)
        # A study of many pairs would fill the cache; a check may be stopped and taken up again.
        cache = user_cache() if self.brief else Cache(None)
        return measure_pair(
            a,
            b,
            self.chunks,
            self.study.sites,
            own,
            hashes,
            self.report,
            shared,
            cache,
            self.massive,
            self.tell,
            self.grown,
        )

    def responses(self, source: str, target: str, measured: Pair) -> list[DoseResponse]:
        """The dose–response of the ready contrasts at the middle site; none where a model does not know the text."""
        corpus, site = self.study.corpus, self.study.sites[len(self.study.sites) // 2]
        if not corpus.contrasts() or not knows_text(measured.result):
            return []
        own = [own_contrasts(self.model(n), site, corpus, self.report) for n in (source, target)]
        return contrast_responses(
            self.model(target), site, measured.maps[site.name], (own[0], own[1]), corpus,
            self.chunks[slice(0, RESPONSE_CHUNKS)], self.report,
        )  # fmt: skip

    def finish(self, yardstick: Callable[[Study], Yardstick]) -> None:
        """What is written when all pairs are measured."""
        if not self.brief:
            measure_responses(self.study, self.log, self.models)
        self.report("writing the study", 0.0)
        self.write_study(yardstick(self.study))
        record_study(open_study(self.study.folder), self.models, report=self.report, steered=not self.brief)

    def write_study(self, yardstick: Yardstick) -> None:
        """study.json, with the models' losses and the dictionaries' scores."""
        self.log("study.json: losses, entropy, ceilings")
        file, losses = self.study.file, {}
        for entry in file.models:
            if entry.kind != "twin":
                losses[entry.path] = yardstick.loss(self.model(entry.name))
        models = tuple(replace(m, loss=losses[m.path]) for m in file.models)
        dictionaries = tuple(self._scored(d) for d in file.dictionaries)
        text = replace(file.text, entropy=yardstick.entropy)
        file = replace(file, models=models, dictionaries=dictionaries, text=text)
        write_json(self.study.folder / "study.json", file)
        self.log(f"entropy {yardstick.entropy}; losses " + ", ".join(f"{m.name} {m.loss:.4f}" for m in models))

    def _scored(self, entry: DictionaryEntry) -> DictionaryEntry:
        targets = self.study.targets(entry.model)
        if not targets or entry != self.study.dictionary_entry(entry.model, self.study.site(entry.site)):
            return self._scored_directly(entry)
        other = targets[0]
        scores = next(s.dictionary for s in self.study.pair(entry.model, other).sites if s.site == entry.site)
        assert scores is not None
        frame, site = self.study.features(entry.model), self.study.site(entry.site)
        alive = float((frame[frame.site == site.index].density > 0).mean())
        return replace(entry, ev=scores["ceiling"].paper.value, l0=scores["ceiling"].l0, alive=alive)

    def _scored_directly(self, entry: DictionaryEntry) -> DictionaryEntry:
        """A dictionary that is in no pair's result: a site's second one, or one of a model that is nobody's source."""
        model, site = self.model(entry.model), self.study.site(entry.site)
        sae = self.study.load_dictionary(entry.model, site, entry.architecture)
        assert sae is not None
        rows = torch.cat([residuals(model, b.ids, [site])[site][b.scored] for b in self.test.batches(64)])
        sae = sae.to(model.device)
        activations = sae.encode(rows)
        fires = activations > 0
        ev, alive = metrics.explained_variance(rows, sae.decode(activations)), float(fires.any(0).float().mean())
        return replace(entry, ev=ev, l0=float(fires.sum(1).double().mean()), alive=alive)


if __name__ == "__main__":
    measure_again(open_study(sys.argv[1]), lambda line: print(line, flush=True))
