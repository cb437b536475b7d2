"""Check a pair: two checkpoints go in; a verdict with reasons, a report, the rotations and a study come out."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from explorer import cache as cache_module
from explorer.alignment import PairResult
from explorer.errors import InputError
from explorer.files import encode, replacing, write_json, write_tensors
from explorer.models import Site, first_middle_last, parse_sites, residual_index
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.progress import CheckPlan
from explorer.progress import Report, silent
from explorer.report import Circumstances, ModelFacts, Models, Report as PairReport, make_report, sites_csv
from explorer.text import DEFAULT, HELD_OUT, FileCorpus, TextEntry, write_texts

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.sae import SAE
    from explorer.study import DictionaryEntry, ModelEntry, Study, StudyFile
    from explorer.text import TextSource

OUTPUTS = ("report.json", "report.html", "sites.csv", "rotations.safetensors", "study")


def check(
    source: Checkpoint,
    target: Checkpoint,
    folder: Path,
    options: CheckOptions,
    command: str,
    report: Report = silent,
) -> PairReport:
    """Measure a pair and write its report into `folder`. Nothing is written there if the pair cannot be assessed.

    `report` hears the step and the share of the whole; what it raises ends the check, and finished steps stay in the
    cache for the next run. Raises InputError for what is not assessable.
    """
    from explorer.features import decoder_cosines
    from explorer.models import digest, model_folder

    began = time.monotonic()
    report("reading the models", 0.0)
    places = [model_folder(c.place, c.revision) for c in (source, target)]
    hashes = [digest(place) for place in places]
    work = _Work(places, hashes, options)
    with work.lock(report):
        work.measure((source, target), report)
        result = work.result()
        assert result.verdict is not None
        if result.verdict.verdict == "not assessable":
            raise InputError(f"not assessable: {result.verdict.reasons[0]}; {result.verdict.next}")
        context = msgspec.json.decode((work.folder / "circumstances.json").read_bytes(), type=Circumstances)
        models = Models(
            replace(context.models.source, id=source.place, revision=source.revision),
            replace(context.models.target, id=target.place, revision=target.revision),
        )
        seconds = time.monotonic() - began
        facts = replace(context, models=models, command=command, seconds=seconds)
        study = work.study()
        made = make_report(result, study.responses("A", "B"), facts, decoder_cosines(study, "A", "B"))
        _write_outputs(folder, work, made, result)
    report("done", 1.0)
    return made


def _write_outputs(folder: Path, work: _Work, made: PairReport, result: PairResult) -> None:
    """All outputs beside their places, then each into place by one rename, report.json last."""
    from explorer.report import report_html

    with ExitStack() as stack:
        partial = {name: stack.enter_context(replacing(folder / name)) for name in OUTPUTS}
        partial["report.json"].write_bytes(encode(made))
        partial["sites.csv"].write_text(sites_csv(made), encoding="utf-8")
        partial["report.html"].write_text(report_html(made, result), encoding="utf-8")
        tensors = {}
        for site, m in work.study().maps("A", "B").items():
            tensors[f"{site}.R"] = m["rotated"].matrix
            tensors[f"{site}.mean_source"] = m["rotated"].mean_source
            tensors[f"{site}.mean_target"] = m["rotated"].mean_target
        write_tensors(partial["rotations.safetensors"], tensors)
        shutil.copytree(work.folder / "study", partial["study"])


class _Work:
    """One check in the user's cache, found again by everything that decides it."""

    def __init__(self, places: list[Path], hashes: list[str], options: CheckOptions) -> None:
        self.places, self.hashes, self.options = places, hashes, options
        self.cache = cache_module.user_cache()
        if self.cache.folder is None:
            self.cache = cache_module.Cache(Path(tempfile.mkdtemp(prefix="polymorphism-explorer-")))
        key: dict[str, Any] = {
            "source": hashes[0],
            "target": hashes[1],
            # A study that points at the models is another one than a study of copies, or of the same files elsewhere.
            "places": [str(p.resolve()) for p in places],
            "text": _fingerprint(options.text),
            "sae": _fingerprint(options.sae),
            "sae_target": _fingerprint(options.sae_target),
            **{k: v for k, v in asdict(options).items() if k not in ("text", "sae", "sae_target", "device")},
        }
        path = self.cache.path("checks", key)
        assert path is not None
        self.folder = path

    def lock(self, report: Report) -> Any:
        """Two runs of the same check take turns. One that waits goes on reporting, so that it can be cancelled."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        while True:
            try:
                return lock.acquire(timeout=0.2)
            except Timeout:
                report("waiting for the same check, which runs elsewhere", 0.0)

    def study(self) -> Study:
        """The study that was made."""
        from explorer.study import open_study

        return open_study(self.folder / "study")

    def result(self) -> PairResult:
        """The measured pair."""
        return self.study().pair("A", "B")

    def measure(self, given: tuple[Checkpoint, Checkpoint], report: Report) -> None:
        """Everything, unless it is there already."""
        if (self.folder / "study" / "study.json").is_file() and (self.folder / "circumstances.json").is_file():
            return
        from explorer.models import choose_device, load_model
        from explorer.pipeline.study_measurement import Yardstick, library_versions, measure_study
        from explorer.text import read_text

        options, out = self.options, self.folder / "study"
        device = choose_device(options.device)
        models = [load_model(p, name=n, device=device) for p, n in zip(self.places, ("A", "B"), strict=True)]
        sites = parse_sites(options.sites, models[0].n_layers)
        text = read_text(options.text, options.tokens)
        entry, documents = self._text(text, models, out)
        dictionary_sites = first_middle_last(sites)
        trained = [options.sae, options.sae_target].count("train")
        plan = CheckPlan(
            report,
            {
                "dictionary at": trained * len(dictionary_sites),
                "null: untrained target": 3,
                "stitching at": len(sites),
                "contrasts in": 2,
            },
            (
                *(() if trained else ("dictionary at",)),
                *(("contrasts", "dose–response") if options.text is not None else ()),
            ),
        )
        entries = self._entries(given, out)
        file = self._file(models, entries, entry, sites)
        self._check_comparable(models, documents, file, out)
        wishes = zip(models, self.hashes, (options.sae, options.sae_target), strict=True)
        entries_of = [self._dictionaries(m, h, wish, file, out, dictionary_sites, sites, plan) for m, h, wish in wishes]
        file = replace(file, dictionaries=entries_of[0] + entries_of[1])

        def losses(study: Study) -> Yardstick:
            found = study.pair("A", "B").function
            return Yardstick(None, lambda m: found.loss_source if m.name == "A" else found.loss_target)

        loaded = dict(zip(("A", "B"), models, strict=True))
        measure_study(out, file, losses, lambda _line: None, plan, loaded, True, options.massive)
        facts = [self._facts(c, h, m) for c, h, m in zip(given, self.hashes, models, strict=True)]
        note = "" if options.text else "; for models that were trained on other text, give --text"
        words = f"{text.title} ({entry.documents} documents, chunks of {options.context} tokens{note})"
        circumstances = Circumstances(Models(facts[0], facts[1]), words, "", library_versions(), 0.0)
        write_json(self.folder / "circumstances.json", circumstances)

    def _text(self, text: TextSource, models: list[LanguageModel], out: Path) -> tuple[TextEntry, list[str]]:
        """The study's entry for the text, and its documents as far as the tokens reach."""
        from explorer.text import chunk_documents

        options, tokenizer = self.options, models[0].tokenizer
        pieces = list(text.documents)
        if options.text is not None:
            pieces = _blocks(text, tokenizer)
        chunks = chunk_documents(pieces, tokenizer, options.context, options.tokens)
        pieces = pieces[: int(chunks.document.max()) + 1]
        if options.text is None:
            return TextEntry(DEFAULT.kind, HELD_OUT, len(pieces), options.context), pieces
        write_texts(out / "text.jsonl", pieces)
        return TextEntry(FileCorpus.kind, "text.jsonl", len(pieces), options.context), pieces

    def _entries(self, given: tuple[Checkpoint, Checkpoint], out: Path) -> tuple[ModelEntry, ...]:
        from explorer.study import ModelEntry

        entries = []
        for name, place, sha, checkpoint in zip(("A", "B"), self.places, self.hashes, given, strict=True):
            path = str(place.resolve())
            if self.options.copy_models:
                path = f"models/{name}"
                _copy_model(place, out / path)
            title = checkpoint.place + (f" at {checkpoint.revision}" if checkpoint.revision else "")
            entries.append(ModelEntry(name, "seed", title, path, sha, 0, float("nan")))
        return tuple(entries)

    def _file(
        self, models: list[LanguageModel], entries: tuple[ModelEntry, ...], text: TextEntry, sites: list[Site]
    ) -> StudyFile:
        from explorer.pipeline.study_measurement import library_versions
        from explorer.study import SCHEMA, PairEntry, StudyFile

        a = models[0]
        every = len(sites) == len(a.sites)
        return StudyFile(
            SCHEMA,
            "check",
            f"{entries[0].title} and {entries[1].title}",
            a.d_model,
            a.n_layers,
            entries,
            (),
            text,
            (PairEntry("A", "B"),),
            json.loads(msgspec.json.encode(asdict(self.options))),
            library_versions(),
            None if every else tuple(s.index for s in sites),
        )

    def _check_comparable(self, models: list[LanguageModel], documents: list[str], file: StudyFile, out: Path) -> None:
        """Rule 1 of the verdict, as far as it can be told before anything is measured. Raises InputError."""
        from explorer.alignment import LEAST_ROWS_PER_DIMENSION, check_comparable
        from explorer.study import Study

        a, b = models
        chunks = Study(out, file).chunks()
        check_comparable(a, b, chunks)
        if (
            a.tokenizer(documents, add_special_tokens=False)["input_ids"]
            != (b.tokenizer(documents, add_special_tokens=False)["input_ids"])
        ):
            raise InputError(
                "not assessable: the two models read this text as different token ids; a pair needs one tokenizer"
            )
        rows = {split: int(chunks.split(split).scored.sum()) for split in ("fit", "validation", "test")}
        least = LEAST_ROWS_PER_DIMENSION * a.d_model
        if rows["fit"] < least or not rows["validation"] or not rows["test"]:
            raise InputError(
                f"not assessable: {rows['fit']} rows to fit, at least 20·d = {least} are needed, and some to validate "
                f"({rows['validation']}) and to test ({rows['test']}): give more text, or raise --tokens"
            )

    def _dictionaries(
        self,
        model: LanguageModel,
        sha: str,
        wish: str,
        file: StudyFile,
        out: Path,
        train_at: list[Site],
        sites: list[Site],
        plan: CheckPlan,
    ) -> tuple[DictionaryEntry, ...]:
        """A model's: trained, loaded, or none; each written into the study as a SAELens folder."""
        from explorer.sae.formats import save_sae
        from explorer.study import DictionaryEntry, Study

        found: dict[Site, SAE] = {}
        if wish == "train":
            chunks = Study(out, file).chunks()
            found = {site: self._trained(model, sha, site, chunks, plan) for site in train_at}
        elif wish != "none":
            found = _loaded(wish, model, sites)
        entries = []
        for site, sae in found.items():
            path = f"dictionaries/{model.name}/{site.name}"
            if not (out / path).exists():
                import torch

                title = next(m.title for m in file.models if m.name == model.name)
                save_sae(sae, out / path, title, self.options.context, torch.float32)
            entries.append(DictionaryEntry(model.name, site.name, path, 0, 0, 0))
        return tuple(entries)

    def _trained(self, model: LanguageModel, sha: str, site: Site, chunks: Any, plan: CheckPlan) -> SAE:
        from explorer.alignment import chunks_digest
        from explorer.sae import ROWS, SAE, check_recipe, fit_dictionary

        recipe, seed = check_recipe(model.d_model), self.options.seed
        key = {
            "source": sha,
            "text": chunks_digest(chunks),
            "site": site.name,
            "recipe": asdict(recipe),
            "rows": ROWS,
            "seed": seed,
            "massive": self.options.massive,
        }

        def report(step: str, share: float) -> None:
            plan(step if model.name == "A" else f"{step} of B", share)

        def make() -> dict[str, Any]:
            sae = fit_dictionary(model, site, chunks, recipe, seed, report, self.options.massive)
            return {name: getattr(sae, name) for name in ("W_enc", "b_enc", "W_dec", "b_dec")}

        weights = self.cache.tensors("dictionaries", key, make)
        return SAE("topk", recipe.k, **weights, site=site.name)

    @staticmethod
    def _facts(given: Checkpoint, sha: str, model: LanguageModel) -> ModelFacts:
        count = sum(p.numel() for p in model.network.parameters())
        return ModelFacts(given.place, given.revision, sha, model.d_model, model.n_layers, count)


def _loaded(path: str, model: LanguageModel, sites: list[Site]) -> dict[Site, SAE]:
    from explorer.sae.formats import at_site, load_saes

    found: dict[Site, SAE] = {}
    for sae in load_saes(path):
        if not sae.site and len(sites) != 1:
            raise InputError(f"'{path}' does not say at which site it was trained: choose one with --sites")
        wanted = sites[0] if not sae.site else next((s for s in sites if s.index == residual_index(sae.site)), sites[0])
        found[wanted] = at_site(sae, wanted, model.d_model, path)
    return found


def _blocks(text: TextSource, tokenizer: Any) -> list[str]:
    """The documents; where they are few, their blocks of 1,024 tokens, cut at the same characters."""
    from explorer.text import BLOCK, FEWEST_DOCUMENTS

    if len(text.documents) >= FEWEST_DOCUMENTS:
        return list(text.documents)
    out = []
    for document in text.documents:
        offsets = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        starts = [offsets[i][0] for i in range(0, len(offsets), BLOCK)]
        out += [document[i:j] for i, j in zip(starts, [*starts[1:], None], strict=True)]
    return [piece for piece in out if piece.strip()]


def _copy_model(place: Path, into: Path) -> None:
    """What loading needs: configuration, tokenizer, weights."""
    into.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        if path.suffix in (".json", ".safetensors", ".txt", ".model"):
            shutil.copy2(path, into / path.name)


def _fingerprint(path: str | None) -> Mapping[str, Any] | str | None:
    """A file or folder by content as far as it is cheap: name, size and time of change."""
    if path in (None, "train", "none") or not Path(path).expanduser().exists():
        return path
    root = Path(path).expanduser().resolve()
    files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
    return {str(p): [p.stat().st_size, p.stat().st_mtime_ns] for p in files}
