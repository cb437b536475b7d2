"""Check a pair: two checkpoints go in; a verdict with reasons, a report, the rotations and a study come out."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from explorer import cache as cache_module, ranks
from explorer.alignment import PairResult
from explorer.errors import InputError
from explorer.files import temporary_folder, write_json
from explorer.intake import read_json
from explorer.models import Site, parse_sites
from explorer.pipeline.beyond_paper import measure_beyond
from explorer.pipeline.check_dictionaries import check_dictionaries, dictionary_entries, with_fetched
from explorer.pipeline.check_inputs import (
    agree_on_reading,
    check_assessable,
    fingerprint,
    lowered_note,
    model_entries,
    read_until_settled,
    reading_notes,
    text_entry,
    text_words,
    weights_lineage,
)
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.pipeline.check_outputs import write_outputs
from explorer.pipeline.default_text import check_default_fits
from explorer.pipeline.estimate import planned
from explorer.pipeline.machine_room import check_folders
from explorer.pipeline.progress import CheckProgress
from explorer.progress import silent
from explorer.report import Circumstances, ModelFacts, Models, Report as PairReport, make_report
from explorer.text import TextEntry

if TYPE_CHECKING:
    from explorer.models import LanguageModel, Located
    from explorer.study import ModelEntry, Study, StudyFile

_NOT_IN_KEY = ("text", "sae", "sae_target", "device", "insisted", "force")
"""Options that the key of a check holds in another way, or not at all."""


def check(
    source: Checkpoint,
    target: Checkpoint,
    folder: Path,
    options: CheckOptions,
    command: str,
    progress: CheckProgress | None = None,
) -> PairReport:
    """Measure a pair and write its report into `folder`. Nothing is written there if the pair cannot be assessed.

    `progress` hears every step and each site's result; what it raises ends the check, and finished steps stay in the
    cache for the next run. Raises InputError for what is not assessable.
    """
    from explorer.features import decoder_cosines
    from explorer.models import digest, locate_model
    from explorer.study import verdict_axis

    began = time.monotonic()
    progress = progress or CheckProgress()
    progress("looking for the models", 0.0)
    located = [locate_model(c.place, c.revision, progress) for c in (source, target)]
    places = [found.folder for found in located]
    given, options = options, with_fetched(options, progress)
    check_folders(places, options)
    progress.plan(planned(places, options))
    progress("reading the models", 0.0)
    hashes = [digest(place) for place in places]
    work = _Work(places, hashes, options)
    with work.lock(progress.wait), ExitStack() as stack:
        work.measure((source, target), progress)
        stack.enter_context(ranks.alone())
        progress("writing the report", 0.0)
        result = work.result()
        for site in result.sites if not progress.sites else ():
            progress.tell(site)
        assert result.verdict is not None
        if result.verdict.verdict == "not assessable":
            raise InputError(f"not assessable: {result.verdict.reasons[0]}; {result.verdict.next}")
        context = work.circumstances()
        models = Models(
            _named(context.models.source, source, located[0], given.sae),
            _named(context.models.target, target, located[1], given.sae_target),
        )
        seconds = time.monotonic() - began
        facts = replace(context, models=models, command=command, seconds=seconds, date=now())
        study = work.study()
        axis = verdict_axis(study, result)
        cosines, alike = decoder_cosines(study, "A", "B"), study.similarity("A", "B")
        more = alike, study.substitution("A", "B")
        made = make_report(result, study.responses("A", "B"), facts, cosines, axis, *more)
        made = replace(made, weight_space=study.weight_space("A", "B"))
        write_outputs(folder, work.study(), made, result)
    progress.end()
    return made


def _named(facts: ModelFacts, given: Checkpoint, located: Located, dictionaries: str) -> ModelFacts:
    """A model's facts under the names that were given this time: the measured ones may be of an earlier check."""
    return replace(facts, id=given.place, revision=given.revision, weights=located.note, dictionaries=dictionaries)


def follow(source: Checkpoint, target: Checkpoint, options: CheckOptions) -> None:
    """What a rank does that is not the first: it reads its share of the text, and writes nothing that stays."""
    from explorer.models import digest, locate_model

    places = [locate_model(c.place, c.revision, silent).folder for c in (source, target)]
    options = replace(with_fetched(options, silent), copy_models=False)
    with tempfile.TemporaryDirectory(prefix="polymorphism-explorer-") as folder:
        work = _Work(places, [digest(place) for place in places], options, Path(folder))
        work.measure((source, target), CheckProgress())


def now() -> str:
    """The date and time here, ISO 8601 with the zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


class _Work:
    """One check in the user's cache, found again by everything that decides it."""

    def __init__(
        self, places: list[Path], hashes: list[str], options: CheckOptions, folder: Path | None = None
    ) -> None:
        """In `folder`, if there is one: of a rank that is not the first."""
        self.places, self.hashes, self.options = places, hashes, options
        self.cache = cache_module.user_cache()
        if self.cache.folder is None:
            self.cache = cache_module.Cache(temporary_folder())
        key: dict[str, Any] = {
            "source": hashes[0],
            "target": hashes[1],
            # A study that points at the models is another one than a study of copies, or of the same files elsewhere.
            "places": [str(p.resolve()) for p in places],
            "text": fingerprint(options.text),
            "sae": fingerprint(options.sae),
            "sae_target": fingerprint(options.sae_target),
            **{k: v for k, v in asdict(options).items() if k not in _NOT_IN_KEY},
            **({"insisted": True} if options.insisted else {}),
        }
        path = self.cache.path("checks", key)
        assert path is not None
        self.folder = folder or path

    def lock(self, wait: Callable[[str], None]) -> Any:
        """Two runs of the same check take turns. One that waits goes on telling so, and can be cancelled there."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        while True:
            try:
                return lock.acquire(timeout=0.2)
            except Timeout:
                wait("waiting for the same check, which runs elsewhere")

    def study(self) -> Study:
        """The study that was made."""
        from explorer.study import open_study

        return open_study(self.folder / "study")

    def result(self) -> PairResult:
        """The measured pair."""
        return self.study().pair("A", "B")

    def circumstances(self) -> Circumstances:
        """What the report says beside the numbers."""
        return read_json(self.folder / "circumstances.json", Circumstances, "run the check again")

    def measure(self, given: tuple[Checkpoint, Checkpoint], progress: CheckProgress) -> None:
        """Everything, unless it is there already."""
        study = self.folder / "study"
        if ranks.agreed(self._is_measured()):
            return
        try:
            self._measure(given, progress)
        except Exception:
            # Half of a result would fail every later run; finished steps have places of their own in the cache.
            shutil.rmtree(study, ignore_errors=True)
            raise

    def _is_measured(self) -> bool:
        study = self.folder / "study"
        if (study / "study.json").is_file():
            try:
                self.result(), self.study().maps("A", "B"), self.study().responses("A", "B")
            except Exception:  # damaged from outside: made again
                shutil.rmtree(study)
            else:
                with suppress(InputError):
                    self.circumstances()
                    return True
        return False

    def _measure(self, given: tuple[Checkpoint, Checkpoint], progress: CheckProgress) -> None:
        from explorer.models import choose_device, load_model
        from explorer.pipeline.study_measurement import Yardstick, library_versions, measure_study
        from explorer.study import Study
        from explorer.text import read_text

        options, out = self.options, self.folder / "study"
        device = choose_device(options.device)
        models = [load_model(p, name=n, device=device) for p, n in zip(self.places, ("A", "B"), strict=True)]
        sites = parse_sites(options.sites, models[0].n_layers)
        related = weights_lineage(*models) if ranks.slices() == 1 else None
        check_dictionaries(models, sites, options)
        progress("reading the text", 0.0)
        text = read_text(options.text, options.budget, progress)
        reading = agree_on_reading(models, options)
        entry, documents = text_entry(text, models[0].tokenizer, reading, options, out)
        entries = model_entries(given, self.places, self.hashes, options.copy_models, out)
        file = self._file(models, entries, entry, sites)
        study = Study(out, file)
        chunks = study.chunks()
        check_assessable(models, documents, chunks)
        if options.text is None and not options.insisted:
            check_default_fits(models, chunks, reading)
        grown = read_until_settled(models, self.hashes, study, chunks, options, progress)
        notes = reading_notes(text)
        if options.dtype != "float32":
            notes.append(lowered_note(models, options, chunks, sites, progress))
        dictionaries = [
            entry
            for model, sha in zip(models, self.hashes, strict=True)
            for entry in dictionary_entries(study, model, sha, chunks, options, self.cache, progress, notes.append)
        ]
        file = replace(file, dictionaries=tuple(dictionaries))

        def losses(study: Study) -> Yardstick:
            found = study.pair("A", "B").function
            return Yardstick(None, lambda m: found.loss_source if m.name == "A" else found.loss_target)

        loaded = dict(zip(("A", "B"), models, strict=True))
        measure_study(
            out, file, losses, lambda _line: None, progress, loaded, True, options.massive, progress.tell, grown
        )
        notes += measure_beyond(Study(out, file), models, chunks, options, progress)
        facts = [self._facts(c, h, m) for c, h, m in zip(given, self.hashes, models, strict=True)]
        circumstances = Circumstances(
            Models(facts[0], facts[1]),
            text_words(text, entry, reading, models[0].tokenizer, options),
            entry.context,
            entry.bos,
            "",
            library_versions(),
            0.0,
            "",
            related,
            tuple(notes),
        )
        write_json(self.folder / "circumstances.json", circumstances)

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

    @staticmethod
    def _facts(given: Checkpoint, sha: str, model: LanguageModel) -> ModelFacts:
        count = sum(p.numel() for p in model.network.parameters())
        return ModelFacts(given.place, given.revision, sha, model.d_model, model.n_layers, count)
